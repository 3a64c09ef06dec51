"""A receiver that only writes what comes to a file: `python -m benchmarks.bare`.

What any receiver over pyzmq has to do at least. One socket read and one `os.write` a
message; no checks, no HDF5, no readers, no sync.

pull    a PULL socket, the other end of PUSH
answer  a ROUTER that greets and acknowledges, the other end of rigd's Sender
"""

import os
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path

import zmq

from benchmarks.processes import LIFETIME
from benchmarks.workload import KEY, Workload
from rigd.config.base import Model
from rigd.streams.wire import (
    COPY_BELOW,
    PREFIX,
    RECORD,
    Address,
    Header,
    Kind,
    high_water_mark,
    pack_header,
    parse_header,
    welcome,
)

ACKNOWLEDGE_EVERY = 64
PREFIX_KIND = 5
"""Where the kind of a message stands."""

Socket = zmq.Socket[bytes]


class BareWay(StrEnum):
    """How the messages are received."""

    PULL = "pull"
    ANSWER = "answer"


class BareSpec(Model):
    """What comes, where, and where it goes."""

    way: BareWay
    endpoint: str
    path: Path
    workload: Workload


class BareReport(Model):
    """When the last byte was written: CLOCK_MONOTONIC, seconds."""

    finished: float


def take_by_pull(socket: Socket, descriptor: int, workload: Workload) -> None:
    """Write the messages of a PUSH socket."""
    receive, write = socket.recv, os.write
    if workload.block_bytes < COPY_BELOW:
        for _ in range(workload.blocks):
            write(descriptor, receive())
    else:
        for _ in range(workload.blocks):
            header = receive()
            os.writev(descriptor, (header, socket.recv(copy=False).buffer))


def take_and_answer(socket: Socket, descriptor: int, workload: Workload) -> None:
    """Write the messages of a `Sender`; give it the answers that keep it going."""
    peer, hello = socket.recv(), parse_header(socket.recv())
    address = Address(KEY, hello.digest, hello.sender)
    form = workload.stream_format.to_json()
    socket.send_multipart([peer, welcome(address, 0, form)])
    got, acknowledged = 0, 0
    while got < workload.blocks:
        socket.recv()
        header = socket.recv()
        if socket.getsockopt(zmq.RCVMORE):
            os.writev(descriptor, (header, socket.recv(copy=False).buffer))
        else:
            os.write(descriptor, header)
        got += _blocks_in(header)
        if got - acknowledged >= ACKNOWLEDGE_EVERY:
            _acknowledge(socket, peer, address, got)
            acknowledged = got
    socket.recv_multipart()
    _acknowledge(socket, peer, address, workload.blocks + 1)


def _blocks_in(message: bytes) -> int:
    """Blocks in a DATA or BLOCKS message."""
    is_one = message[PREFIX_KIND] == Kind.DATA
    return 1 if is_one else int(RECORD.unpack_from(message, PREFIX.size)[-1])


def _acknowledge(socket: Socket, peer: bytes, address: Address, number: int) -> None:
    header = Header(Kind.ACK, address.key, address.digest, address.sender, number)
    socket.send_multipart([peer, pack_header(header)])


def main() -> int:
    """Receive by the specification on standard input; report on standard output."""
    signal.alarm(LIFETIME)
    spec = BareSpec.model_validate_json(sys.stdin.readline())
    context: zmq.Context[Socket] = zmq.Context()
    is_pull = spec.way is BareWay.PULL
    socket = context.socket(zmq.PULL if is_pull else zmq.ROUTER)
    socket.rcvhwm = high_water_mark(spec.workload.stream_format)
    socket.bind(spec.endpoint)
    print("ready", flush=True)
    descriptor = os.open(spec.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    take = take_by_pull if is_pull else take_and_answer
    take(socket, descriptor, spec.workload)
    os.close(descriptor)
    print(BareReport(finished=time.monotonic()).model_dump_json(), flush=True)
    socket.close()
    context.term()
    return 0


if __name__ == "__main__":
    sys.exit(main())
