"""What the helper processes say: steps while they work, the manifest at the end."""

import json
from pathlib import Path

from rigd.daemon.manifest import Manifest, StreamManifest
from rigd.daemon.session_events import Step, StreamRecovery, StreamSummary, Summary


def read_step(line: str) -> Step | None:
    """Read a line of progress (`{"step": ..., "stream": ...}`); None if it is none."""
    try:
        values = json.loads(line)
    except ValueError:
        return None
    if not isinstance(values, dict) or not isinstance(values.get("step"), str):
        return None
    stream = values.get("stream")
    return Step(step=values["step"], stream=stream if isinstance(stream, str) else None)


def read_summary(folder: Path) -> Summary:
    """Sum up the manifest of a finalized session in `folder`.

    Raises:
        ManifestError: There is none, or it can't be read.

    """
    return summarize(Manifest.load(folder / "manifest.json"), folder)


def stream_recoveries(folder: Path) -> list[StreamRecovery]:
    """Say of each stream of a finalized session how it was recovered.

    Raises:
        ManifestError: There is no manifest, or it can't be read.

    """
    manifest = Manifest.load(folder / "manifest.json")
    return [
        StreamRecovery(
            stream=name,
            rows=stream.rows,
            rows_lost=sum(one.missing for one in stream.recoveries),
            changed=bool(stream.recoveries),
            notes=stream.notes,
            reasons=stream.reasons,
        )
        for name, stream in manifest.streams.items()
    ]


def summarize(manifest: Manifest, folder: Path) -> Summary:
    """Say of a session what a person wants to know at its end."""
    return Summary(
        folder=str(folder),
        verdict=manifest.verdict,
        reasons=manifest.reasons,
        streams=[
            _summarize_stream(manifest, name, stream)
            for name, stream in manifest.streams.items()
        ],
    )


def _summarize_stream(
    manifest: Manifest, name: str, stream: StreamManifest
) -> StreamSummary:
    file = manifest.file_of(name)
    seconds = _seconds(stream)
    return StreamSummary(
        stream=name,
        rows=stream.rows,
        seconds=seconds,
        rate=(stream.rows - 1) / seconds if stream.rows and seconds else None,
        lost=stream.ledger.lost if stream.ledger else None,
        bytes=file.size if file else None,
        verdict=stream.verdict,
    )


def _seconds(stream: StreamManifest) -> float | None:
    if stream.first_time is None or stream.last_time is None:
        return None
    return stream.last_time - stream.first_time
