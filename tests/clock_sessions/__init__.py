"""Clocks through the whole pipeline: real processes, times against the truth.

`python -m tests.clock_sessions --sessions 5` records simulated devices whose clocks
differ, and compares the times of the session files with the truth. Simulated pulses
are a function of CLOCK_MONOTONIC alone, so the rows in which a line rises tell the true
time of a sample to within one, also of devices that are aligned without the line.
"""
