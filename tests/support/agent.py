"""An agent as `deriva-ml-mcp` meets it: the SDK's own client, and a process that can be looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

PROGRAM = Path(sys.executable).with_name("deriva-ml-mcp")
ODD = Path(__file__).with_name("odd_tools.py")
OLDER = "2025-06-18"


class Agent:
    """A connected client, called from ordinary code.

    Attributes:
        client: The SDK's client.
        portal: Where it runs: `portal.call(function)`.
    """

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self.portal = portal
        self.client = client

    def tools(self) -> list[types.Tool]:
        """All tools that the server lists."""
        return self.portal.call(self.client.list_tools).tools

    def call(self, name: str, /, **arguments: Any) -> types.CallToolResult:
        """Call a tool."""
        return self.portal.call(self.client.call_tool, name, arguments)

    def answer(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must not fail."""
        result = self.call(name, **arguments)
        assert not result.is_error, result.content
        assert result.structured_content == read(result)
        return read(result)

    def error(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must fail."""
        result = self.call(name, **arguments)
        assert result.is_error
        return read(result)["error"]


@contextmanager
def connected(server: Any, **options: Any) -> Iterator[Agent]:
    """An agent on a server: the address of one, or what `over_stdio` says."""
    portal = start_blocking_portal()
    with portal as running, running.wrap_async_context_manager(Client(server, **options)) as client:
        yield Agent(running, client)


def over_stdio(command: Sequence[str | Path], env: dict[str, str], cwd: Path, stderr: Any = sys.stderr) -> Any:
    """A server that the client starts."""
    program, *arguments = map(str, command)
    return stdio_client(StdioServerParameters(command=program, args=arguments, env=env, cwd=cwd), errlog=stderr)


def read(result: types.CallToolResult) -> Any:
    """What the text of an answer says."""
    (text,) = result.content
    assert isinstance(text, types.TextContent)
    return json.loads(text.text)


class Process:
    """A server that is written to and read from line by line.

    Attributes:
        running: The process.
    """

    def __init__(self, command: Sequence[str | Path], cwd: Path) -> None:
        pipe = subprocess.PIPE
        self.running = subprocess.Popen(
            [str(part) for part in command], stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, env=os.environ
        )
        self._last = 0
        client = {"name": "test", "version": "1"}
        self.ask("initialize", protocolVersion=OLDER, capabilities={}, clientInfo=client)
        self.tell("notifications/initialized")

    def tell(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, method: str, **params: Any) -> int:
        """Send a request; gives its number."""
        self._last += 1
        self._send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._last

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request and wait for its result: the next line that comes."""
        number = self.send(method, **params)
        line = self.line()
        assert line["id"] == number, line
        return line["result"]

    def line(self) -> dict[str, Any]:
        """The next line of stdout; all of them are messages of the protocol."""
        assert self.running.stdout is not None
        message = json.loads(self.running.stdout.readline())
        assert message["jsonrpc"] == "2.0"
        return message

    def _send(self, message: dict[str, Any]) -> None:
        assert self.running.stdin is not None
        self.running.stdin.write(json.dumps(message).encode() + b"\n")
        self.running.stdin.flush()
