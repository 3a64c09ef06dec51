"""Makes a session of what was recorded: ledger, alignment, seals, links, verdict.

    recover what is not whole -> collect ledgers -> align -> seal the stream files
    -> judge -> write the session file (links and times; audited and validated)
    -> seal the rest -> manifest

It needs no more than what stands on disk, and can run again with the same result. A
stream whose file is missing, open or damaged is named, and the rest is finalized. A
process of its own (`python -m rigd.daemon.finalizer FOLDER`), since it imports pynwb.
"""

import argparse
import json
import platform
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session
from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.clock_domains import SessionClocks
from rigd.daemon.content import journaled_chunks
from rigd.daemon.host_clock import HostClockReading, load_host_clock
from rigd.daemon.incidents import given_up, read_incidents
from rigd.daemon.manifest import (
    AlignmentEntry,
    DomainEntry,
    FileEntry,
    LedgerEntry,
    Manifest,
    ManifestError,
    RecoveryEntry,
    StreamManifest,
)
from rigd.daemon.realignment import (
    kept_files,
    realigned,
    revision_in,
    settings_in,
)
from rigd.daemon.rescue import Told, rescue
from rigd.daemon.seal import seal
from rigd.daemon.session_clocks import read_session_clocks
from rigd.daemon.session_file import Evidence, SessionFileError, build_session_file
from rigd.daemon.session_lock import SessionBusyError, lock_as_helper
from rigd.daemon.session_record import SessionRecord, sha256_of
from rigd.daemon.stream_entry import Arrays, StreamEntry
from rigd.daemon.stream_findings import (
    Findings,
    StreamFindings,
    find_in,
    nothing_in,
    with_coverage,
    with_rescue,
)
from rigd.daemon.stream_record import StreamRecord
from rigd.daemon.verdict import (
    Judgement,
    Verdict,
    judge_session,
    judge_stream,
)
from rigd.streams.durable_stream import HDF5_ERRORS, journal_path
from rigd.streams.quick_process import end_quickly
from rigd.streams.reserve import give_back_held_space
from rigd.streams.stream_reader import StreamFileError

LIBRARIES = ("rigd", "h5py", "numpy", "pynwb")

NEVER_OPEN = "its device was never open, so it was not recorded"
CHANGED = "its file is not as it was when it was sealed"


class FinalizeError(Exception):
    """The folder holds no session that could be finalized: what is missing."""


def _silent(step: str, stream: str | None) -> None:
    return


Judgements = Mapping[str, Judgement]


def finalize(folder: Path, told: Told = _silent, *, sha256: bool = True) -> Manifest:
    """Finalize the session in `folder`; return the manifest, which stands there too.

    Args:
        folder: The session folder.
        told: Hears of each step.
        sha256: Take the SHA-256 of whole stream files. Without it, their chunks are
            known by the checksums of their journals alone, and are not read again.

    Raises:
        FinalizeError: The folder has no usable record of a session.
        OSError: The disk refuses, e.g. is full.

    """
    record = load_record(folder)
    paths = SessionPaths(folder, record.subject, record.session)
    session = _load_settings(paths)
    _refuse_other_streams(paths, session, record)
    give_back_held_space(folder)
    host = load_host_clock(paths.host_clock)
    findings, clocks = _collect(paths, session, record, host, told)
    before = _sealed_before(paths, findings)
    sealed = _seal_streams(paths, record, findings, before, told, sha256=sha256)
    faults = _faults_of_content(sealed, before)
    incidents = read_incidents(paths.log)
    findings = _with_given_up(findings, given_up(incidents))
    judgements = {
        name: _judge(name, findings, session.tolerance, faults.get(name, ()))
        for name in dict.fromkeys((*session.rig.streams, *record.streams))
    }
    judged, hindered = _write_session_file(
        paths, session, record, findings, judgements, Evidence(clocks, host), told
    )
    files = [before.get(one.entry.path, one.entry) for one in sealed]
    files += _seal_rest(paths, told, has_session_file=not hindered)
    manifest = _manifest(
        session, record, findings, judgements, judged, files
    ).model_copy(
        update={
            "revision": revision_in(paths),
            "clocks": DomainEntry.of_all(clocks),
            "incidents": incidents,
        }
    )
    told("writing manifest", None)
    manifest.save(paths.manifest)
    return manifest


# --- what stands on disk --------------------------------------------------------------


