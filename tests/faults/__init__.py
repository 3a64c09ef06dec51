"""The fault bench: what rigd says is on the disk is there, whatever happens.

`python -m tests.faults` runs it with large numbers and prints a table; the tests beside
this file run it with small ones.
"""
