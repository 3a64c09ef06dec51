"""The files that make rigd a service of systemd; `rigd install` brings them there."""
