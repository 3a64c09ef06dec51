"""Where the service shows its numbers to Prometheus."""

from typing import Annotated

from pydantic import Field

from rigd.config.base import Model


class Metrics(Model):
    """`http://<address>:<port>/metrics`, in the text format of Prometheus."""

    address: str = "127.0.0.1"
    """Where to listen; default 127.0.0.1, so that only this host reads them. There is
    no password: give another address only in a network that you trust."""
    port: Annotated[int, Field(ge=0, le=65535)] = 9478
    """Port; default 9478. 0: no metrics."""
