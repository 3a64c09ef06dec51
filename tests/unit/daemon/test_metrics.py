"""Metrics: what they say, that Prometheus can read them, that rules stand on them."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from rigd.config.metrics import Metrics
from rigd.daemon.control_protocol import SessionStatus, Status
from rigd.daemon.metrics import UNTOLD, lost_by_cause
from rigd.daemon.metrics_server import MetricsServer, ServiceCollector
from rigd.daemon.process_usage import Usage, usage_of_service
from rigd.daemon.session_events import Progress, StreamProgress
from rigd.daemon.session_state import State

DOCS = Path(__file__).parents[3] / "docs"

VOLTAGE = StreamProgress(
    stream="voltage",
    device="probe0",
    rows=30_000,
    safe_rows=29_000,
    bytes=23_040_000,
    rate=29_999.5,
    nominal_rate=30_000.0,
    rate_ppm=-16.7,
    lost=40,
    lost_by_cause={"ring full": 30},
    lag_seconds=0.05,
    ring_fill=0.25,
)
BUTTONS = StreamProgress(stream="buttons", device="box")


def status(**changes: object) -> Status:
    values: dict[str, object] = {
        "rigd": "0.1.0",
        "pid": 1,
        "rig": 'the "first"\nrig',
        "data_root": "/data",
        "data_root_is_there": True,
        "state": "ready",
        "text": "",
        "since_utc": "2026-01-01T00:00:00+00:00",
        "devices": [{"device": "probe0", "driver": "x", "state": "missing"}],
        "sessions": [
            SessionStatus(
                session="s1",
                subject="m7",
                folder="/data/s1",
                devices=["probe0", "box"],
                state=State.RECORDING,
                progress=Progress(
                    seconds=12.5,
                    duration=None,
                    streams=[VOLTAGE, BUTTONS],
                    free_bytes=10**12,
                    seconds_left=11_400.0,
                ),
            )
        ],
        "ended": [],
        "verdicts": {"complete": 3, "none": 1},
        "unfinished": ["/data/s0"],
    }
    return Status.model_validate({**values, **changes})


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def scrape(latest: Status) -> str:
    registry = CollectorRegistry()
    registry.register(ServiceCollector(lambda: latest))
    return generate_latest(registry).decode()


def value(text: str, name: str, **labels: str) -> float:
    """The one sample of this name with these labels."""
    samples = [s for family in families(text).values() for s in family.samples]
    (found,) = (
        sample.value
        for sample in samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
    return float(found)


def test_streams() -> None:
    text = scrape(status())
    of_voltage = {"session": "s1", "device": "probe0", "stream": "voltage"}
    expected = {
        "rigd_stream_rows_total": 30_000,
        "rigd_stream_safe_rows_total": 29_000,
        "rigd_stream_bytes_total": 23_040_000,
        "rigd_stream_rate_hertz": 29_999.5,
        "rigd_stream_nominal_rate_hertz": 30_000,
        "rigd_stream_rate_deviation_ppm": -16.7,
        "rigd_stream_lag_seconds": 0.05,
        "rigd_stream_ring_fill_ratio": 0.25,
    }
    assert {n: value(text, n, **of_voltage) for n in expected} == expected
    lost = "rigd_stream_lost_samples_total"
    assert value(text, lost, **of_voltage, cause="ring full") == 30
    assert value(text, lost, **of_voltage, cause=UNTOLD) == 10


def test_what_is_not_known_has_no_sample() -> None:
    text = scrape(status())
    rates = families(text)["rigd_stream_rate_hertz"].samples
    assert [sample.labels["stream"] for sample in rates] == ["voltage"]
    assert value(text, "rigd_stream_rows_total", stream="buttons") == 0


def test_service_and_sessions() -> None:
    text = scrape(status())
    assert value(text, "rigd_info", version="0.1.0", rig='the "first"\nrig') == 1
    assert value(text, "rigd_state", rigd_state="ready") == 1
    assert value(text, "rigd_state", rigd_state="stopping") == 0
    assert value(text, "rigd_data_root_available") == 1
    assert value(text, "rigd_unfinished_sessions") == 1
    assert value(text, "rigd_sessions_ended_total", verdict="complete") == 3
    assert value(text, "rigd_sessions_ended_total", verdict="degraded") == 0
    assert value(text, "rigd_sessions_ended_total", verdict="none") == 1
    assert value(text, "rigd_session_recording", session="s1", subject="m7") == 1
    assert value(text, "rigd_session_seconds", session="s1") == 12.5
    assert value(text, "rigd_disk_seconds_left", session="s1") == 11_400
    assert value(text, "rigd_disk_free_bytes", session="s1") == 10**12
    device = {"device": "probe0", "rigd_device_state": "missing"}
    assert value(text, "rigd_device_state", **device) == 1
    device["rigd_device_state"] = "armed"
    assert value(text, "rigd_device_state", **device) == 0
    idle = scrape(status(sessions=[], data_root_is_there=False))
    assert value(idle, "rigd_data_root_available") == 0
    assert families(idle)["rigd_stream_rows"].samples == []


def test_losses_add_up() -> None:
    assert lost_by_cause(VOLTAGE) == {"ring full": 30, UNTOLD: 10}
    assert lost_by_cause(BUTTONS) == {UNTOLD: 0}


@pytest.fixture
def child() -> "Iterator[subprocess.Popen[bytes]]":
    code = "import time\nend = time.process_time() + 0.05\n"
    code += "while time.process_time() < end: pass\nprint(flush=True)\ntime.sleep(60)"
    arguments = [sys.executable, "-c", code, "-m", "rigd.streams.writer", "voltage"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_processes_are_named_and_measured(child: "subprocess.Popen[bytes]") -> None:
    usages = {usage.name: usage for usage in usage_of_service()}
    writer, own = usages["writer:voltage"], usages["daemon"]
    assert 0.03 < writer.cpu_seconds < 10
    assert 10**6 < writer.resident_bytes < 10**9
    assert own.cpu_seconds == pytest.approx(time.process_time(), abs=0.5)
    assert own.open_files is not None
    assert abs(own.open_files - len(os.listdir("/proc/self/fd"))) < 5
    assert isinstance(writer, Usage)


def free_port() -> int:
    import socket

    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def test_the_server_shows_the_newest_status() -> None:
    now = [status()]
    port = free_port()
    with closing(MetricsServer(Metrics(port=port), lambda: now[0])):
        assert value(read(port), "rigd_unfinished_sessions") == 1
        now[0] = status(unfinished=[])
        assert value(read(port), "rigd_unfinished_sessions") == 0
    with pytest.raises(OSError, match="refused"):
        read(port)


def test_a_port_in_use_and_no_port_are_no_reason_to_fail() -> None:
    port = free_port()
    with (
        closing(MetricsServer(Metrics(port=port), status)),
        closing(MetricsServer(Metrics(port=port), status)),
        closing(MetricsServer(Metrics(port=0), status)),
    ):
        assert "rigd_info" in read(port)


# --- what stands on the names ---------------------------------------------------------


def known_names() -> set[str]:
    """Names of all samples; each family says its name even without a sample."""
    text = scrape(status())
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    return names | {s.name for f in families(text).values() for s in f.samples}


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\brigd_[a-z_]+(?=[{\[\s)]|$)", expression))


def alerts() -> list[dict[str, Any]]:
    text = (DOCS / "monitoring" / "alerts.yaml").read_text()
    (group,) = YAML(typ="safe", pure=True).load(text)["groups"]
    return list(group["rules"])


def test_alerts_use_metrics_that_there_are() -> None:
    expressions = [rule["expr"] for rule in alerts()]
    used = [
        names_in(expression) for expression in expressions if "up{" not in expression
    ]
    assert len(used) == len(expressions) - 1
    assert all(used)
    assert set().union(*used) <= known_names()


def test_the_dashboard_uses_metrics_that_there_are() -> None:
    dashboard = json.loads((DOCS / "monitoring" / "dashboard.json").read_text())
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    used = [names_in(expression) for expression in expressions]
    assert all(used)
    assert set().union(*used) <= known_names()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(
        dashboard["panels"]
    )


def test_the_documentation_lists_all_metrics() -> None:
    page = (DOCS / "metrics.md").read_text()
    listed = set(re.findall(r"^\| `(rigd\w+)`", page, re.MULTILINE))
    text = scrape(status())
    assert listed == set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
