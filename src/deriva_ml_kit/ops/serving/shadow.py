"""A candidate that sees the traffic from a process of its own: slow, failing or dying, it never touches an answer."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from deriva_ml_kit.ops.golden import Transform
from deriva_ml_kit.ops.serving.answering import Answer, Answerer
from deriva_ml_kit.ops.serving.bundle import load_bundle, open_bundle
from deriva_ml_kit.ops.serving.model import Load
from deriva_ml_kit.ops.serving.queue import Queue, Rows

WAITING = 1000  # rows
_answerer: Answerer | None = None


class Shadow:
    """The candidate's process and the queue before it.

    Args:
        folder: Folder of the candidate.
        names: Columns of the rows that it will be shown.
        load, transform: As of the server; they are found by name in the process, so they stand in a module.
        limit: Most rows that wait; what comes then is dropped and counted.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        *,
        load: Load | None = None,
        transform: Transform | None = None,
        limit: int = WAITING,
    ) -> None:
        given = (folder, tuple(names), load, transform)
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=given)
        self._queue = Queue(_answer, self._pool, limit)

    @property
    def dropped(self) -> int:
        """Rows that the candidate did not see."""
        return self._queue.dropped

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return self._queue.waiting

    def offer(self, rows: Rows, answered: Callable[[list[Answer]], None]) -> None:
        """Show rows to the candidate, if there is room.

        Args:
            rows: Raw rows.
            answered: Gets its answers, if it gives any.
        """
        waiting = self._queue.offer(rows)
        if waiting is not None:
            waiting.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else answered(done.result())
            )

    async def close(self, seconds: float) -> None:
        """Let it finish what waits, but not for longer."""
        await self._queue.drained(seconds)
        for process in list((self._pool._processes or {}).values()):  # one that hangs would keep the server from ending
            process.terminate()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _begin(folder: Path, names: tuple[str, ...], load: Load | None, transform: Transform | None) -> None:
    global _answerer  # noqa: PLW0603  (the one thing that this process is for)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when it ends
    loaded = load_bundle(open_bundle(folder), load=load, transform=transform)
    _answerer = loaded.answerer.given(names) if loaded.answerer else None


def _answer(rows: Rows) -> list[Answer]:
    if _answerer is None:
        raise RuntimeError("the candidate cannot be loaded")
    return _answerer.answer(rows)
