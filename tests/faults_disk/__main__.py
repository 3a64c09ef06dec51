"""`python -m tests.faults_disk [CASES] [SEED]`: sessions on disks that run full."""

import sys

from tests.faults_disk.report import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
