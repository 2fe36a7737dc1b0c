"""Where a server listens."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.cli.ops import serve
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.serving import run
from deriva_ml_kit.ops.serving.service import Settings


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert run.is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_is_taken_is_told_and_so_is_an_open_door(
    host: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def never() -> Any:
        raise AssertionError("looked for a model")

    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Nothing can listen on {host}:{port}"):
            run.serve(Settings(find=never, log=tmp_path), host=host, port=port)
    assert ("put a proxy with TLS and a login before it" in caplog.text) is (host == "0.0.0.0")
    assert not list(tmp_path.iterdir())


def test_a_split_needs_somebody_to_split_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    serve.add(parser.add_subparsers())
    args = parser.parse_args(["serve", "--folder", "model", "--split", "split.json"])
    with pytest.raises(UsageError, match="--split needs a --candidate"):
        args.main(args)
    assert not list(tmp_path.iterdir())
