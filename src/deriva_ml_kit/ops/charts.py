"""Charts as SVG text: pure functions from numbers to markup, with a title and a description for screen readers.

Series differ by form as well as by colour: the first of a histogram is filled and the others are outlines, lines are
dashed differently. 480 units wide, so that the text can be read on a phone. Values that are not finite are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 480, 230
LEFT, RIGHT, TOP, FLOOR = 52, WIDTH - 24, 14, HEIGHT - 40
KINDS = 4  # series that the page has colours for
CATEGORIES = 16  # more have no room for their names


@dataclass(frozen=True)
class Chart:
    """A chart of a page.

    Attributes:
        title: What it shows.
        svg: Its markup.
        key: Names of its series in their order.
        first: Number of the first one's colour.
    """

    title: str
    svg: str
    key: tuple[str, ...] = ()
    first: int = 0


@dataclass(frozen=True)
class Line:
    """A line, with a band where its values are uncertain.

    Attributes:
        name: For the key.
        x: Numbers, or times.
        y: Values, as many as x.
        low: Lower ends of the intervals, as many as x; none where empty.
        high: Upper ends.
    """

    name: str
    x: Sequence[float] | Sequence[datetime]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        name: What it is of.
        low: Lower end.
        estimate: The value.
        high: Upper end.
    """

    name: str
    low: float
    estimate: float
    high: float


def histogram(title: str, edges: Sequence[float], shares: Mapping[str, Sequence[float]], *, unit: str = "") -> Chart:
    """Distributions over the same bins, one upon the other; areas are shares, whatever the widths of the bins.

    Args:
        title: What is shown.
        edges: n + 1 finite numbers, increasing.
        shares: Name of each distribution to its n shares.
        unit: Of the edges.
    """
    widths = [high - low for low, high in pairwise(edges)]
    heights = {
        name: [share / width if width > 0 else 0.0 for share, width in zip(each, widths, strict=True)]
        for name, each in shares.items()
    }
    across = _Axis(edges[0], edges[-1], WIDTH - RIGHT, RIGHT)
    upwards = _Axis(0.0, max((high for each in heights.values() for high in each), default=1.0), FLOOR, TOP)
    parts = list(_x_axis(across, unit))
    for number, each in enumerate(heights.values()):
        corners = [(edges[0], 0.0)]
        for (low, high), tall in zip(pairwise(edges), each, strict=True):
            corners += [(low, tall), (high, tall)]
        corners.append((edges[-1], 0.0))
        points = " ".join(f"{across(x):.1f},{upwards(y):.1f}" for x, y in corners)
        parts.append(f'<polygon class="{"area" if number == 0 else "outline"} s{number % KINDS}" points="{points}"/>')
    described = "; ".join(f"{name}: {_numbers(each)}" for name, each in shares.items())
    return Chart(
        title, _svg(HEIGHT, title, f"Shares in bins with edges {_numbers(edges)}. {described}", parts), tuple(shares)
    )


def bars(title: str, labels: Sequence[str], shares: Mapping[str, Sequence[float]]) -> Chart:
    """Distributions over the same categories side by side, as shares of one.

    Args:
        title: What is shown.
        labels: Names of the categories; of more than sixteen the rarest are added up.
        shares: Name of each distribution to its shares.
    """
    labels, shares = _most_frequent(labels, shares)
    high, name_width = 16 * len(shares) + 10, 120
    height = high * len(labels) + 30
    across = _Axis(0.0, max((share for each in shares.values() for share in each), default=1.0), name_width, RIGHT - 46)
    parts = []
    for row, label in enumerate(labels):
        top = row * high + 6
        middle = top + 8 * len(shares)
        parts.append(f'<text class="end" x="{name_width - 8}" y="{middle + 4}">{escape(_short(label))}</text>')
        for number, each in enumerate(shares.values()):
            y, wide = top + 16 * number, max(across(each[row]) - name_width, 0.5)
            kind = "area" if number == 0 else "outline"
            parts.append(
                f'<rect class="{kind} s{number % KINDS}" x="{name_width}" y="{y}" width="{wide:.1f}" height="13"/>'
            )
            parts.append(
                f'<text class="small start" x="{name_width + wide + 5:.1f}" y="{y + 11}">{each[row]:.1%}</text>'
            )
    described = "; ".join(
        f"{name}: {', '.join(f'{label} {share:.1%}' for label, share in zip(labels, each, strict=True))}"
        for name, each in shares.items()
    )
    return Chart(title, _svg(height - 20, title, described, parts), tuple(shares))


