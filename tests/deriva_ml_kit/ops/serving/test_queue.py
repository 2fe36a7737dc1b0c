"""Many requests, one call of the model; a shadow that is slow, fails or dies and never touches an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deriva_ml_kit.ops.serving.answering import Answer
from deriva_ml_kit.ops.serving.queue import LARGEST, Queue


def answers(rows: Sequence[Sequence[Any]]) -> list[Answer]:
    return [Answer(str(row[0]), None, 1.0, {}) for row in rows]


@pytest.mark.parametrize("threads", [0, 1])
def test_everybody_gets_the_own_answers_in_few_calls(threads: int) -> None:
    calls: list[int] = []

    def counted(rows: Sequence[Sequence[Any]]) -> list[Answer]:
        calls.append(len(rows))
        time.sleep(0.01)
        return answers(rows)

    async def play() -> None:
        queue = Queue(counted, ThreadPoolExecutor(1) if threads else None, 10_000)
        waiting = {start: queue.offer([[start], [start + 1]]) for start in range(0, 2 * LARGEST, 2)}
        for start, each in waiting.items():
            assert each is not None
            assert [answer.prediction for answer in await each] == [str(start), str(start + 1)]
        assert (queue.waiting, queue.dropped) == (0, 0)

    asyncio.run(play())
    assert sum(calls) == 2 * LARGEST
    assert len(calls) <= 4


def test_what_finds_no_room_is_dropped_and_counted() -> None:
    async def play() -> None:
        queue = Queue(answers, None, 4)
        kept = [queue.offer([[number]]) for number in range(6)]
        assert [each is None for each in kept] == [False] * 4 + [True] * 2
        assert (queue.waiting, queue.dropped) == (4, 2)
        await kept[3]  # type: ignore[misc]
        assert queue.offer([[number] for number in range(9)]) is not None  # larger than the queue, which is empty
        assert queue.dropped == 2
        await queue.drained(1)

    asyncio.run(play())
