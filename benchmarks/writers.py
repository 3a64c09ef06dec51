"""The real writer process, around a stream file made for it."""

import os
from pathlib import Path
from typing import Any

import h5py
import zmq

from benchmarks.processes import Child, ChildError, Children
from benchmarks.workload import KEY, STREAM, Workload
from rigd.streams.messages import EVENT, Failed, Ready, WriterSpec
from rigd.streams.stream_layout import StreamLayout, stream_layout
from tests.support.stream_files import make_stream_file

START_LIMIT_MS = 60_000


class Writer:
    """`python -m rigd.streams.writer`, and the daemon's end of its control line."""

    def __init__(
        self,
        children: Children,
        folder: Path,
        workload: Workload,
        *,
        prepared: Path | None = None,
        **settings: Any,
    ) -> None:
        """Start it on an empty file; the next step is `wait_until_ready`.

        Args:
            children: Ends it, with whatever else is started there.
            folder: An empty folder for file and sockets.
            workload: What it is going to get.
            prepared: Its file, if there is one already.
            settings: Fields of `WriterSpec` that differ from their defaults.

        """
        self.path = prepared or folder / "stream.nwb"
        self.endpoint = f"ipc://{folder}/data"
        self.layout: StreamLayout = stream_layout(STREAM, workload.stream_format)
        if prepared is None:
            make_stream_file(self.path, self.layout)
        context = children.enter_context(zmq.Context())
        self._control = children.enter_context(context.socket(zmq.ROUTER))
        self._control.linger = 0
        self._control.bind(f"ipc://{folder}/control")
        specification = WriterSpec(
            stream=STREAM,
            path=str(self.path),
            endpoint=self.endpoint,
            key=KEY,
            format=workload.stream_format.to_json(),
            nwb_type="TimeSeries",
            chunk=None,
            compression="none",
            control=f"ipc://{folder}/control",
            parent=os.getpid(),
            **settings,
        )
        self.child = Child("rigd.streams.writer", specification)
        children.callback(self.child.close)

    def wait_until_ready(self) -> None:
        """Wait until its file is open and its socket bound.

        Raises:
            ChildError: It failed, or does not answer.

        """
        if not self._control.poll(START_LIMIT_MS):
            raise ChildError("the writer does not answer")
        event = EVENT.validate_json(self._control.recv_multipart()[1])
        if not isinstance(event, Ready):
            text = event.error if isinstance(event, Failed) else event.event
            raise ChildError(f"the writer is not ready: {text}")
        self.child.start_counting()

    def check_complete(self, workload: Workload) -> None:
        """Look into the closed file: all rows must be there.

        Raises:
            ChildError: Rows are missing, so nothing that was measured counts.

        """
        with h5py.File(self.path) as file:
            rows = len(file[self.layout.data[0].path])
        if rows != workload.blocks * workload.rows:
            sent = workload.blocks * workload.rows
            raise ChildError(f"{rows} of {sent} rows are in {self.path.name}")
