"""The ways to link NWB files that pynwb documents, on files as this project makes them.

Each test file shows one way: what works, and where it does not, what happens instead.
"""
