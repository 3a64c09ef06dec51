"""Where the service stands, in words. No I/O."""

from collections.abc import Sequence

from rigd.daemon.armed_device import DeviceState
from rigd.daemon.control_protocol import DeviceStatus, SessionStatus
from rigd.daemon.quantities import clock_text, count_text, time_text
from rigd.daemon.session_events import Progress

WORDS = {
    "checking": "checking",
    "arming": "opening the devices of",
    "recording": "recording",
    "draining": "bringing to the disk",
    "finalizing": "finalizing",
}
"""What is done with a session in a state."""


def service_text(
    state: str,
    sessions: Sequence[SessionStatus],
    unfinished: Sequence[str],
    devices: Sequence[DeviceStatus] = (),
) -> str:
    """One line that says all, as for the status of a system's service."""
    parts = [session_text(session) for session in sessions]
    if not sessions and state == "ready":
        parts.append("idle: ready for a session")
    for told in (DeviceState.OPENING, DeviceState.MISSING, DeviceState.DISARMED):
        if names := [one.device for one in devices if one.state is told]:
            parts.append(f"{told}: {', '.join(names)}")
    if unfinished:
        parts.append(f"finishing {len(unfinished)} sessions of before")
    if state != "ready":
        parts.insert(0, state)
    return "; ".join(parts)


def session_text(session: SessionStatus) -> str:
    """`recording sub-M042, 6 streams, 00:12:31, 0 lost, 3 h 10 min of disk left`."""
    doing = WORDS.get(session.state, session.state)
    text = f"{doing} sub-{session.subject} ses-{session.session}"
    if session.progress is None:
        return text
    return ", ".join([text, *_progress_texts(session.progress)])


def _progress_texts(progress: Progress) -> list[str]:
    lost = sum(stream.lost for stream in progress.streams)
    texts = [
        f"{len(progress.streams)} streams",
        clock_text(progress.seconds),
        f"{count_text(lost)} lost",
    ]
    if progress.seconds_left is not None:
        texts.append(f"{time_text(progress.seconds_left)} of disk left")
    return texts
