"""A server of the real program is asked what it must survive; the 10,000 are `scripts/fuzz_server.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "scripts/fuzz_server.py"


def test_nothing_makes_a_server_fail() -> None:
    ran = subprocess.run(
        [sys.executable, PROGRAM, "--requests", "400", "--seed", "7"], capture_output=True, text=True, check=False
    )
    found = json.loads(ran.stdout)
    assert (ran.returncode, found["failed"], found["wrong"]) == (0, 0, [])
    assert found["requests"] == 400
    assert len(found["by_kind"]) >= 9
    assert set(found["by_kind"]["good"]) == {"200"}
