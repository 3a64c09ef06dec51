"""Runs a process that works on a session folder, for a command that waits for it."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from rigd.daemon.session_events import Observer, Output
from rigd.daemon.session_summary import read_step


def run_helper(
    module: str, folder: Path, observer: Observer, *flags: str, settings: str = ""
) -> int:
    """Give it its settings on standard input, tell of its steps; return its exit code.

    Ctrl-C ends it at once, wherever it is: what it does can be done again.
    """
    command = [sys.executable, "-m", module, str(folder), *flags]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as helper:
        try:
            if helper.stdin is not None:
                with suppress(BrokenPipeError):  # it has ended, and said why
                    helper.stdin.write(settings)
                    helper.stdin.close()
            for line in helper.stdout or ():
                step = read_step(line)
                observer.observe(step or Output(process=module, line=line.rstrip()))
        except KeyboardInterrupt:
            helper.terminate()
            print("rigd: interrupted; nothing is lost, run it again", file=sys.stderr)
    return helper.wait()