def load_record(folder: Path) -> SessionRecord:
    """Read the record of the session's start.

    Raises:
        FinalizeError: There is none, or it can't be read.

    """
    path = folder / "record.json"
    try:
        return SessionRecord.load(path)
    except FileNotFoundError:
        raise FinalizeError(
            f"{folder} is no folder of a session that has begun: no record.json"
        ) from None
    except (OSError, ValueError) as error:
        raise FinalizeError(f"{path} can't be used: {error}") from error


def _load_settings(paths: SessionPaths) -> Session:
    """Settings as run, or as changed by a realignment since then."""
    try:
        session = load_session(paths.settings)
    except (OSError, ConfigurationError) as error:
        raise FinalizeError(f"{paths.settings} can't be used: {error}") from error
    try:
        realignment = settings_in(paths)
    except (OSError, ValueError) as error:
        raise FinalizeError(f"{paths.realignment} can't be used: {error}") from error
    return session if realignment is None else realigned(session, realignment)


def _refuse_other_streams(
    paths: SessionPaths, session: Session, record: SessionRecord
) -> None:
    """Refuse settings that lack a stream which was recorded: they were cut or changed.

    Raises:
        FinalizeError: They do.

    """
    lacking = [name for name in record.streams if name not in session.rig.streams]
    if lacking:
        names = ", ".join(f"`{name}`" for name in lacking)
        raise FinalizeError(
            f"{paths.settings} can't be used: it has no {names}, of which "
            f"{paths.record.name} says that it was recorded; put the session's own "
            "settings back"
        )


def _collect(
    paths: SessionPaths,
    session: Session,
    record: SessionRecord,
    host: list[HostClockReading],
    told: Told,
) -> tuple[Findings, SessionClocks]:
    """Make the stream files whole, align their clocks, read their accounts."""
    rescued = {
        name: rescue(paths.folder / stream.file, name, stream, told)
        for name, stream in record.streams.items()
    }
    usable = record.model_copy(
        update={
            "streams": {
                name: stream
                for name, stream in record.streams.items()
                if not rescued[name].unusable
            }
        }
    )
    told("aligning clocks", None)
    clocks = read_session_clocks(
        paths.folder, usable, session.rig.clocks, session.tolerance, host
    )
    findings = {}
    for name, stream in record.streams.items():
        told("reading ledger", name)
        path = paths.folder / stream.file
        if name in usable.streams:
            found = find_in(path, name, stream, record.start_monotonic_ns, clocks)
        else:
            found = nothing_in(stream, rescued[name].unusable)
        findings[name] = with_rescue(found, rescued[name])
    return with_coverage(findings), clocks


def _with_given_up(findings: Findings, causes: Mapping[str, str]) -> Findings:
    """Note of each stream why a process of it was given up, if one was."""
    return {
        name: replace(found, facts=replace(found.facts, given_up=causes.get(name, "")))
        for name, found in findings.items()
    }


def _judge(
    name: str, findings: Findings, tolerance: float, faults: Sequence[str]
) -> Judgement:
    if name not in findings:
        return Judgement(Verdict.FAILED, (NEVER_OPEN,))
    facts = findings[name].facts
    if faults:
        facts = replace(facts, contradictions=(*facts.contradictions, *faults))
    return judge_stream(facts, tolerance)


# --- sealing and linking --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file of a stream, and how many of its chunks are not what was recorded."""

    entry: FileEntry
    bad_chunks: int = 0


Before = Mapping[str, FileEntry]
"""The seals of an earlier finalization, by path of the file."""


def _seal_streams(
    paths: SessionPaths,
    record: SessionRecord,
    findings: Findings,
    before: Before,
    told: Told,
    *,
    sha256: bool,
) -> list[Sealed]:
    """Seal the stream files that can be used; the others stay as they are."""
    files = []
    for name, stream in record.streams.items():
        path = paths.folder / stream.file
        journal = journal_path(path)
        found = [file for file in (path, journal) if file.is_file()]
        if findings[name].times is None:
            files += [Sealed(_unsealed(paths, file, name)) for file in found]
            continue
        told("sealing", name)
        was = before.get(stream.file)
        whole = sha256 if was is None else was.sha256 is not None
        files.append(_seal_stream_file(paths, path, name, whole=whole))
        if journal in found:
            files.append(Sealed(_sealed(paths, journal, name)))
    return files


def _seal_stream_file(
    paths: SessionPaths, path: Path, stream: str, *, whole: bool
) -> Sealed:
    journal = journal_path(path)
    chunks = journaled_chunks(journal) if journal.is_file() else None
    made = seal(path, chunks, whole=whole)
    entry = FileEntry(
        path=path.relative_to(paths.folder).as_posix(),
        size=made.size,
        sha256=made.sha256,
        sha256_rest=made.rest,
        mode=_mode(path),
        stream=stream,
    )
    return Sealed(entry, len(made.bad))


