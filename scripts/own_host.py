"""A DERIVA host for a benchmark: in a folder of its own, removed again, this process logged in and nobody else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_host(folder: Path) -> Iterator[str]:
    """Start one, and give its name; HOME is that folder from then on, so import what reads HOME afterwards."""
    os.environ |= {"HOME": str(folder), "XDG_CACHE_HOME": f"{folder}/cache", "DERIVA_LOCAL_DATA_DIR": f"{folder}/local"}
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    try:
        yield json.loads(_deriva_local("start", "--port", port, "--json"))["hostname"]
    finally:
        _deriva_local("reset", "--yes")


def _deriva_local(*arguments: str) -> str:
    done = subprocess.run(["deriva-local", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout
