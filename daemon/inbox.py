"""A queue between threads that a poller can wait for together with sockets."""

import os
import queue
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """Any thread puts, one thread takes."""

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Descriptor, for a poller: readable while there is something to take."""
        return self._event

    def put(self, item: Item) -> None:
        """Give an item; never waits."""
        self._items.put(item)
        os.eventfd_write(self._event, 1)

    def take(self) -> list[Item]:
        """Return what is there, in order; never waits."""
        try:
            os.eventfd_read(self._event)
        except BlockingIOError:
            return []
        return [self._items.get_nowait() for _ in range(self._items.qsize())]

    def close(self) -> None:
        """Give the descriptor back; nobody may put any more."""
        os.close(self._event)
