"""The prediction log: every line is there, whole, whatever happens to the server."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.predictions import Prediction
from deriva_ml_kit.ops.serving.log import PredictionLog, adopt, closed


def line(number: int) -> Prediction:
    features = {"a": 1.5, "b": "ü\n"}
    return Prediction(
        request_id=f"r{number}", time=datetime.now(UTC), model_rid="1-ABC", features=features, latency_ms=1
    )


def read(folder: Path) -> list[str]:
    lines = [text for file in closed(folder) for text in file.read_text(encoding="utf-8").splitlines()]
    return [Prediction.model_validate_json(text).request_id for text in lines]


def test_files_are_closed_when_they_are_large_and_nothing_is_lost(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, largest=1000)
    for number in range(0, 20, 2):
        log.write([line(number), line(number + 1)])
    assert len(closed(tmp_path)) > 2
    log.close()
    log.close()
    assert read(tmp_path) == [f"r{number}" for number in range(20)]
    assert {file.stat().st_mode & 0o077 for file in closed(tmp_path)} == {0}


def test_files_are_closed_when_they_are_old(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, oldest=0)
    log.write([line(0)])
    log.write([line(1)])
    assert len(closed(tmp_path)) == 1
    log.close()


def test_a_log_without_lines_leaves_no_file(tmp_path: Path) -> None:
    PredictionLog(tmp_path).close()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_server_left_is_taken_over_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
sys.path[:] = {sys.path!r}
from deriva_ml_kit.ops.serving.log import PredictionLog
from deriva_ml_kit.ops.predictions import Prediction
log = PredictionLog(Path({str(tmp_path)!r}))
text = {line(7).model_dump_json()!r}
log.write([Prediction.model_validate_json(text)])
os.write(log._file, text[:30].encode())
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ)).returncode == -9
    living = PredictionLog(tmp_path)
    living.write([line(8)])
    assert read(tmp_path) == ["r7"]
    assert adopt(tmp_path) == []
    living.close()
    assert read(tmp_path) == ["r7", "r8"]


def test_a_disk_that_becomes_full_keeps_no_half_of_a_line(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path)
    log.write([line(0)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = next(tmp_path.iterdir()).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            log.write([line(1)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.write([line(2)])
    log.close()
    assert read(tmp_path) == ["r0", "r2"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be logged"):
        PredictionLog(tmp_path / "file" / "log")
