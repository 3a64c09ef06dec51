"""Fits the unit files of rigd to where it is installed, and for whom. No I/O."""

import re
from collections.abc import Iterable

PROGRAM = "/opt/rigd/bin/rigd"
"""Where the unit files, as they are shipped, look for the program."""

OF_USER = {
    "Unit": (
        "Description",
        "AssertPathExists",
        "PartOf",
        "OnFailure",
        "StartLimitIntervalSec",
        "StartLimitBurst",
    ),
    "Service": (
        "Type",
        "NotifyAccess",
        "ExecStart",
        "ExecReload",
        "WatchdogSec",
        "WatchdogSignal",
        "TimeoutStartSec",
        "TimeoutStopSec",
        "TimeoutAbortSec",
        "TimeoutStartFailureMode",
        "TimeoutStopFailureMode",
        "KillMode",
        "KillSignal",
        "Restart",
        "RestartSec",
        "RestartPreventExitStatus",
        "UMask",
        "RuntimeDirectory",
        "RuntimeDirectoryMode",
        "RuntimeDirectoryPreserve",
        "Environment",
        "SyslogIdentifier",
        "LogExtraFields",
        "NoNewPrivileges",
    ),
    "Install": ("WantedBy", "DefaultInstance"),
}
"""What a person's own service manager can do: the rest takes a right of root."""


def for_program(text: str, program: str) -> str:
    """Let a unit run the program at another place."""
    return text.replace(PROGRAM, program)


def for_user(text: str) -> str:
    """Turn a unit of the system into one of a person's own service manager.

    Folders become those of the person, hardening and priorities are left out.
    """
    text = text.replace("/etc/rigd/", "%E/rigd/")
    text = text.replace("WantedBy=multi-user.target", "WantedBy=default.target")
    return "\n".join(_lines_of_user(text.splitlines())).strip() + "\n"


def _lines_of_user(lines: Iterable[str]) -> Iterable[str]:
    section = ""
    for line in lines:
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = heading[1]
            yield from ("", line)
        elif line.partition("=")[0] in OF_USER.get(section, ()):
            yield line
