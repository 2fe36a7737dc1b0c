"""A hospital of each file's own, prepared for operations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="module")
def hospital(local_host: Any) -> Any:
    """See `tests/support/hospital.py`: this file alone writes to it."""
    from hospital import hospital  # noqa: PLC0415  (reads HOME)

    return hospital(local_host.hostname)


@pytest.fixture
def ops(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run `deriva-ml-ops` in this process: gives the exit code and what it printed as JSON."""
    from deriva_ml_kit.cli.ops import main as program  # noqa: PLC0415  (reads HOME)

    def run(*arguments: str) -> tuple[int, Any]:
        monkeypatch.setattr("sys.argv", ["deriva-ml-ops", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            program.main()
        out = capsys.readouterr().out
        return int(ended.value.code or 0), json.loads(out.splitlines()[-1]) if out else None

    return run
