"""What this process is allowed to use of the host, and its children after it."""

import os
import resource

from rigd.daemon.host_state import HostLimits


def read_host_limits() -> HostLimits:
    """Ask the kernel."""
    return HostLimits(
        open_files=_soft(resource.RLIMIT_NOFILE),
        locked_memory=_soft(resource.RLIMIT_MEMLOCK),
        realtime_priority=_soft(RLIMIT_RTPRIO),
        nice=os.getpriority(os.PRIO_PROCESS, 0),
    )


RLIMIT_RTPRIO = 14
"""Of Linux; the `resource` module has no name for it."""


def _soft(which: int) -> int | None:
    soft, _ = resource.getrlimit(which)
    return None if soft == resource.RLIM_INFINITY else soft
