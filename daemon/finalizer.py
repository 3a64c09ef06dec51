"""Makes a session of what was recorded: ledger, alignment, seals, links, verdict.

    collect ledgers -> align -> seal the stream files -> judge -> write the session file
    (links and times; audited and validated) -> seal the rest -> manifest

It needs no more than what stands on disk, and can run again with the same result. A
stream whose file is missing, open or damaged is named, and the rest is finalized. A
process of its own (`python -m rigd.daemon.finalizer FOLDER`), since it imports pynwb.
"""

import json
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session
from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.manifest import (
    AlignmentEntry,
    FileEntry,
    LedgerEntry,
    Manifest,
    ManifestError,
    StreamManifest,
)
from rigd.daemon.seal import seal
from rigd.daemon.session_file import SessionFileError, build_session_file
from rigd.daemon.session_record import SessionRecord, StreamRecord
from rigd.daemon.stream_entry import Arrays, StreamEntry
from rigd.daemon.stream_findings import (
    Findings,
    StreamFindings,
    find_in,
    with_coverage,
)
from rigd.daemon.verdict import (
    Judgement,
    Verdict,
    judge_session,
    judge_stream,
)
from rigd.streams.stream_reader import StreamFileError

LIBRARIES = ("rigd", "h5py", "numpy", "pynwb")

NEVER_OPEN = "its device was never open, so it was not recorded"
CHANGED = "its file is not as it was when it was sealed"


class FinalizeError(Exception):
    """The folder holds no session that could be finalized: what is missing."""


Told = Callable[[str, str | None], None]
"""Hears of each step, and of the stream that it is about."""


def _silent(step: str, stream: str | None) -> None:
    return


Judgements = Mapping[str, Judgement]


def finalize(folder: Path, told: Told = _silent) -> Manifest:
    """Finalize the session in `folder`; return the manifest, which stands there too.

    Args:
        folder: The session folder.
        told: Hears of each step.

    Raises:
        FinalizeError: The folder has no usable record of a session.
        OSError: The disk refuses, e.g. is full.

    """
    record = _load_record(folder)
    paths = SessionPaths(folder, record.subject, record.session)
    session = _load_settings(paths)
    findings = with_coverage(_collect(paths, record, told))
    files, changed = _as_sealed_first(
        _seal_streams(paths, record, findings, told), _sealed_before(paths)
    )
    judgements = {
        name: _judge(name, findings, session.tolerance, is_changed=name in changed)
        for name in dict.fromkeys((*session.rig.streams, *record.streams))
    }
    judged, faults = _write_session_file(
        paths, session, record, findings, judgements, told
    )
    files += _seal_rest(paths, told, has_session_file=not faults)
    manifest = _manifest(session, record, findings, judgements, judged, files)
    told("writing manifest", None)
    manifest.save(paths.manifest)
    return manifest


# --- what stands on disk --------------------------------------------------------------


def _load_record(folder: Path) -> SessionRecord:
    path = folder / "record.json"
    try:
        return SessionRecord.load(path)
    except FileNotFoundError:
        raise FinalizeError(
            f"{folder} is no folder of a session that has begun: no record.json"
        ) from None
    except (OSError, ValidationError) as error:
        raise FinalizeError(f"{path} can't be used: {error}") from error


def _load_settings(paths: SessionPaths) -> Session:
    try:
        return load_session(paths.settings)
    except (OSError, ConfigurationError) as error:
        raise FinalizeError(f"{paths.settings} can't be used: {error}") from error


def _collect(
    paths: SessionPaths, record: SessionRecord, told: Told
) -> dict[str, StreamFindings]:
    findings = {}
    for name, stream in record.streams.items():
        told("reading ledger, aligning", name)
        path = paths.folder / stream.file
        findings[name] = find_in(path, name, stream, record.start_monotonic_ns)
    return findings


def _judge(
    name: str, findings: Findings, tolerance: float, *, is_changed: bool
) -> Judgement:
    if name not in findings:
        return Judgement(Verdict.FAILED, (NEVER_OPEN,))
    facts = findings[name].facts
    if is_changed:
        facts = replace(facts, contradictions=(*facts.contradictions, CHANGED))
    return judge_stream(facts, tolerance)


# --- sealing and linking --------------------------------------------------------------


def _seal_streams(
    paths: SessionPaths, record: SessionRecord, findings: Findings, told: Told
) -> list[FileEntry]:
    """Seal the stream files that can be used; the others stay as they are."""
    files = []
    for name, stream in record.streams.items():
        path = paths.folder / stream.file
        if findings[name].times is not None:
            told("sealing", name)
            files.append(_sealed(paths, path, name))
        elif path.is_file():
            files.append(_unsealed(paths, path, name))
    return files


def _sealed_before(paths: SessionPaths) -> dict[str, FileEntry]:
    """The seals of an earlier finalization, by path of the file."""
    try:
        manifest = Manifest.load(paths.manifest)
    except ManifestError:
        return {}
    return {file.path: file for file in manifest.files if file.is_sealed}


def _as_sealed_first(
    files: Sequence[FileEntry], before: Mapping[str, FileEntry]
) -> tuple[list[FileEntry], set[str | None]]:
    """Let the first seal of a file count; return all seals, and the streams changed.

    Else finalizing again would bless a file that was changed since.
    """
    first = [before.get(file.path, file) for file in files]
    changed = {
        file.stream
        for file, was in zip(files, first, strict=True)
        if file.sha256 != was.sha256
    }
    return first, changed


