"""One stream as it is recorded: what its file looks like, and where it is."""

from typing import Any

from rigd.config.base import Model
from rigd.streams.block import StreamFormat
from rigd.streams.stream_layout import StreamLayout, stream_layout


class StreamRecord(Model):
    """One stream as it was recorded."""

    device: str
    """Name of its device in the rig."""
    file: str
    """Path of its file, relative to the session folder."""
    key: int
    """Stream key on the wire."""
    format: dict[str, Any]
    """`StreamFormat.to_json`."""
    nwb_type: str
    """NWB type of the stream."""
    chunk: tuple[int, ...] | None = None
    """Chunk shape set by the user."""
    compression: str = "none"
    """Filter of the data."""

    @property
    def stream_format(self) -> StreamFormat:
        """dtype, row shape and rate."""
        return StreamFormat.from_json(self.format)

    def layout(self, name: str) -> StreamLayout:
        """Where everything lies in the file of this stream, called `name`."""
        return stream_layout(
            name,
            self.stream_format,
            nwb_type=self.nwb_type,
            chunk=self.chunk,
            compression=self.compression,
        )
