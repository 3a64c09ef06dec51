"""A session that records some devices of its rig, and not all."""

from collections.abc import Sequence

from rigd.config.base import Misfit, MisfitError
from rigd.config.clocks import Clocks
from rigd.config.rig import Rig, rig_misfits
from rigd.config.session import Session


def with_selected_devices(session: Session) -> Session:
    """Leave only the devices in the rig that the session names under `devices`.

    It then names none: it records all that its rig has.

    Raises:
        MisfitError: One is not in the rig, or what is left does not fit together.

    """
    if session.devices is None:
        return session
    known = ", ".join(session.rig.devices)
    misfits = [
        Misfit(("devices", place), f"the rig has no device `{name}`; it has {known}")
        for place, name in enumerate(session.devices)
        if name not in session.rig.devices
    ]
    if misfits:
        raise MisfitError(misfits)
    rig = _narrowed(session.rig, session.devices)
    if found := list(rig_misfits(rig.model_dump())):
        raise MisfitError(
            Misfit(("devices",), f"without the other devices: {misfit.what}")
            for misfit in found
        )
    return session.model_copy(update={"rig": rig, "devices": None})


def _narrowed(rig: Rig, names: Sequence[str]) -> Rig:
    devices = {name: device for name, device in rig.devices.items() if name in names}
    streams = {stream for device in devices.values() for stream in device.streams}
    clocks = Clocks(
        reference=rig.clocks.reference,
        devices={n: c for n, c in rig.clocks.devices.items() if n in devices},
        streams={n: t for n, t in rig.clocks.streams.items() if n in streams},
    )
    return rig.model_copy(update={"devices": devices, "clocks": clocks})
