"""Worker processes for exports: reused, limited in number and time, replaced when they die."""

from __future__ import annotations

import os
import signal

import pytest

from deriva_local.errors import BadRequest, ServiceError, Unavailable
from deriva_local.export.engine import ADMITTED, Engine

NO_HOST = "localhost:1"  # nothing answers there


@pytest.fixture
def engine(tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    engine = Engine(bundle, timeout_s=30)
    yield engine
    engine.close()


@pytest.fixture
def job(tmp_path):
    """An export without any query: it needs no catalog, and makes no file."""
    (tmp_path / "files").mkdir()
    return {
        "config": {"catalog": {"catalog_id": "1", "query_processors": []}},
        "authority": NO_HOST,
        "token": "secret-token",
        "client": {"id": "ada", "full_name": "Ada"},
        "folder": str(tmp_path / "files"),
        "log": str(tmp_path / "log"),
    }


def test_the_next_export_finds_the_process_warm(engine, job):
    engine.run(job)
    first = engine._idle

    engine.run(job)

    assert first is not None
    assert engine._idle is first


def test_a_worker_that_died_while_idle_is_replaced(engine, job):
    engine.run(job)
    dead = engine._idle
    os.kill(dead._process.pid, signal.SIGKILL)
    dead._process.wait(10)

    engine.run(job)

    assert engine._idle is not dead


def test_a_worker_that_takes_too_long_is_ended(engine, job):
    engine._timeout_s = 0.01

    with pytest.raises(Unavailable, match="took longer"):
        engine.run(job)
    assert engine._idle is None


def test_the_engines_refusal_is_told(engine, job):
    job["config"]["catalog"]["query_processors"] = [{"processor": "unknown"}]

    with pytest.raises(BadRequest, match="unknown"):
        engine.run(job)


def test_the_token_is_in_no_log(engine, job, tmp_path):
    job["config"]["catalog"]["query_processors"] = [
        {"processor": "json", "processor_params": {"query_path": "/schema", "output_path": "schema"}}
    ]

    with pytest.raises(ServiceError):
        engine.run(job)

    assert "Connection refused" in (tmp_path / "log").read_text()
    assert "secret-token" not in (tmp_path / "log").read_text()


def test_more_exports_than_can_wait_are_turned_away_with_a_time(engine, job):
    for _ in range(ADMITTED):
        assert engine._admitted.acquire(blocking=False)

    with pytest.raises(Unavailable) as caught:
        engine.run(job)

    assert caught.value.headers["Retry-After"]
    engine._admitted.release()
    engine.run(job)
