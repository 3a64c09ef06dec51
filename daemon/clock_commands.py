"""What `rigd realign` and `rigd clocks` do. Each returns its exit code."""

import json
import sys
from pathlib import Path

from rich.console import Console

from rigd.config.clocks import Realignment, clock_misfits
from rigd.config.faults import ConfigurationError
from rigd.config.load import load_realignment, load_session
from rigd.config.paths import SessionPaths
from rigd.config.rig import Rig
from rigd.daemon.clock_plots import NoPlotsError, draw
from rigd.daemon.clock_report import clock_report, read_evidence
from rigd.daemon.exit_codes import BAD_CONFIGURATION, FAILED, GOOD, USAGE
from rigd.daemon.helper_process import run_helper
from rigd.daemon.manifest import Manifest, ManifestError
from rigd.daemon.progress import observer_for
from rigd.daemon.session_summary import read_summary


def realign(
    folder: Path, reference: str | None, settings: Path | None, *, as_json: bool
) -> int:
    """Align a session again; see `rigd realign --help`."""
    try:
        rig = load_session(folder / "session.yaml").rig
        asked = Realignment() if settings is None else load_realignment(settings, rig)
    except (ConfigurationError, OSError) as error:
        print(f"rigd: {error}", file=sys.stderr)
        return BAD_CONFIGURATION
    if reference is not None:
        asked = Realignment.model_validate(
            {**asked.model_dump(exclude_unset=True), "reference": reference}
        )
    if fault := _misfit(asked, rig):
        print(f"rigd: {fault}", file=sys.stderr)
        return USAGE
    return _run(folder, asked, as_json=as_json)


def _misfit(asked: Realignment, rig: Rig) -> str | None:
    devices = {name: list(device.streams) for name, device in rig.devices.items()}
    misfits = clock_misfits(asked.model_dump(exclude_unset=True), devices)
    return next((misfit.what for misfit in misfits), None)


def _run(folder: Path, asked: Realignment, *, as_json: bool) -> int:
    """Let the helper work, and tell what came out."""
    observer = observer_for(sys.stdout, as_json=as_json, plain=True)
    settings = asked.model_dump_json(exclude_unset=True)
    code = run_helper("rigd.daemon.realigning", folder, observer, settings=settings)
    if code not in (GOOD, FAILED):
        return FAILED  # it has said why
    observer.observe(read_summary(folder))
    return code


def clocks(folder: Path, png: Path | None, *, as_json: bool) -> int:
    """Show the clocks of a session; see `rigd clocks --help`."""
    try:
        manifest = Manifest.load(folder / "manifest.json")
        paths = SessionPaths(folder, manifest.subject, manifest.session)
        evidence = read_evidence(paths.session_file, manifest)
        if png is not None:
            draw(evidence, f"Clocks of {manifest.session}", png)
    except (ManifestError, NoPlotsError, OSError) as error:
        print(f"rigd: {error}", file=sys.stderr)
        return FAILED
    if as_json:
        for name, entry in manifest.clocks.items():
            print(json.dumps({"clock": name, **entry.model_dump(mode="json")}))
    else:
        Console().print(clock_report(manifest, evidence))
        if png is not None:
            print(f"drawn: {png}")
    return GOOD
