"""Draw the page: findings and phases in, one self-contained HTML text out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from deriva_ml_kit.report import charts
from deriva_ml_kit.report.collect import Findings, Question, wilson


@dataclass(frozen=True)
class Checked:
    """What a tier's receipt says: its verdict, how many checks ended how, why a gate was overridden, where it is."""

    verdict: str
    counts: Mapping[str, int]
    overrides: Sequence[str]
    receipt: str

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Checked:
        """From what a run prints as JSON: `verdict`, `checks` (id -> status), `receipt`, `overrides` where any."""
        counts = Counter(result["checks"].values())
        return cls(result["verdict"], dict(counts), tuple(result.get("overrides", ())), result["receipt"])


@dataclass(frozen=True)
class Phase:
    """One step of the run: its title, seconds, the line that it ended with; `tier` is 1, 2, 3 or 0 for none."""

    title: str
    seconds: float
    line: str
    tier: int = 0
    checked: Checked | None = None


def render(
    question: Question,
    findings: Findings,
    phases: Sequence[Phase],
    *,
    threshold: float,
    commit: str,
    loss: Sequence[float],
) -> str:
    """The page as HTML text.

    Args:
        threshold: The accuracy, 0 to 1, that the design document asks for.
        commit: The project's commit when the run was judged.
        loss: Training loss over the batches of tier 3.
    """
    low, high = wilson(findings.right, findings.total)
    environment = Environment(
        loader=PackageLoader("deriva_ml_kit.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        question=question,
        findings=findings,
        phases=phases,
        threshold=threshold,
        commit=commit,
        met=findings.accuracy >= threshold,
        interval=(low, high),
        most=max(max(row) for row in findings.confusion),
        timeline=charts.timeline([(p.title, p.seconds, f"t{p.tier}") for p in phases], "How long each step took"),
        balance=charts.grouped_bars(findings.classes, findings.balance, "Images of each class in each dataset"),
        loss=charts.line(loss, "Training loss of tier 3", unit="batches"),
    )
