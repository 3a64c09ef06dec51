"""A link between a sender and a receiver that drops, doubles and reorders messages."""

import random

import zmq


class FaultyLink:
    """Passes messages on between two endpoints; each fault has its probability."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        front: str,
        back: str,
        *,
        seed: int,
        drop: float = 0.0,
        double: float = 0.0,
        hold: float = 0.0,
    ) -> None:
        self._random = random.Random(seed)
        self._drop, self._double, self._hold = drop, double, hold
        self._held: list[tuple[zmq.Socket[bytes], list[bytes]]] = []
        self._front: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self._front.bind(front)
        self._back: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self._back.connect(back)
        self.faults = 0

    def step(self) -> None:
        """Pass on what is waiting in both directions."""
        self._pass(self._front, self._back)
        self._pass(self._back, self._front)
        if self._held and self._random.random() < 0.5 and takes(self._held[0][0]):
            target, frames = self._held.pop(0)
            target.send_multipart(frames)

    def _pass(self, origin: "zmq.Socket[bytes]", target: "zmq.Socket[bytes]") -> None:
        for _ in range(20):
            if not takes(target):
                return
            try:
                frames = origin.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            chance = self._random.random
            if chance() < self._drop:
                self.faults += 1
            elif chance() < self._hold:
                self.faults += 1
                self._held.append((target, frames))
            else:
                target.send_multipart(frames)
                if chance() < self._double and takes(target):
                    self.faults += 1
                    target.send_multipart(frames)

    def close(self) -> None:
        self._front.close(linger=0)
        self._back.close(linger=0)


def takes(target: "zmq.Socket[bytes]") -> bool:
    """Whether the queue of a socket has room."""
    return bool(target.poll(0, zmq.POLLOUT))
