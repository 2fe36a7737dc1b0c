"""Makes `plugin_checks` importable and says at the end how much of the plugin's text was checked."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

CHECKED: Counter[str] = Counter()


@pytest.fixture
def checked() -> Counter[str]:
    """What the tests have looked at so far, by kind."""
    return CHECKED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how many commands, calls, links and names of the plugin's documents were checked."""
    if CHECKED:
        terminalreporter.write_line(
            "plugin documents: " + ", ".join(f"{count} {kind}" for kind, count in sorted(CHECKED.items()))
        )
