"""One stream, from the device to its file: source -> wire -> writer -> stream file."""
