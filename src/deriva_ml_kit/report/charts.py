"""Charts as SVG text: pure functions from numbers to markup, with a title and a description for screen readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 720


def grouped_bars(classes: Sequence[str], series: Mapping[str, Mapping[str, int]], title: str) -> str:
    """Bars of each series side by side, one group a class; the count stands above its bar."""
    height, floor, top = 240, 204, 22
    most = max((count for counts in series.values() for count in counts.values()), default=1) or 1
    group = WIDTH / max(len(classes), 1)
    bar = group * 0.8 / max(len(series), 1)
    parts = []
    for i, name in enumerate(classes):
        for j, counts in enumerate(series.values()):
            count = counts.get(name, 0)
            tall = (floor - top) * count / most
            x = i * group + group * 0.1 + j * bar
            parts.append(
                f'<rect class="s{j}" x="{x:.1f}" y="{floor - tall:.1f}" width="{bar - 1:.1f}" height="{tall:.1f}"/>'
            )
            parts.append(f'<text class="small" x="{x + bar / 2:.1f}" y="{floor - tall - 4:.1f}">{count}</text>')
        parts.append(f'<text x="{(i + 0.5) * group:.1f}" y="{floor + 18}">{escape(name)}</text>')
    described = "; ".join(f"{name}: {dict(sorted(counts.items()))}" for name, counts in series.items())
    return _svg(height, title, described, parts)


def line(values: Sequence[float], title: str, *, unit: str) -> str:
    """One curve over equally spaced points, first and last value written at its ends."""
    height, left, right, top, floor = 220, 10, WIDTH - 10, 20, 190
    most = max(values, default=1.0) or 1.0
    step = (right - left) / max(len(values) - 1, 1)
    at = [(left + i * step, floor - (floor - top) * value / most) for i, value in enumerate(values)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    parts = [
        f'<line class="axis" x1="{left}" y1="{floor}" x2="{right}" y2="{floor}"/>',
        f'<polyline points="{points}"/>',
    ]
    if values:
        parts += [
            f'<text class="start" x="{left + 6}" y="{at[0][1] - 6:.1f}">{values[0]:.3f}</text>',
            f'<text class="end" x="{right}" y="{at[-1][1] - 8:.1f}">{values[-1]:.3f}</text>',
            f'<text class="end" x="{right}" y="{floor + 18}">{escape(unit)}</text>',
        ]
    ends = f"from {values[0]:.3f} to {values[-1]:.3f}" if values else "no values"
    return _svg(height, title, ends, parts)


def timeline(rows: Sequence[tuple[str, float, str]], title: str) -> str:
    """Steps one below the other, each as long as it took: (name, seconds, kind); kinds are CSS classes."""
    high, left = 26, 250
    total = sum(seconds for _, seconds, _ in rows) or 1.0
    scale, x, parts = (WIDTH - left - 70) / total, float(left), []
    for i, (name, seconds, kind) in enumerate(rows):
        y = i * high + 4
        wide = max(seconds * scale, 2)
        parts.append(f'<text class="end" x="{left - 10}" y="{y + 14}">{escape(name)}</text>')
        parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{wide:.1f}" height="18" rx="3"/>')
        parts.append(f'<text class="start small" x="{x + wide + 6:.1f}" y="{y + 13}">{seconds:.1f} s</text>')
        x += seconds * scale
    described = "; ".join(f"{name} {seconds:.1f} seconds" for name, seconds, _ in rows)
    return _svg(len(rows) * high + 8, title, described, parts)


def _svg(height: float, title: str, description: str, parts: Sequence[str]) -> str:
    head = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{head}{"".join(parts)}</svg>'
