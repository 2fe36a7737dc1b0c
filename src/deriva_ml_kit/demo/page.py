"""Write `report.html` of a finished run."""

from __future__ import annotations

from pathlib import Path

from deriva_ml_kit.demo.steps import STEPS, Run

TIERS = {"tier1": 1, "tier2": 2, "tier1_full": 1, "tier3": 3}


def write_page(run: Run) -> Path:
    """Collect from the catalog, draw, and write the page; gives its path."""
    from deriva_ml_kit.report import Checked, Phase, Question, collect, render  # noqa: PLC0415  (takes seconds)

    state = run.state
    tier3, verdict = state.result("tier3"), state.result("verdict")
    question = Question(
        hostname=run.host,
        catalog_id=str(state.result("schema")["catalog_id"]),
        execution=str(tier3["execution_rid"]),
        datasets={name: run.pin(name) for name in ("development", "training", "testing")},
        inputs=tier3["datasets"],
    )
    phases = [
        Phase(
            step.title,
            done.seconds,
            step.line(done.result),
            TIERS.get(step.name, 0),
            Checked.of(done.result) if step.name in TIERS else None,
        )
        for step in STEPS
        if (done := state.steps.get(step.name))
    ]
    text = render(
        question,
        collect(question),
        phases,
        threshold=float(verdict["threshold"].split()[-1]),
        commit=run.shell.run("git", "rev-parse", "HEAD").strip(),
        loss=tier3["metrics"]["loss_curve"],
    )
    page = run.folder / "report.html"
    page.write_text(text, encoding="utf-8")
    return page