def _sealed(paths: SessionPaths, path: Path, stream: str | None = None) -> FileEntry:
    made = seal(path)
    return FileEntry(
        path=path.relative_to(paths.folder).as_posix(),
        size=made.size,
        sha256=made.sha256,
        mode=_mode(path),
        stream=stream,
    )


def _unsealed(paths: SessionPaths, path: Path, stream: str) -> FileEntry:
    return FileEntry(
        path=path.relative_to(paths.folder).as_posix(),
        size=path.stat().st_size,
        sha256=None,
        mode=_mode(path),
        stream=stream,
    )


def _mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:04o}"


def _write_session_file(
    paths: SessionPaths,
    session: Session,
    record: SessionRecord,
    findings: Findings,
    judgements: Judgements,
    told: Told,
) -> tuple[Judgement, list[str]]:
    """Write the session file; return the session's verdict and what hindered it."""
    judged = judge_session(judgements)
    told("writing session file", None)
    try:
        build_session_file(
            paths,
            session,
            record,
            [
                _entry(name, stream, findings[name], judgements[name])
                for name, stream in record.streams.items()
            ],
            verdict=judged.verdict.value,
            reasons=judged.reasons,
        )
    except (SessionFileError, StreamFileError, OSError) as error:
        fault = f"there is no session file: {error}"
        return judge_session(judgements, [fault]), [fault]
    return judged, []


def _entry(
    name: str, stream: StreamRecord, found: StreamFindings, judged: Judgement
) -> StreamEntry:
    return StreamEntry(
        name=name,
        record=stream,
        times=found.times.all if found.times is not None else _no_times,
        ledger=found.facts.ledger,
        fits=found.fits,
        lost=found.lost,
        verdict=judged.verdict.value,
        fault=found.facts.fault,
    )


def _no_times() -> Arrays:
    return ()


def _seal_rest(
    paths: SessionPaths, told: Told, *, has_session_file: bool
) -> list[FileEntry]:
    told("sealing session", None)
    files = [paths.settings, paths.record]
    if has_session_file:
        files.append(paths.session_file)
    return [_sealed(paths, path) for path in files]


# --- the manifest ---------------------------------------------------------------------


def _manifest(
    session: Session,
    record: SessionRecord,
    findings: Findings,
    judgements: Judgements,
    judged: Judgement,
    files: Sequence[FileEntry],
) -> Manifest:
    return Manifest(
        identifier=record.identifier,
        session=record.session,
        subject=record.subject,
        start_utc=record.start_utc,
        verdict=judged.verdict,
        reasons=list(judged.reasons),
        streams={
            name: _stream_manifest(
                device_of(session, record, name),
                record.streams.get(name),
                findings.get(name),
                judgement,
            )
            for name, judgement in judgements.items()
        },
        files=list(files),
        software=record.software,
        finalized_by={name: version(name) for name in LIBRARIES},
        host={"name": platform.node(), "system": platform.platform()},
    )


def device_of(session: Session, record: SessionRecord, stream: str) -> str:
    """Name the device of a declared or recorded stream."""
    if stream in record.streams:
        return record.streams[stream].device
    devices = session.rig.devices.items()
    return next(name for name, device in devices if stream in device.streams)


def _stream_manifest(
    device: str,
    stream: StreamRecord | None,
    found: StreamFindings | None,
    judged: Judgement,
) -> StreamManifest:
    entry = StreamManifest(
        device=device,
        file=None if stream is None else stream.file,
        verdict=judged.verdict,
        reasons=list(judged.reasons),
        rate=None if stream is None else stream.stream_format.rate,
    )
    if found is None or found.times is None or found.facts.ledger is None:
        return entry
    return entry.model_copy(
        update={
            "rows": found.facts.ledger.received,
            "first_time": found.first_time,
            "last_time": found.last_time,
            "ledger": LedgerEntry.of(found.facts.ledger),
            "axis": found.times.clock.axis,
            "alignment": [
                AlignmentEntry.of(epoch, fit)
                for epoch, fit in sorted(found.fits.items())
            ],
        }
    )


# --- the process ----------------------------------------------------------------------


def print_step(step: str, stream: str | None) -> None:
    """Say a step as a line of JSON."""
    said = {"step": step} if stream is None else {"step": step, "stream": stream}
    print(json.dumps(said), flush=True)


def main(arguments: Sequence[str]) -> int:
    """Finalize a folder; return 0 for complete, 1 for less, 2 for wrong usage."""
    if len(arguments) != 1:
        print("usage: python -m rigd.daemon.finalizer FOLDER", file=sys.stderr)
        return 2
    try:
        manifest = finalize(Path(arguments[0]), print_step)
    except (FinalizeError, OSError) as error:
        print(f"can't finalize: {error}", file=sys.stderr)
        return 1
    print(_last_line(manifest.verdict, manifest.reasons), flush=True)
    return 0 if manifest.verdict is Verdict.COMPLETE else 1


def _last_line(verdict: Verdict, reasons: Iterable[str]) -> str:
    return json.dumps({"verdict": verdict, "reasons": list(reasons)})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
