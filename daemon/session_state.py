"""The life of a session as a table: which event leads from which state to which."""

from enum import StrEnum


class State(StrEnum):
    """Where a session stands."""

    IDLE = "idle"
    CHECKING = "checking"
    ARMING = "arming"
    RECORDING = "recording"
    DRAINING = "draining"
    FINALIZING = "finalizing"
    DONE = "done"
    FAILED = "failed"


class Event(StrEnum):
    """What moves a session on."""

    REQUESTED = "requested"
    """Someone asked for a session."""
    CHECKED = "checked"
    """The settings are good and the session folder is made."""
    ARMED = "armed"
    """All devices are open and all stream files wait for samples."""
    STOPPED = "stopped"
    """Enough: by duration, by request, or because nothing is left to record."""
    DRAINED = "drained"
    """Every process has given back what it had."""
    FINALIZED = "finalized"
    """The session file, the manifest and the verdict stand."""
    FAILED = "failed"
    """It can't go on."""
    ABORTED = "aborted"
    """Someone asked not to wait for the orderly end."""


FIRST = State.IDLE
LAST = frozenset({State.DONE, State.FAILED})

TABLE: dict[tuple[State, Event], State] = {
    (State.IDLE, Event.REQUESTED): State.CHECKING,
    (State.CHECKING, Event.CHECKED): State.ARMING,
    (State.CHECKING, Event.FAILED): State.FAILED,
    (State.CHECKING, Event.ABORTED): State.FAILED,
    (State.ARMING, Event.ARMED): State.RECORDING,
    (State.ARMING, Event.FAILED): State.FAILED,
    (State.ARMING, Event.ABORTED): State.FAILED,
    (State.RECORDING, Event.STOPPED): State.DRAINING,
    (State.RECORDING, Event.FAILED): State.FAILED,
    (State.RECORDING, Event.ABORTED): State.FAILED,
    (State.DRAINING, Event.DRAINED): State.FINALIZING,
    (State.DRAINING, Event.FAILED): State.FAILED,
    (State.DRAINING, Event.ABORTED): State.FAILED,
    (State.FINALIZING, Event.FINALIZED): State.DONE,
    (State.FINALIZING, Event.FAILED): State.FAILED,
    (State.FINALIZING, Event.ABORTED): State.FAILED,
}
"""The whole of it. What is not here does not happen."""


class IllegalEventError(Exception):
    """An event came in a state that has no place for it: a fault of our own."""


def next_state(state: State, event: Event) -> State:
    """Return the state that `event` leads to.

    Raises:
        IllegalEventError: The event has no place in this state.

    """
    try:
        return TABLE[state, event]
    except KeyError:
        allowed = ", ".join(e for s, e in TABLE if s is state) or "none"
        raise IllegalEventError(
            f"event `{event}` in state `{state}`; allowed here: {allowed}"
        ) from None


def mermaid() -> str:
    """Draw the table as a mermaid state diagram, for the documentation."""
    arrows = [f"    {s} --> {target}: {e}" for (s, e), target in TABLE.items()]
    ends = [f"    {state} --> [*]" for state in State if state in LAST]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {FIRST}", *arrows, *ends, ""])
