"""Whether a service holds devices that another program wants."""

from collections.abc import Iterable

from rigd.daemon.armed_device import DeviceState
from rigd.daemon.client import Client, NoServiceError

TAKEN = (DeviceState.OPENING, DeviceState.ARMED, DeviceState.IN_SESSION)


def held_by_service(names: Iterable[str]) -> str | None:
    """Say that a service on this host has some of these devices, and what to do."""
    try:
        with Client() as client:
            status = client.status()
    except NoServiceError:
        return None
    wanted = set(names)
    held = [
        one.device
        for one in status.devices
        if one.device in wanted and one.state in TAKEN
    ]
    if not held:
        return None
    return (
        f"the service (process {status.pid}) has {', '.join(held)} just now: "
        f"`rigd disarm {' '.join(held)}` lets other programs have what no session "
        "needs, `rigd arm` takes it back"
    )
