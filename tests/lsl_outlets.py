"""LSL outlets in a process of their own, which tests open, feed, close and kill.

As a program it takes one JSON object a line on standard input and answers each with
one on standard output. It ends with its standard input.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

CONFIGURATION = """\
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
AddressesOverride = {{127.0.0.1}}
ListenAddress = 127.0.0.1
[tuning]
MulticastMinRTT = 0.1
UnicastMinRTT = 0.1
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = {session}
[log]
level = -3
"""
"""Loopback only, asked soon; outlets of another session are not seen."""


def use_loopback(folder: Path) -> None:
    """Keep LSL of this process and its children to themselves; before its first use."""
    path = folder / "lsl_api.cfg"
    path.write_text(CONFIGURATION.format(session=f"rigd-{os.getpid()}"))
    os.environ["LSLAPICFG"] = str(path)


def sample_values(
    first: int, rows: int, channels: int, dtype: str
) -> npt.NDArray[np.generic]:
    """Samples `first` and on of every numeric outlet: their number plus the channel."""
    numbers = np.arange(first, first + rows)[:, None] + np.arange(channels)
    return (numbers % 30_000).astype(dtype)


class Outlets:
    """The outlets' process, seen from a test."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Outlets":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def ask(self, verb: str, outlet: str, **values: Any) -> Any:
        """Have one thing done; return its result."""
        self.tell(verb, outlet, **values)
        return self.answer()

    def tell(self, verb: str, outlet: str, **values: Any) -> None:
        """Ask for one thing without waiting for it."""
        line = json.dumps({"verb": verb, "outlet": outlet, **values})
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the result of the oldest unanswered request."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def suspend(self) -> None:
        """Stop the process in its tracks, its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End the process without a farewell."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()


class Program:
    """The outlets themselves; the verbs are the requests."""

    def __init__(self) -> None:
        self._outlets: dict[str, Any] = {}
        self._kinds: dict[str, tuple[int, str]] = {}

    def open(
        self,
        outlet: str,
        channels: int = 1,
        rate: float = 0.0,
        dtype: str = "float32",
        *,
        name: str | None = None,
        type: str = "test",
        unit: str | None = None,
    ) -> None:
        """Offer a stream whose source_id is `outlet`."""
        import pylsl

        kind = {"float64": "double64"}.get(dtype, dtype)
        info = pylsl.StreamInfo(name or outlet, type, channels, rate, kind, outlet)
        if unit is not None:
            info.set_channel_labels([f"c{i}" for i in range(channels)])
            info.set_channel_units(unit)
        self._outlets[outlet] = pylsl.StreamOutlet(info)
        self._kinds[outlet] = channels, dtype

    def push(self, outlet: str, first: int, rows: int, stamps: list[float]) -> None:
        """Send the samples `first` and on, with their stamps."""
        data = sample_values(first, rows, *self._kinds[outlet])
        for row, stamp in zip(data, stamps, strict=True):
            self._outlets[outlet].push_sample(row.tolist(), stamp)

    def push_text(self, outlet: str, texts: list[list[str]], stamp: float) -> None:
        """Send rows of text, all with one stamp."""
        for row in texts:
            self._outlets[outlet].push_sample(row, stamp)

    def stream(self, outlet: str, rate: float, seconds: float) -> int:
        """Send at `rate` in blocks of 10 ms; return the number of samples.

        The stamps are even: LSL's own, of when a block is sent, may go back.
        """
        rows, sent = int(rate / 100), 0
        start = time.monotonic()
        while sent < rate * seconds:
            data = sample_values(sent, rows, *self._kinds[outlet])
            sent += rows
            stamp = start + (sent - 1) / rate
            self._outlets[outlet].push_chunk(np.ascontiguousarray(data), stamp)
            time.sleep(max(0.0, start + sent / rate - time.monotonic()))
        return sent

    def run(self, outlet: str, rate: float) -> None:
        """Send from now on, `rate` samples or texts `go` a second, beside the rest."""
        threading.Thread(target=self._send, args=(outlet, rate), daemon=True).start()

    def _send(self, outlet: str, rate: float) -> None:
        if self._kinds[outlet][1] != "string":
            self.stream(outlet, rate, 3600)
        while True:
            self._outlets[outlet].push_sample(["go"])
            time.sleep(1 / rate)

    def close(self, outlet: str) -> None:
        """Take the outlet back."""
        del self._outlets[outlet]


def main() -> None:
    """Do what standard input asks for."""
    program = Program()
    for line in sys.stdin:
        request = json.loads(line)
        result = getattr(program, request.pop("verb"))(**request)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