def lines(title: str, of: Sequence[Line], *, limits: Mapping[str, float] | None = None, unit: str = "") -> Chart:
    """Lines over one axis, with their bands, and limits as dotted lines across.

    Args:
        title: What is shown.
        of: The lines; a value that is not finite interrupts its line.
        limits: Name to value.
        unit: Of the x axis.
    """
    limits = limits or {}
    xs = [_number(x) for line in of for x in line.x]
    ys = [y for line in of for y in (*line.y, *line.low, *line.high) if math.isfinite(y)]
    is_time = any(isinstance(x, datetime) for line in of for x in line.x)
    across = _Axis(min(xs, default=0.0), max(xs, default=1.0), LEFT, RIGHT)
    low, high = min([*ys, *limits.values()], default=0.0), max([*ys, *limits.values()], default=1.0)
    upwards = _Axis(low, high, FLOOR, TOP)
    parts = [*_y_axis(upwards), *(_time_axis(across) if is_time else _x_axis(across, unit))]
    for name, value in limits.items():
        y = upwards(value)
        parts.append(f'<line class="limit" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text class="small end" x="{RIGHT}" y="{y - 4:.1f}">{escape(name)}</text>')
    for number, line in enumerate(of):
        kind = f"s{(number + 1) % KINDS}"  # the first colour is for what others are compared with
        at = [_number(x) for x in line.x]
        for band in _stretches(at, line.low, line.high):
            corners = [(x, bottom) for x, bottom, _ in band] + [(x, top) for x, _, top in reversed(band)]
            parts.append(f'<polygon class="band {kind}" points="{_points(corners, across, upwards)}"/>')
        for stretch in _stretches(at, line.y):
            drawn = [(x, y) for x, y in stretch]
            parts.append(f'<polyline class="{kind}" points="{_points(drawn, across, upwards)}"/>')
            if len(drawn) == 1:
                x, y = drawn[0]
                parts.append(f'<circle class="{kind}" cx="{across(x):.1f}" cy="{upwards(y):.1f}" r="3"/>')
    described = "; ".join(f"{line.name}: {_numbers(line.y)}" for line in of)
    return Chart(title, _svg(HEIGHT, title, described, parts), tuple(line.name for line in of), first=1)


def intervals(
    title: str, of: Sequence[Interval], *, limits: Mapping[str, float] | None = None, unit: str = ""
) -> Chart:
    """Estimates with their intervals, one below the other, and limits as dotted lines downwards.

    Args:
        title: What is shown.
        of: The estimates; ends that are not finite are drawn to the edge.
        limits: Name to value.
        unit: Of the axis.
    """
    limits = limits or {}
    left, step = 160, 30
    floor = TOP + 14 + step * len(of)
    ends = [value for each in of for value in (each.low, each.estimate, each.high)]
    ends = [value for value in [*ends, *limits.values()] if math.isfinite(value)]
    across = _Axis(min(ends, default=0.0), max(ends, default=1.0), left, RIGHT)
    parts = list(_x_axis(across, unit, floor))
    for name, value in limits.items():
        x = across(value)
        side = "end" if x > (left + RIGHT) / 2 else "start"
        parts.append(f'<line class="limit" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{floor}"/>')
        parts.append(f'<text class="small {side}" x="{x:.1f}" y="{TOP - 3}">{escape(name)}</text>')
    for row, each in enumerate(of):
        y = TOP + 14 + step * row + 6
        low = across(each.low) if math.isfinite(each.low) else left
        high = across(each.high) if math.isfinite(each.high) else RIGHT
        parts.append(f'<text class="end" x="{left - 10}" y="{y + 4}">{escape(_short(each.name, 20))}</text>')
        parts.append(f'<line class="whisker" x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}"/>')
        if math.isfinite(each.estimate):
            parts.append(f'<circle class="s1" cx="{across(each.estimate):.1f}" cy="{y}" r="4.5"/>')
    described = "; ".join(
        f"{each.name}: {figure(each.estimate)} ({figure(each.low)} to {figure(each.high)})" for each in of
    )
    return Chart(title, _svg(floor + 40, title, described, parts))


