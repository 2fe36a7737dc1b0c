"""The page of a finished run: what was decided and why, with links to the page of each decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deriva_ml_kit.demo.production.batches import BATCHES
from deriva_ml_kit.demo.production.steps import NAME, PAGES, Production
from deriva_ml_kit.demo.steps import Run

TONES = {
    "ok": "good",
    "pass": "good",
    "done": "good",
    "win": "good",
    "investigate": "warn",
    "continue": "open",
    "insufficient": "open",
    "no_data": "open",
    "cannot decide": "open",
}


def write_page(run: Run) -> Path:
    """Draw the page from what the steps gave; gives its path."""
    from deriva_ml_kit.ops import charts  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.page import Link, Mark, Section, Table, Tone, render  # noqa: PLC0415

    assert isinstance(run, Production)
    state = run.state

    def mark(word: str) -> Mark:
        return Mark(word, Tone(TONES.get(word, "bad")))

    models = {"first": "the first one", "same": "another seed", "better": "a larger hidden layer"}
    trained = {name: state.result(name) for name in models}
    intervals = [
        charts.Interval(models[name], each["accuracy"]["lower"], each["accuracy"]["value"], each["accuracy"]["upper"])
        for name, each in trained.items()
    ]
    gates = Table(
        ["model", "what it is", "accuracy", "gate", "evaluations before", "page"],
        [
            [
                each["model"],
                models[name],
                each["accuracy"]["value"],
                mark(each["gate"]),
                each["earlier"],
                Link("gate", f"gate-{name}.html"),
            ]
            for name, each in trained.items()
        ],
    )
    drifted = Table(
        ["batch", "what happened", "verdict", "why", "page"],
        [
            [
                name,
                BATCHES[name][0],
                mark(each["verdict"]),
                each.get("reason", ""),
                Link("distributions", f"drift-{name}.html"),
            ]
            for name, each in state.result("drift").items()
        ],
    )
    rollout = state.result("faulty")
    steps = Table(
        ["step", "after it at", "what", "why"],
        [
            [number, step["stage"], step["move"], step["reason"]]
            for number, step in enumerate(rollout["steps"], start=1)
        ],
        caption=f"{rollout['state']} ({_answers(rollout['answers'])})",
    )
    tests = Table(
        ["test", "verdict", "why", "page"],
        [
            [slug, mark(each["verdict"]), each.get("reason", ""), Link("look", f"ab-{slug}.html")]
            for slug, each in state.result("ab_test").items()
        ],
    )
    text = render(
        "From cycle zero into production",
        f"{NAME}: {run.model('first')} serves",
        "Criteria came before training; a model that is not better was refused, a better one passed its gate, and its "
        "deployment had a fault, which the rollout found. Every decision is an execution in the catalog.",
        [
            Section(
                "Candidates and gates",
                "Bounds decide, not values.",
                [charts.intervals("Accuracy on the test dataset, 95 %", intervals), gates],
            ),
            Section("Batches against the baseline of the first model", "", [drifted]),
            Section(
                "Rollout of the better model, deployed with a fault",
                "Real requests to a server on this machine.",
                [steps],
            ),
            Section(
                "A/B tests",
                "No result is shown before the shortest runtime is over; harm ends a test at once.",
                [tests],
            ),
            Section(
                "More",
                "",
                [
                    Table(
                        ["page", "shows"],
                        [
                            [
                                Link("lineage", "lineage.html"),
                                "data, commits, evaluations, gates and stages of what serves",
                            ],
                            [Link("rollout", "rollout-faulty.html"), "both arms, window by window"],
                        ],
                    )
                ],
            ),
        ],
        tone=Tone.GOOD,
        facts={"host": run.host, "catalog": run.catalog, "pages": str(PAGES)},
    )
    page = run.folder / PAGES / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return page


def _answers(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(counts.items()))
