"""What the owner of a rig writes: rig and session files, and their meaning."""
