"""What a fuzzer is guided through: bytes in, an error for each rule that is broken."""

import os
import struct
import time
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

import zmq

from rigd.streams.free_space import Place
from rigd.streams.journal import Payload, frame
from rigd.streams.journal_file import JournalError, scan_open
from rigd.streams.journal_state import read_state
from rigd.streams.receiver import Receiver
from rigd.streams.shared_memory import FIRST, SharedMemory
from tests.faults.stream_kinds import KINDS, STREAM
from tests.faults.wire_model import (
    DATA,
    HEADER,
    HELLO,
    IN_MEMORY,
    MEMORY,
    OFFSET,
    WireModel,
)
from tests.support.writer_process import KEY

PIECE = 128
"""Bytes of an input that make one message, or one record."""

PATIENCE = 5.0
"""Seconds that a message may take within a process."""

RECORD = struct.Struct("<BBH")
"""Type, dataset and size of a forged record."""

CONTEXT: "zmq.Context[zmq.Socket[bytes]]" = zmq.Context()
NUMBERS = count()


SENDER = 5

KIND = 5
"""Place of the kind in a header."""

NOISE = bytes(range(256)) * 16
"""What the memory of the sender holds."""


class BrokenRuleError(Exception):
    """A reader has done what its text does not say."""


def pieces(data: bytes) -> list[bytes]:
    """Cut an input."""
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)]


# --- wire -----------------------------------------------------------------------------


def wire(data: bytes) -> None:
    """Send messages that differ from valid ones by these bytes (XOR)."""
    kind = KINDS["channels"]
    endpoint = f"inproc://{next(NUMBERS)}"
    receiver = Receiver(
        CONTEXT,
        endpoint,
        stream=STREAM,
        stream_format=kind.format,
        key=KEY,
        complain=lambda what: None,
    )
    sender = CONTEXT.socket(zmq.DEALER)
    sender.connect(endpoint)
    model = WireModel(kind)
    try:
        hello = header(model, HELLO, SENDER) + STREAM.encode()
        deliver(sender, receiver, model, [hello])
        memory = shared_noise()
        content = bytes(memory.view(Place(0, FIRST + len(NOISE))))
        model.memories[memory.where] = (SENDER, content)
        shown = header(model, MEMORY, SENDER) + memory.where
        deliver(sender, receiver, model, [shown])
        for piece in pieces(data):
            mask = piece[: HEADER.size].ljust(HEADER.size, b"\0")
            valid = header(model, DATA, model.sender)
            mixed = bytes(a ^ b for a, b in zip(valid, mask, strict=True))
            body = piece[HEADER.size :]
            if mixed[KIND] in IN_MEMORY:
                body = body[: OFFSET.size]
            deliver(sender, receiver, model, [mixed + body])
    finally:
        sender.close(linger=0)
        receiver.socket.close(linger=0)


@cache
def shared_noise() -> SharedMemory:
    """Make the memory that the sender of all inputs shares."""
    memory = SharedMemory(len(NOISE), SENDER)
    memory.put([memoryview(NOISE)], len(NOISE))
    return memory


def header(model: WireModel, kind: int, sender: int) -> bytes:
    """Make the header that comes next, of one row."""
    digest = model.kind.format.digest
    return HEADER.pack(
        b"RIGD", 1, kind, 0, KEY, digest, sender, model.wanted, model.next, 0, 0, 1,
        model.epoch, 0, 0,
    )  # fmt: skip


def deliver(
    sender: "zmq.Socket[bytes]",
    receiver: Receiver,
    model: WireModel,
    message: list[bytes],
) -> None:
    """Let receiver and model take a message; they must agree."""
    sender.send_multipart(message)
    if not receiver.socket.poll(int(PATIENCE * 1000)):
        raise BrokenRuleError(f"not there after {PATIENCE} s")
    receiver.take()
    model.take(message)
    found = (receiver.wanted, receiver.sender, receiver.rejected)
    wanted = (model.wanted, model.sender, model.rejected)
    if found != wanted:
        raise BrokenRuleError(f"wanted, sender, rejected are {found}, not {wanted}")


# --- journal --------------------------------------------------------------------------


def journal(data: bytes) -> None:
    """Read these bytes as a journal; or as records, with the right checksums."""
    is_forged = bool(data) and data[0] % 2 == 1
    content = forged(data[1:]) if is_forged else data[1:]
    descriptor = os.memfd_create("journal")
    begun = time.monotonic()
    try:
        os.write(descriptor, content)
        read_state(Path("journal"), scan_open(descriptor))
    except JournalError:
        return
    finally:
        os.close(descriptor)
        if time.monotonic() - begun > PATIENCE:
            raise BrokenRuleError("it took too long")


def forged(data: bytes) -> bytes:
    """Make records of an input: type, dataset, size, payload, one after the other."""
    content, position = b"", 0
    while position + RECORD.size <= len(data):
        kind, dataset, size = RECORD.unpack_from(data, position)
        position += RECORD.size
        payload = Payload(kind, dataset, data[position : position + size])
        content += frame(payload, key=KEY, position=len(content))
        position += size
    return content


TARGETS: dict[str, Callable[[bytes], None]] = {"wire": wire, "journal": journal}
