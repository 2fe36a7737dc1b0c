"""A model at work for many requests: what waits is answered together, and no more waits than was agreed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from deriva_ml_kit.ops.serving.answering import Answer

Rows = Sequence[Sequence[Any]]
Waiting = tuple[Rows, asyncio.Future[list[Answer]]]
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
        self._pending: deque[Waiting] = deque()
        self._taken: list[Waiting] = []  # what the model is at
        self._working = False
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
        if not self._working:
            self._work()
        return answered

    async def drained(self, seconds: float) -> None:
        """Wait until nothing waits any more, but not for longer; what then still does is dropped."""
        unanswered = [*self._taken, *self._pending]
        if unanswered:
            await asyncio.wait([answered for _, answered in unanswered], timeout=seconds)
        for rows, answered in [*self._taken, *self._pending]:
            answered.cancel()
            self.dropped += len(rows)
        self._taken.clear()
        self._pending.clear()

    def _work(self) -> None:
        self._working = True
        # Not at once: what else came in the same moment goes along.
        asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        rows: list[Sequence[Any]] = []
        while self._pending and (not rows or len(rows) + len(self._pending[0][0]) <= LARGEST):
            self._taken.append(self._pending.popleft())
            rows += self._taken[-1][0]
        self.waiting -= len(rows)
        loop = asyncio.get_running_loop()
        try:
            if self._executor:
                doing = loop.run_in_executor(self._executor, self._answer, rows)
            else:
                doing = loop.create_future()
                doing.set_result(self._answer(rows))
        except RuntimeError as error:  # the worker is gone
            doing = loop.create_future()
            doing.set_exception(error)
        doing.add_done_callback(self._done)

    def _done(self, done: asyncio.Future[list[Answer]]) -> None:
        failed = done.exception()
        answers = [] if failed else done.result()
        start = 0
        for rows, answered in self._taken:
            if failed:
                self.dropped += len(rows)
                answered.set_exception(failed)
            else:
                answered.set_result(answers[start : start + len(rows)])
            start += len(rows)
        self._taken.clear()
        self._working = False
        if self._pending:
            self._work()
