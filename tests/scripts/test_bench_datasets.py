"""The benchmark runs from start to end, small, with both libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.catalog

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_datasets.py"


def test_every_step_asked_for_has_figures_of_both_libraries(local_host: Any) -> None:
    command = [sys.executable, str(SCRIPT), "--scale", "0.003", "--steps", "upload,values", "--json"]
    done = subprocess.run(
        [*command, "--hostname", local_host.hostname], env=local_host.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["sizes"] == {"files": 3, "values": 300, "few": 30}
    for name in ("upload", "values"):
        for library in ("plain", "ours"):
            figure = figures["steps"][name][library]
            assert figure["seconds"] > 0
            assert figure["peak_mb"] > 10


def test_a_step_that_there_is_not_is_refused() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--steps", "fly"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "upload, members" in done.stderr
