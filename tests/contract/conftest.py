"""Makes `contract_checks` importable and says at the end how much of the contract was checked."""

import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "plugin")]  # the latter for what reads our documents

CHECKED: Counter[str] = Counter()


@pytest.fixture
def counted() -> Counter[str]:
    """What the tests have compared so far, by kind."""
    return CHECKED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how many calls were bound, how many signatures compared."""
    if CHECKED:
        terminalreporter.write_line(
            "main line's contract: " + ", ".join(f"{count} {kind}" for kind, count in sorted(CHECKED.items()))
        )
