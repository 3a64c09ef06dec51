"""What the commands answer to the shell; 78 is EX_CONFIG of sysexits.h."""

GOOD, FAILED, USAGE, BAD_CONFIGURATION = 0, 1, 2, 78
