"""Example rig and session files; each one is loaded by a test."""
