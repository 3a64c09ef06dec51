"""One module a kind of device; found by the entry point group `rigd.drivers`."""
