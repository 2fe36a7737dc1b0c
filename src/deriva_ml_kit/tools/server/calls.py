"""Calls in threads: the tools wait for catalogs, and the server goes on answering meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import anyio
from anyio import from_thread, to_thread

from deriva_ml_kit.tools.call import Call, Report
from deriva_ml_kit.tools.failure import Code, Failure
from deriva_ml_kit.tools.invoke import Outcome, failed, invoke
from deriva_ml_kit.tools.registry import SECONDS, Effect, Tool, tools

AT_ONCE = 8  # with more they wait for the processor, not for catalogs
PROGRESS_EVERY_S = 0.2

Tell = Callable[[float, float | None, str], Coroutine[Any, Any, None]]


class Calls:
    """The calls under way.

    Args:
        project: Folder of the project that the agent works in.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._free = anyio.Semaphore(AT_ONCE)
        self._under_way: dict[int, Call] = {}

    async def run(self, name: str, given: Mapping[str, Any], tell: Tell | None) -> Outcome:
        """Call a tool. Its time limit, or to cancel this, abandons the work, which ends at its next check.

        Args:
            name: Name of the tool.
            given: Its arguments.
            tell: Tells the client how far the work is; None if it does not want to know.
        """
        tool = tools().get(name)
        seconds = tool.seconds if tool else SECONDS
        call = Call(name, self._project)
        if tell is not None:
            call.report = _now_and_then(tell)
        async with self._free:
            try:
                with anyio.move_on_after(seconds):
                    return await to_thread.run_sync(self._work, name, given, call, abandon_on_cancel=True)
                call.why_stopped = Code.TIMEOUT
            finally:
                call.stop.set()
        return failed(_too_slow(name, seconds, tool))

    async def finish(self, seconds: float) -> None:
        """Stop all calls and wait until they have come to an end, but no longer than this."""
        for call in list(self._under_way.values()):
            call.stop.set()
        with anyio.move_on_after(seconds):
            while self._under_way:
                await anyio.sleep(0.02)

    def _work(self, name: str, given: Mapping[str, Any], call: Call) -> Outcome:
        self._under_way[id(call)] = call
        try:
            return invoke(name, given, call)
        finally:
            del self._under_way[id(call)]


def _now_and_then(tell: Tell) -> Report:
    """A report for a worker thread that tells the client of progress, and not of every step of it."""
    told_at, told = 0.0, -1.0

    def report(done: float, total: float | None, message: str) -> None:
        nonlocal told_at, told
        now = time.monotonic()
        # MCP wants every number to be greater than the one before.
        if done > told and (now - told_at >= PROGRESS_EVERY_S or done == total):
            told_at, told = now, done
            from_thread.run(tell, done, total, message)

    return report


def _too_slow(name: str, seconds: float, tool: Tool | None) -> Failure:
    writes = tool is not None and tool.effect is not Effect.READ
    remedy = (
        "Part of it may have been written, and more may follow in the next seconds: look before you call it again."
        if writes
        else "Ask for less (a smaller limit, fewer tables), or try again if the host was busy."
    )
    return Failure(code=Code.TIMEOUT, message=f"{name} was not done after {seconds:g} seconds.", remedy=remedy)
