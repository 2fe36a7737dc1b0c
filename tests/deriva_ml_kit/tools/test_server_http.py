"""`deriva-ml-mcp --http` and the SDK's own client, on this machine and for nobody else."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from agent import ODD, PROGRAM, connected

from deriva_ml_kit.tools.registry import tools

MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
HEADERS = {"accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server, ended by SIGTERM with a call under way."""
    command = [str(PROGRAM.with_name("python")), str(ODD), "--http", "--port", "0"]
    running = subprocess.Popen(command, cwd=tmp_path_factory.mktemp("project"), stderr=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp", running.stderr.readline())
        yield found.group()
        with connected(found.group()) as agent:

            async def leave_a_call() -> None:
                with anyio.move_on_after(0.2):
                    await agent.client.call_tool("odd_hang", {})

            agent.portal.call(leave_a_call)
            running.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert running.wait(10) == 0
            assert time.monotonic() - began < 5
    finally:
        running.kill()


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_both_generations_of_clients_list_and_call(url: str, mode: str):
    told: list[float] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        told.append(done)

    with connected(url, mode=mode) as agent:

        async def wait() -> Any:
            return await agent.client.call_tool("odd_wait", {"seconds": 0.3, "name": "x"}, progress_callback=note)

        assert set(tools()) < {tool.name for tool in agent.tools()}
        assert agent.portal.call(wait).structured_content["value"] == "x"
        assert told
        assert agent.error("odd_too_long")["code"] == "timeout"


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example.org", 421),
        ("host", "evil.example.org:{port}", 421),
        ("host", "127.0.0.1.evil.example.org:{port}", 421),
        ("origin", "http://evil.example.org", 403),
        ("origin", "http://localhost:1", 403),
        ("origin", "null", 403),
    ],
)
def test_web_pages_are_refused(url: str, header: str, value: str, status: int):
    port = httpx2.URL(url).port

    refused = httpx2.post(url, json=MESSAGE, headers=HEADERS | {header: value.format(port=port)})

    assert refused.status_code == status


def test_a_port_in_use_is_an_error_that_says_so(url: str):
    port = str(httpx2.URL(url).port)

    done = subprocess.run([PROGRAM, "--http", "--port", port], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == f"error: Port {port} cannot be used (Address already in use). Choose another with --port.\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example.org"])
def test_it_listens_nowhere_else(host: str):
    done = subprocess.run([PROGRAM, "--http", "--host", host], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "acts with your logins" in done.stderr


def test_the_help_teaches(tmp_path: Path):
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)

    for said in ("CLAUDE_PROJECT_DIR", "src/configs/catalog.json", "--http", "claude mcp add", "share with"):
        assert said in done.stdout
