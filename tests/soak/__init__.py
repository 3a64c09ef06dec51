"""Many sessions through one service: whatever grows is found here."""
