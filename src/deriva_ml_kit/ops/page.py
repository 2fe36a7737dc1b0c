"""A page that shows a verdict with its figures and plots: one self-contained HTML text, without scripts.

page.render(
    "Drift of 2-B4C8@1.2.0", "drift", "3 of 30 features have drifted.",
    [Section("Features", "", [Table(["feature", "PSI"], [["age", 0.31]]), charts.histogram(...)])],
    tone=Tone.BAD, facts={"baseline": "2-B4AA"},
)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from deriva_ml_kit.ops.charts import Chart, figure


class Tone(StrEnum):
    """What a verdict means for those who read it; its colour, which never stands without the word."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    OPEN = "open"  # not decided


@dataclass(frozen=True)
class Mark:
    """A cell that carries a verdict."""

    text: str
    tone: Tone


@dataclass(frozen=True)
class Link:
    """A cell that leads to another page: its file as seen from this one."""

    text: str
    file: str


@dataclass(frozen=True)
class Table:
    """Rows under headers.

    Attributes:
        headers: Names of the columns.
        rows: Cells: text, numbers (four significant digits), truth values, None for what is not known, a Mark, a Link.
        caption: What it shows; where the section's title does not say it.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    @property
    def figures(self) -> list[bool]:
        """Which columns hold numbers."""
        return [any(_is_number(row[at]) for row in self.rows) for at in range(len(self.headers))]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: Its headline.
        text: A paragraph; blank lines begin others.
        parts: Tables and charts in their order; charts that follow each other stand side by side where there is room.
    """

    title: str
    text: str = ""
    parts: Sequence[Table | Chart] = ()


def render(
    title: str,
    verdict: str,
    summary: str,
    sections: Sequence[Section],
    *,
    tone: Tone = Tone.OPEN,
    facts: Mapping[str, Any] | None = None,
) -> str:
    """The page as HTML text; all text is escaped.

    Args:
        title: What was judged.
        verdict: The word.
        summary: What it rests on, in a sentence or two.
        sections: What follows.
        tone: What the verdict means.
        facts: Name to value: where the data come from, who asked, when.
    """
    environment = Environment(
        loader=PackageLoader("deriva_ml_kit.ops", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["cell"] = cell
    environment.tests["chart"] = lambda part: isinstance(part, Chart)
    environment.tests["mark"] = lambda value: isinstance(value, Mark)
    environment.tests["link"] = lambda value: isinstance(value, Link)
    return environment.get_template("page.html.j2").render(
        title=title,
        verdict=verdict,
        summary=summary,
        sections=[(section, _grouped(section.parts)) for section in sections],
        tone=tone,
        facts=facts or {},
    )


def cell(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, Mark | Link):
        return value.text
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return figure(value)
    return "–" if value is None else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _grouped(parts: Sequence[Table | Chart]) -> list[Table | list[Chart]]:
    """Charts that follow each other, together."""
    grouped: list[Table | list[Chart]] = []
    for part in parts:
        if isinstance(part, Table):
            grouped.append(part)
        elif grouped and isinstance(grouped[-1], list):
            grouped[-1].append(part)
        else:
            grouped.append([part])
    return grouped
