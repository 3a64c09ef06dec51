"""What every implementation of an interface must keep to."""
