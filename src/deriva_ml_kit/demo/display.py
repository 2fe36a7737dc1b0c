"""Show the steps while they run: a live table on a terminal, one line a finished step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

MARKS = {"waiting": ("·", "dim"), "there": ("✓", "green"), "done": ("✓", "green"), "failed": ("✗", "red")}


@dataclass
class Row:
    """What is known of one step."""

    title: str
    status: str = "waiting"
    line: str = ""
    seconds: float | None = None
    started: float = 0.0


@dataclass
class Display:
    """The table of steps. Use as a context manager; `begin`, then `done`, `there` or `failed`, by step number."""

    titles: Sequence[str]
    heading: str = "cycle zero"
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    def __post_init__(self) -> None:
        """One row a step."""
        self.rows = [Row(title) for title in self.titles]
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self._table,
            console=self.console,
            refresh_per_second=8,
            auto_refresh=self.console.is_terminal,
        )

    def __enter__(self) -> Display:
        """Take over the terminal, if there is one."""
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state of the table standing."""
        if self.console.is_terminal:
            self._live.stop()

    def begin(self, number: int) -> None:
        """A step starts."""
        self.rows[number].status, self.rows[number].started = "running", time.monotonic()

    def done(self, number: int, line: str, seconds: float) -> None:
        """A step has ended well."""
        self._end(number, "done", line, seconds)

    def there(self, number: int, line: str) -> None:
        """A step was done by an earlier run."""
        self._end(number, "there", f"already there: {line}", None)

    def failed(self, number: int) -> None:
        """A step has failed or was interrupted."""
        self._end(number, "failed", "", time.monotonic() - self.rows[number].started)

    def _end(self, number: int, status: str, line: str, seconds: float | None) -> None:
        row = self.rows[number]
        row.status, row.line, row.seconds = status, line, seconds
        if not self.console.is_terminal:
            mark, _ = MARKS[status]
            took = f" ({seconds:.1f} s)" if seconds is not None else ""
            self.console.print(f"{mark} {row.title}: {line}{took}", soft_wrap=True)

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for row in self.rows:
            if row.status == "running":
                elapsed = time.monotonic() - row.started
                table.add_row(self._spinner, Text(row.title, "bold"), f"{elapsed:.0f} s", "")
                continue
            mark, style = MARKS[row.status]
            took = f"{row.seconds:.1f} s" if row.seconds is not None else ""
            muted = "dim" if row.status in {"waiting", "there"} else ""
            table.add_row(Text(mark, style), Text(row.title, muted), Text(took, "dim"), Text(row.line, muted))
        return Group(Text(self.heading, "bold"), table)
