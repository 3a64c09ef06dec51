"""Who may talk to the service, and where it listens."""

from typing import Annotated

from pydantic import AfterValidator, model_validator

from rigd.config.base import Model
from rigd.config.paths import PathInFile


def _is_tcp(endpoint: str) -> str:
    kind, _, place = endpoint.partition("://")
    host, _, port = place.rpartition(":")
    if kind != "tcp" or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(
            f"`{endpoint}` is not `tcp://<address or *>:<port>`, e.g. "
            "`tcp://127.0.0.1:5570`"
        )
    return endpoint


TcpEndpoint = Annotated[str, AfterValidator(_is_tcp)]
"""A place to listen at for other hosts: `tcp://<address or *>:<port>`."""


class Control(Model):
    """How programs and people talk to `rigd serve`."""

    group: str | None = None
    """Members of this group of the system may control the service; default: only its
    own user (and root)."""
    tcp: TcpEndpoint | None = None
    """Listen here too, for other hosts: requests at this port, events at the next;
    default: on this host only. Needs `keys`."""
    keys: PathInFile | None = None
    """Folder with the CURVE keys of the service and of those who may control it by
    tcp, as made by `rigd keys new`; default: none."""

    @model_validator(mode="after")
    def _tcp_has_keys(self) -> "Control":
        if self.tcp is not None and self.keys is None:
            raise ValueError(
                "`tcp` without `keys` would obey anybody: make keys by "
                "`rigd keys new DIR` and name the folder under `keys`"
            )
        return self
