"""Coverage-guided fuzzing of what reads foreign bytes.

`python -m tests.faults.guided wire|journal [-runs=N] [-seed=N]`; takes atheris, the
extra `fuzz`. It ends with an error at the first input that breaks a rule, and leaves
it in a file.
"""

import sys

INSTRUMENTED = [
    "rigd.streams.wire",
    "rigd.streams.receiver",
    "rigd.streams.shared_memory",
    "rigd.streams.journal",
    "rigd.streams.journal_file",
    "rigd.streams.journal_state",
]


def main() -> None:
    """Fuzz the target that is named first."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.faults.guided_targets import TARGETS
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"which one? {', '.join(TARGETS)}")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