def _sealed_before(paths: SessionPaths, findings: Findings) -> Before:
    """Find the seals that still count: not those of streams recovered since then.

    Else finalizing again would bless a file that was changed since it was sealed.
    """
    try:
        manifest = Manifest.load(paths.manifest)
    except ManifestError:
        return {}
    same = {
        name
        for name, stream in manifest.streams.items()
        if name in findings
        and stream.recoveries == RecoveryEntry.of_all(findings[name].recoveries)
    }
    return {
        file.path: file
        for file in manifest.files
        if file.is_sealed and file.stream in same
    }


def _faults_of_content(
    sealed: Sequence[Sealed], before: Before
) -> dict[str, tuple[str, ...]]:
    """Say of each stream in which way its files are not what they were."""
    faults: dict[str, tuple[str, ...]] = {}
    for one in sealed:
        name = one.entry.stream or ""
        said = faults.get(name, ())
        was = before.get(one.entry.path)
        if one.bad_chunks:
            said += (f"{one.bad_chunks} chunks are not what was recorded",)
        if was is not None and not one.entry.is_like(was):
            said += (CHANGED,)
        faults[name] = tuple(dict.fromkeys(said))
    return faults


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
    evidence: Evidence,
    told: Told,
) -> tuple[Judgement, list[str]]:
    """Write the session file; return the session's verdict and what hindered it."""
    doubts = _doubts(paths, record)
    judged = judge_session(judgements, doubts=doubts)
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
            evidence=evidence,
        )
    except (SessionFileError, StreamFileError, *HDF5_ERRORS) as error:
        fault = f"there is no session file: {error}"
        return judge_session(judgements, [fault], doubts), [fault]
    return judged, []


def _doubts(paths: SessionPaths, record: SessionRecord) -> list[str]:
    """What speaks against the session as a whole, in words."""
    doubts = [f"started by force in spite of: {what}" for what in record.overridden]
    told = record.settings_sha256
    if told is not None and told != sha256_of(paths.settings):
        doubts.append(
            f"{paths.settings.name} was changed since the session began (its SHA-256 "
            f"was {told}): what it says is taken as it stands now"
        )
    return doubts


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
        regular=found.regular,
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
    beside = (paths.host_clock, paths.realignment, *kept_files(paths))
    files += [path for path in beside if path.is_file()]
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
        follows=record.follows,
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
        notes=[] if found is None else list(found.notes),
        recoveries=[] if found is None else RecoveryEntry.of_all(found.recoveries),
        rate=None if stream is None else stream.stream_format.rate,
    )
    if found is None or found.times is None or found.facts.ledger is None:
        return entry
    return entry.model_copy(
        update={
            "rows": found.facts.ledger.received,
            "first_time": found.first_time,
            "last_time": found.last_time,
            "ledger": LedgerEntry.of(found.facts.ledger, found.lost, entry.rate),
            "axis": found.times.clock.axis,
            "alignment": [AlignmentEntry.of(epoch, fit) for epoch, fit in found.fits],
        }
    )


# --- the process ----------------------------------------------------------------------


def print_step(step: str, stream: str | None) -> None:
    """Say a step as a line of JSON."""
    said = {"step": step} if stream is None else {"step": step, "stream": stream}
    print(json.dumps(said), flush=True)


def main(arguments: Sequence[str]) -> int:
    """Finalize a folder: 0 complete; 1 less; 2 wrong usage; 3 it is in use."""
    parser = argparse.ArgumentParser(prog="python -m rigd.daemon.finalizer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-sha256", dest="sha256", action="store_false")
    asked = parser.parse_args(arguments)
    try:
        load_record(asked.folder)
        with lock_as_helper(asked.folder):
            manifest = finalize(asked.folder, print_step, sha256=asked.sha256)
    except SessionBusyError as error:
        print(f"can't finalize: {error}", file=sys.stderr)
        return 3
    except (FinalizeError, OSError) as error:
        print(f"can't finalize: {error}", file=sys.stderr)
        return 1
    print(_last_line(manifest.verdict, manifest.reasons), flush=True)
    return 0 if manifest.verdict is Verdict.COMPLETE else 1


def _last_line(verdict: Verdict, reasons: Iterable[str]) -> str:
    return json.dumps({"verdict": verdict, "reasons": list(reasons)})


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end without a word: `rigd` says it
    end_quickly()
    sys.exit(main(sys.argv[1:]))
