"""The Arduino sketch of the sync generator, run on a simulated board."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rigd.streams.edge_matching import train_period

SKETCH = (
    Path(__file__).parents[2] / "docs/how-to/sync-generator/sync_generator.ino"
).resolve()

BOARD = """
#include <cstdint>
#include <cstdio>
#include <cstdlib>
enum { LOW, HIGH, OUTPUT, LED_BUILTIN = 13, A0 };
static uint32_t now_us;
uint32_t micros() { return now_us += 25; }
void pinMode(uint8_t, uint8_t) {}
int analogRead(uint8_t) { return (now_us * 2654435761u) >> 22; }
void digitalWrite(uint8_t pin, uint8_t level) {
  if (pin == 8) std::printf("%d %u\\n", level, (unsigned)now_us);
}
"""

MAIN = """
int main(int, char** words) {
  now_us = std::strtoul(words[1], nullptr, 10);
  setup();
  for (int pulse = 0; pulse < 2000; pulse++) loop();
}
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler here")
    folder = tmp_path_factory.mktemp("board")
    source = folder / "board.cpp"
    source.write_text(BOARD + SKETCH.read_text() + MAIN)
    program = folder / "board"
    flags = ["-std=c++11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable"]
    subprocess.run([compiler, *flags, "-o", program, source], check=True)
    return program


@pytest.mark.parametrize("start", [0, 2**32 - 10_000_000])
def test_pulses_come_at_random_intervals_and_last_50_ms(
    board: Path, start: int
) -> None:
    text = subprocess.run([board, str(start)], check=True, capture_output=True)
    changes = np.array(text.stdout.split(), np.int64).reshape(-1, 2)
    times = np.cumsum(np.diff(changes[:, 1], prepend=changes[0, 1]) % 2**32)
    rises, falls = times[changes[:, 0] == 1], times[changes[:, 0] == 0]
    width, interval = (falls - rises) / 1e6, np.diff(rises) / 1e6
    assert len(rises) == 2000
    assert np.all(np.abs(width - 0.05) < 1e-4)
    assert 0.0999 < interval.min() < 0.12
    assert 1.88 < interval.max() < 1.9001
    assert interval.mean() == pytest.approx(1.0, abs=0.05)
    assert train_period(rises / 1e6) is None
