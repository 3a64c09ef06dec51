"""`NWBFile.copy`: a new file for results, beside a session file that stays as it is."""

from pathlib import Path

import numpy as np
import pynwb
from pynwb import NWBHDF5IO, TimeSeries, get_manager

from rigd.config.paths import SessionPaths
from rigd.daemon.links import external_links
from tests.support.nwb_session import linked_session

COUNTS = {"analog": 30, "wheel": 8}


def add_results(paths: SessionPaths, target: Path) -> None:
    manager = get_manager()
    with NWBHDF5IO(paths.session_file, "r", manager=manager) as reader:
        results = reader.read().copy()
        module = results.create_processing_module(name="behavior", description="speed")
        module.add(TimeSeries(name="speed", data=np.ones(8), unit="m/s", rate=10.0))
        with NWBHDF5IO(target, "w", manager=manager) as writer:
            writer.write(results)


def test_results_go_to_a_new_file_that_links_the_session(tmp_path: Path) -> None:
    paths = linked_session(tmp_path, COUNTS)
    before = paths.session_file.read_bytes()
    target = tmp_path / "results.nwb"
    add_results(paths, target)
    assert paths.session_file.read_bytes() == before
    assert pynwb.validate(path=target) == []
    assert {link.target for link in external_links(target)} == {"sub-m1_ses-one.nwb"}
    with NWBHDF5IO(target, "r") as reader:
        nwbfile = reader.read()
        assert nwbfile.acquisition["analog"].data.shape == (30, 2)
        assert len(nwbfile.acquisition["analog"].timestamps) == 30
        assert nwbfile.processing["behavior"]["speed"].data.shape == (8,)
        assert len(nwbfile.processing["recording"]["ledger"].to_dataframe()) == 2
