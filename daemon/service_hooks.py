"""What the service tells the system that runs it. Words only, no I/O."""

from typing import Protocol


class Notifier(Protocol):
    """Hears where the service stands. Must not wait and must not raise."""

    def ready(self, text: str) -> None:
        """The service takes requests from now on; `text` says what it does."""
        ...

    def status(self, text: str) -> None:
        """What it does now, in words a person can read; about once a second."""
        ...

    def alive(self) -> None:
        """The main loop and all sessions' loops go round; about twice a second."""
        ...

    def reloading(self) -> None:
        """It reads its rig file again; `ready` follows."""
        ...

    def stopping(self, text: str) -> None:
        """It ends; sessions come to their orderly end first."""
        ...

    def extend(self, seconds: float) -> None:
        """It gets on with starting or ending, and may take so much longer (s)."""
        ...


class Silent:
    """Tells nobody."""

    def ready(self, text: str) -> None:
        """Say nothing."""

    def status(self, text: str) -> None:
        """Say nothing."""

    def alive(self) -> None:
        """Say nothing."""

    def reloading(self) -> None:
        """Say nothing."""

    def stopping(self, text: str) -> None:
        """Say nothing."""

    def extend(self, seconds: float) -> None:
        """Say nothing."""