def figure(value: float) -> str:
    """A number for people: four significant digits."""
    if not math.isfinite(value):
        return "not known" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:.4g}".replace("-", "−")


class _Axis:
    """From values to places; ticks at round numbers."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        if not high > low:  # one value has a middle and no width
            low, high = low - (abs(low) * 0.05 or 0.5), high + (abs(high) * 0.05 or 0.5)
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)

    def ticks(self, wanted: int = 5) -> list[float]:
        raw = (self.high - self.low) / wanted
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * each for each in (1, 2, 5, 10) if power * each >= raw)
        first = math.ceil(self.low / step)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [(first + number) * step for number in range(max(count, 0))]


def _x_axis(axis: _Axis, unit: str, floor: float = FLOOR) -> Iterator[str]:
    yield f'<line class="axis" x1="{axis.start}" y1="{floor}" x2="{axis.end}" y2="{floor}"/>'
    for tick in axis.ticks():
        yield f'<text class="small" x="{axis(tick):.1f}" y="{floor + 16}">{figure(tick)}</text>'
    if unit:
        yield f'<text class="small end" x="{axis.end}" y="{floor + 32}">{escape(unit)}</text>'


def _time_axis(axis: _Axis) -> Iterator[str]:
    yield f'<line class="axis" x1="{axis.start}" y1="{FLOOR}" x2="{axis.end}" y2="{FLOOR}"/>'
    form = "%Y-%m-%d" if axis.high - axis.low > 2 * 86400 else "%d %b %H:%M"
    for share, side in ((0.0, "start"), (0.5, ""), (1.0, "end")):
        at = axis.low + share * (axis.high - axis.low)
        text = datetime.fromtimestamp(at, UTC).strftime(form)
        yield f'<text class="small {side}" x="{axis(at):.1f}" y="{FLOOR + 16}">{text}</text>'


def _y_axis(axis: _Axis) -> Iterator[str]:
    for tick in axis.ticks(4):
        y = axis(tick)
        yield f'<line class="axis" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}"/>'
        yield f'<text class="small end" x="{LEFT - 6}" y="{y + 4:.1f}">{figure(tick)}</text>'


def _stretches(at: Sequence[float], *values: Sequence[float]) -> Iterator[list[tuple[float, ...]]]:
    """Runs of points whose values are all finite."""
    if not all(values):
        return
    run: list[tuple[float, ...]] = []
    for point in zip(at, *values, strict=True):
        if all(math.isfinite(each) for each in point):
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _points(of: Sequence[tuple[float, ...]], across: _Axis, upwards: _Axis) -> str:
    return " ".join(f"{across(x):.1f},{upwards(y):.1f}" for x, y in of)


def _most_frequent(
    labels: Sequence[str], shares: Mapping[str, Sequence[float]]
) -> tuple[list[str], dict[str, list[float]]]:
    """The categories that matter in any of the distributions, and the others in one."""
    if len(labels) <= CATEGORIES:
        return list(labels), {name: list(each) for name, each in shares.items()}
    weight = [max(each[i] for each in shares.values()) for i in range(len(labels))]
    kept = sorted(sorted(range(len(labels)), key=lambda i: -weight[i])[: CATEGORIES - 1])
    rest = [i for i in range(len(labels)) if i not in set(kept)]
    return (
        [*(labels[i] for i in kept), f"{len(rest)} others"],
        {name: [*(each[i] for i in kept), sum(each[i] for i in rest)] for name, each in shares.items()},
    )


def _number(x: float | datetime) -> float:
    return x.timestamp() if isinstance(x, datetime) else float(x)


def _numbers(values: Sequence[float]) -> str:
    """Some of them, for a description that is listened to."""
    shown = [figure(value) for value in values]
    return ", ".join(shown if len(shown) <= 24 else [*shown[:12], "…", *shown[-4:]])


def _short(text: str, length: int = 16) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _svg(height: float, title: str, description: str, parts: Sequence[str]) -> str:
    head = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{head}{"".join(parts)}</svg>'
