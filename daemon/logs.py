"""What the service and its sessions say of themselves, to the journal or to a person.

The journal gets one JSON object a line behind `<N>`, from which it takes the priority;
a person gets plain lines. The events of a session are those of its `log.jsonl`.
"""

import atexit
import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.typing import Processor

from rigd.daemon.event_log import EventLog
from rigd.daemon.patient_output import PatientOutput
from rigd.daemon.session_events import FolderMade, SessionEvent

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""syslog(3) priorities by level."""


OUTPUTS: list[PatientOutput] = []
"""Where logs go."""


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether what is written to a stream goes to the journal, see systemd.exec(5)."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def configure_logs(stream: TextIO, environment: Mapping[str, str]) -> None:
    """Send all that is logged from now on to `stream`, as fits who reads it there.

    What libraries log through `logging` goes the same way. Nobody waits for who reads.
    """
    output = PatientOutput(stream.fileno())
    atexit.register(output.flush)
    OUTPUTS.append(output)
    for_journal = is_journal(stream, environment)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            *(_for_journal() if for_journal else _for_people(stream)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: PatientLogger(output),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        handlers=[_ToStructlog()], level=logging.WARNING, format="%(message)s"
    )


def _for_journal() -> list[Processor]:
    return [structlog.processors.JSONRenderer(), _with_priority]


def _for_people(stream: TextIO) -> list[Processor]:
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    return [
        stamp,
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0),
    ]


def _with_priority(logger: object, method: str, line: object) -> str:
    return f"<{PRIORITIES.get(method, 6)}>{line}"


class PatientLogger:
    """What structlog writes lines with."""

    def __init__(self, output: PatientOutput) -> None:
        self._output = output

    def msg(self, message: str) -> None:
        """Write a line."""
        self._output.write(f"{message}\n")

    log = debug = info = warn = warning = error = critical = exception = fatal = msg


class _ToStructlog(logging.Handler):
    """Takes what is logged by the standard library's `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on."""
        structlog.get_logger(record.name).log(
            record.levelno, record.getMessage(), exc_info=record.exc_info
        )


class JournalLog(EventLog):
    """Logs the events of a session where the service logs, with the session's name."""

    def __init__(self) -> None:
        super().__init__(structlog.get_logger())

    def observe(self, event: SessionEvent) -> None:
        """Log an event."""
        super().observe(event)
        if isinstance(event, FolderMade):
            names = {"session": event.session, "subject": event.subject}
            self._log = structlog.get_logger().bind(**names)


def print_fault(error: Exception) -> None:
    """Say on standard error why a command can't go on; an error in the journal."""
    for output in OUTPUTS:
        output.flush()  # what was logged came before
    priority = "<3>" if is_journal(sys.stderr, os.environ) else ""
    for line in f"rigd: {error}".splitlines():
        print(f"{priority}{line}", file=sys.stderr)
