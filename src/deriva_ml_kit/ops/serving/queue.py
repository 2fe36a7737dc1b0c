"""A model at work for many requests: what waits is answered together, and no more waits than was agreed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from deriva_ml_kit.ops.serving.answering import Answer

Rows = Sequence[Sequence[Any]]
LARGEST = 256  # rows of one call


class Queue:
    """Rows that wait for a model that answers some at a time.

    Args:
        answer: Answers rows, in order; runs in the executor.
        executor: Of one worker; None for a model so fast that handing over to another thread would cost more than it.
        limit: Most rows that wait.

    Attributes:
        waiting: Rows that wait now.
        dropped: Rows that were not taken because too many waited, or lost with the worker.
    """

    def __init__(self, answer: Callable[[Rows], list[Answer]], executor: Executor | None, limit: int) -> None:
        self._answer = answer
        self._executor = executor
        self._limit = limit
        self._pending: deque[tuple[Rows, asyncio.Future[list[Answer]]]] = deque()
        self._working: asyncio.Future[list[Answer]] | None = None
        self.waiting = 0
        self.dropped = 0

    def offer(self, rows: Rows) -> asyncio.Future[list[Answer]] | None:
        """Hand rows over; None where there is no room for them (they are counted)."""
        if self.waiting and self.waiting + len(rows) > self._limit:
            self.dropped += len(rows)
            return None
        answered: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._pending.append((rows, answered))
        self.waiting += len(rows)
        if self._working is None:
            self._work()
        return answered

    async def drained(self, seconds: float) -> None:
        """Wait until nothing waits any more; what then still does is dropped."""
        waiting = [answered for _, answered in self._pending]
        if self._working is not None:
            waiting.append(self._working)
        if waiting:
            await asyncio.wait(waiting, timeout=seconds)
        for rows, answered in self._pending:
            answered.cancel()
            self.dropped += len(rows)
        self._pending.clear()

    def _work(self) -> None:
        loop = asyncio.get_running_loop()
        self._working = loop.create_future()
        loop.call_soon(self._start)  # not at once: what else came in the same moment goes along

    def _start(self) -> None:
        taken: list[tuple[Rows, asyncio.Future[list[Answer]]]] = []
        rows: list[Sequence[Any]] = []
        while self._pending and (not taken or len(rows) + len(self._pending[0][0]) <= LARGEST):
            taken.append(self._pending.popleft())
            rows += taken[-1][0]
        self.waiting -= len(rows)
        loop = asyncio.get_running_loop()
        try:
            if self._executor:
                self._working = loop.run_in_executor(self._executor, self._answer, rows)
            else:
                self._working = loop.create_future()
                self._working.set_result(self._answer(rows))
        except RuntimeError as error:  # the worker is gone
            self._working = loop.create_future()
            self._working.set_exception(error)
        self._working.add_done_callback(lambda done: self._done(done, taken))

    def _done(self, done: asyncio.Future[list[Answer]], taken: list[tuple[Rows, asyncio.Future[list[Answer]]]]) -> None:
        self._working = None
        failed = done.exception()
        answers = [] if failed else done.result()
        start = 0
        for rows, answered in taken:
            if failed:
                self.dropped += len(rows)
            if not answered.done():  # a client may have gone
                if failed:
                    answered.set_exception(failed)
                else:
                    answered.set_result(answers[start : start + len(rows)])
            start += len(rows)
        if self._pending:
            self._work()
