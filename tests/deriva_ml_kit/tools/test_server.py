"""`deriva-ml-mcp` and the SDK's own client, over stdin and stdout."""

from __future__ import annotations

import atexit
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from agent import ODD, PROGRAM, Agent, Process, connected, over_stdio

from deriva_ml_kit.tools.registry import Effect, tools
from deriva_ml_kit.tools.server.calls import AT_ONCE

ODD_SERVER = (PROGRAM.with_name("python"), ODD)


@pytest.fixture(scope="module")
def odd(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """A server that has the tools of `odd_tools.py` besides its own."""
    with connected(over_stdio(ODD_SERVER, local_host.person_env, tmp_path_factory.mktemp("project"))) as agent:
        yield agent


def test_it_lists_every_tool_with_what_it_does_to_the_world(tmp_path: Path):
    with (tmp_path / "stderr").open("w+") as stderr:
        with connected(over_stdio([PROGRAM], dict(os.environ), tmp_path, stderr), mode="legacy") as agent:
            listed = {tool.name: tool for tool in agent.tools()}
            instructions = agent.client.instructions
            missing = agent.error("deriva_ml_list_features")
        stderr.seek(0)
        assert stderr.read() == ""

    assert list(listed) == list(tools())
    for name, tool in tools().items():
        found = listed[name]
        hints = found.annotations
        assert (found.title, found.description) == (tool.title, tool.description)
        assert (found.input_schema, found.output_schema) == (tool.input_schema, tool.output_schema)
        assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint) == (
            tool.effect is Effect.READ,
            tool.effect is Effect.DESTROY,
            tool.idempotent,
            tool.catalog,
        )
    assert "deriva_ml_bootstrap_status" in instructions
    assert missing["code"] == "no_catalog"
    assert str(tmp_path) in missing["message"]  # the folder that it was started in is the project


def test_what_is_printed_does_not_reach_the_protocol(odd: Agent):
    assert odd.answer("odd_print")["value"] == ""


def test_what_json_cannot_hold_does_not_end_the_connection(odd: Agent):
    assert odd.answer("odd_not_json")["value"] == [None, None, "half ?", "\u2028\0é"]


def test_errors_are_data_in_the_text_alone(odd: Agent):
    result = odd.call("odd_fail")

    assert result.is_error
    assert result.structured_content is None  # some clients would check it against the schema of answers
    assert odd.error("odd_fail") == {"code": "internal", "message": "LookupError: unforeseen"}
    assert odd.error("odd_wiat")["candidates"][0] == "odd_wait"
    assert odd.error("odd_wait", seconds="soon")["code"] == "bad_argument"


def test_progress_arrives_and_grows(odd: Agent):
    told: list[tuple[float, float | None, str | None]] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total, message))

    async def wait() -> None:
        await odd.client.call_tool("odd_wait", {"seconds": 0.6}, progress_callback=note)

    odd.portal.call(wait)

    done = [number for number, _, _ in told]
    assert 2 <= len(told) < 12
    assert done == sorted(set(done))
    assert told[0] == (0, 12, "waiting")


def test_time_is_limited(odd: Agent):
    error = odd.error("odd_too_long")

    assert error["code"] == "timeout"
    assert "0.3 seconds" in error["message"]
    assert "may have been written" in error["remedy"]
    assert ended(odd, "too long")


def test_a_cancelled_call_ends_and_frees_its_place(odd: Agent):
    async def cancelled(number: int) -> None:
        with anyio.CancelScope() as scope:

            async def has_begun(*_: Any) -> None:
                scope.cancel()

            arguments = {"seconds": 60, "name": f"cancelled {number}"}
            await odd.client.call_tool("odd_wait", arguments, progress_callback=has_begun)

    async def all_places() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(AT_ONCE):
                tasks.start_soon(cancelled, number)

    odd.portal.call(all_places)

    began = time.monotonic()
    assert odd.answer("odd_wait", seconds=0, name="next")["value"] == "next"
    assert time.monotonic() - began < 10
    assert all(ended(odd, f"cancelled {number}") for number in range(AT_ONCE))


def ended(odd: Agent, name: str) -> bool:
    """Whether work that nobody waits for any more has ended."""
    for _ in range(100):
        if any(line.startswith(f"{name}:") for line in odd.answer("odd_ended")["value"]):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.catalog
def test_fifty_calls_on_two_catalogs_do_not_mix(odd: Agent, own: Any, ml_catalog_id: str):
    catalogs = [own.where["catalog_id"], ml_catalog_id]
    found: list[tuple[str, dict[str, Any]]] = []

    async def ask(catalog_id: str) -> None:
        result = await odd.client.call_tool("odd_where", own.where | {"catalog_id": catalog_id})
        found.append((catalog_id, result.structured_content["value"]))

    async def all_at_once() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(ask, catalogs[number % 2])

    odd.portal.call(all_at_once)

    assert len(found) == 50
    for catalog_id, value in found:
        assert value["says"] == value["call"] == catalog_id
        assert ("lab" in value["schemas"]) == (catalog_id == catalogs[0])


def test_it_ends_at_once_with_calls_under_way(tmp_path: Path):
    ways = ["eof", "eof without reading", signal.SIGTERM, signal.SIGINT]

    with ThreadPoolExecutor(len(ways)) as pool:
        ends = dict(zip(ways, pool.map(lambda how: end_of(how, tmp_path), ways), strict=True))

    assert {how: (code, errors) for how, (code, errors, _) in ends.items()} == dict.fromkeys(ways, (0, b""))
    assert all(seconds < 4 for _, _, seconds in ends.values()), ends  # 1.5 where nothing else runs


def end_of(how: str | signal.Signals, project: Path) -> tuple[int, bytes, float]:
    """Exit code of a server that hangs in its calls, what it said on stderr, and how long it took to end."""
    server = Process(ODD_SERVER, project)
    atexit.register(server.running.kill)  # should it not end
    for _ in range(AT_ONCE + 1):
        server.send("tools/call", name="odd_hang", arguments={})
    assert server.ask("tools/list")["tools"]
    if how == "eof without reading":
        for _ in range(10):
            server.send("tools/list")
    began = time.monotonic()
    if isinstance(how, str):
        server.running.stdin.close()
    else:
        server.running.send_signal(how)
    code = server.running.wait(10)
    return code, server.running.stderr.read(), time.monotonic() - began


def test_every_line_of_stdout_is_a_message_and_every_request_is_answered(tmp_path: Path):
    server = Process(ODD_SERVER, tmp_path)

    answer = server.ask("tools/call", name="odd_print", arguments={})

    assert answer["structuredContent"]["value"] == ""
    half = server.ask("tools/call", name="odd_wait", arguments={"seconds": 0, "name": "half \ud83d of a character"})
    assert half["structuredContent"]["value"] == "half ? of a character"
    output, errors = server.running.communicate(timeout=10)
    assert output == b""
    assert {b"by the system", b"by C", b"by a child"} <= set(errors.splitlines())
