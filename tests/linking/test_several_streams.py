"""Several streams, each in a file of its own, in one session file."""

from pathlib import Path

import numpy as np
import pynwb
from pynwb import NWBHDF5IO

from rigd.daemon.links import audit, external_links
from tests.support.nwb_session import (
    FORMATS,
    linked_session,
    sample_rows,
    session_seconds,
)

COUNTS = {"ap": 500, "analog": 30, "camera": 5, "wheel": 8, "ttl": 6}


def test_each_stream_has_its_file_and_all_share_one_time_base(tmp_path: Path) -> None:
    path = linked_session(tmp_path, COUNTS).session_file
    targets = {link.target for link in external_links(path)}
    assert targets == {f"streams/sub-m1_ses-one_{name}.nwb" for name in COUNTS}
    assert audit(path) == []
    assert pynwb.validate(path=path) == []
    with NWBHDF5IO(path, "r") as reader:
        nwbfile = reader.read()
        for name in ("ap", "analog", "camera", "wheel"):
            series = nwbfile.acquisition[name]
            rows = sample_rows(FORMATS[name], COUNTS[name])
            np.testing.assert_array_equal(series.data[:], rows)
            times = session_seconds(FORMATS[name], COUNTS[name])
            np.testing.assert_array_equal(series.timestamps[:], times)
        assert len(nwbfile.events["ttl"].to_dataframe()) == COUNTS["ttl"]
