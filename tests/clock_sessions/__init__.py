"""Clocks through the whole pipeline: real processes, times against the truth.

`python -m tests.clock_sessions` records simulated devices whose clocks differ and
compares the times of the session files with the truth: each device has a stream whose
rows are CLOCK_MONOTONIC at the moment at which they were taken.
"""
