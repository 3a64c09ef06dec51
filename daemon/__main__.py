"""Makes `python -m rigd.daemon` the same as `rigd`."""

from rigd.daemon.cli import main

if __name__ == "__main__":
    main()
