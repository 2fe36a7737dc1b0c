"""Progress bars on stderr, for work that takes more than a moment; nothing at all where stderr is no terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import AbstractContextManager
from typing import TypeVar, overload

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


@overload
def progress(work: int, label: str) -> AbstractContextManager[Callable[[int], None]]: ...
@overload
def progress(work: Iterable[T], label: str, *, total: int | None = None) -> Iterator[T]: ...
def progress(
    work: int | Iterable[T], label: str, *, total: int | None = None
) -> AbstractContextManager[Callable[[int], None]] | Iterator[T]:
    """Show how far the work is, on stderr; nothing at all when stderr is no terminal.

    Args:
        work: Things to do, handed out one by one while a bar moves; or their number, which gives a context manager
            whose value is a function `advance(n)`.
        label: What is going on, such as "Uploading".
        total: How many things there are, where `work` does not know its length.
    """
    return _counting(work, label) if isinstance(work, int) else _stepping(work, label, total)


@contextlib.contextmanager
def _counting(total: int, label: str) -> Generator[Callable[[int], None], None, None]:
    with _bar() as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)


def _stepping(work: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    known = len(work) if total is None and isinstance(work, Sized) else total
    with _bar() as bar:
        yield from bar.track(work, total=known, description=label)


@contextlib.contextmanager
def reported() -> Generator[Callable[[float, float | None, str], None], None, None]:
    """A function that shows how much is done, of how much, and a sentence; for work that tells it by itself."""
    with _bar() as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, message: bar.update(task, completed=done, total=total, description=message)


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
