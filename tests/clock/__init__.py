"""Clock alignment against simulated clocks whose true time is known."""
