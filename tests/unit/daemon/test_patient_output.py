"""A reader who does not read holds nobody up, and hears what it has missed."""

import os
import time

from rigd.daemon.patient_output import PatientOutput

LINES = 5000
LINE = "x" * 99 + "\n"


def test_a_reader_who_does_not_read_holds_nobody_up() -> None:
    reading, writing = os.pipe()
    output = PatientOutput(writing, most_lines=1000)
    began = time.monotonic()
    for _ in range(LINES):
        output.write(LINE)
    assert time.monotonic() - began < 1.0
    with os.fdopen(reading, "rb") as reader:
        lines = [reader.readline().decode()]
        while lines[-1] == LINE:
            lines.append(reader.readline().decode())
        missing = LINES - (len(lines) - 1)
        assert lines[-1] == f"{missing} lines are left out: nobody read them\n"
        assert 0 < missing <= LINES - 1000
        output.write("again\n")
        assert reader.readline() == b"again\n"
        output.flush()
    os.close(writing)


def test_what_waits_is_written_at_the_end() -> None:
    reading, writing = os.pipe()
    output = PatientOutput(writing)
    for number in range(100):
        output.write(f"{number}\n")
    output.flush()
    os.close(writing)
    with os.fdopen(reading) as reader:
        assert reader.read().split() == [str(number) for number in range(100)]


def test_a_reader_who_has_gone_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = PatientOutput(writing)
    output.write("to nobody\n")
    output.flush()
    os.close(writing)
