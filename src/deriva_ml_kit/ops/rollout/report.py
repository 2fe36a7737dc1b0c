"""A page of a rollout: where it stands, what each step was decided on, and how both arms did."""

from __future__ import annotations

from deriva_ml_kit.numerics.rollout import Move, Window
from deriva_ml_kit.ops import charts
from deriva_ml_kit.ops.page import Mark, Section, Table, Tone, render
from deriva_ml_kit.ops.rollout.history import Standing

TONES = {Move.ADVANCE: Tone.GOOD, Move.HOLD: Tone.OPEN, Move.RESUME: Tone.OPEN, Move.ROLL_BACK: Tone.BAD}
STATUS = {"pass": Tone.GOOD, "wait": Tone.OPEN, "fail": Tone.BAD}


def page(standing: Standing) -> str:
    """The page as HTML text."""
    plan = standing.plan.document
    if standing.ended:
        verdict, tone = standing.ended, Tone.GOOD if standing.ended == "done" else Tone.BAD
    else:
        verdict, tone = ("holds", Tone.WARN) if standing.held else (f"at {standing.stage_name}", Tone.OPEN)
    last = standing.steps[-1].document if standing.steps else None
    return render(
        f"Rollout of {plan.candidate_rid} ({plan.name})",
        verdict,
        f"{last.move.capitalize()}: {last.reason}" if last else "No step was taken yet.",
        [_steps(standing), *_arms(standing), _rules(standing)],
        tone=tone,
        facts={
            "plan": standing.plan.rid,
            "candidate": plan.candidate_rid,
            "control": plan.control_rid,
            "reason": plan.reason,
            "began": standing.plan.created[:16].replace("T", " "),
        },
    )


def _steps(standing: Standing) -> Section:
    stages = standing.rules.stages
    rows = [
        [
            step.sequence,
            step.time.strftime("%Y-%m-%d %H:%M"),
            stages[step.stage].name,
            Mark(step.move, TONES.get(step.move, Tone.OPEN)),
            step.by or "the rules",
            step.reason,
            stored.execution_rid,
        ]
        for stored in standing.steps
        for step in [stored.document]
    ]
    tables = [Table(["step", "time (UTC)", "stage", "what", "by", "why", "execution"], rows)]
    checked = [stored.document for stored in standing.steps if stored.document.checks]
    if checked:
        found = [
            [check.name, Mark(check.status, STATUS[check.status]), check.value, check.limit, check.detail]
            for check in checked[-1].checks
        ]
        headers = ["check", "status", "value", "limit", "in words"]
        tables.append(Table(headers, found, caption=f"What step {checked[-1].sequence} was decided on"))
    return Section("Steps", "", tables)


def _arms(standing: Standing) -> list[Section]:
    windows = [window for window in standing.windows if window.candidate or window.control]
    if not windows:
        return []
    times = [window.start for window in windows]

    def line(name: str, of: str, total: str) -> charts.Line:
        some = [window for window in windows if getattr(window, total)]
        return charts.Line(
            name,
            [window.start for window in some],
            [getattr(window, of) / getattr(window, total) for window in some],
        )

    rules = standing.rules
    drawn = [
        charts.lines(
            "Share of failed requests",
            [line("candidate", "candidate_errors", "candidate"), line("control", "control_errors", "control")],
            limits={"allowed": rules.max_error_share},
        ),
        charts.lines(
            f"Share of requests above {rules.slow_ms:g} ms",
            [line("candidate", "candidate_slow", "candidate"), line("control", "control_slow", "control")],
            limits={"allowed": rules.slow_share},
        ),
    ]
    total = Table(
        ["stage", "windows", "candidate", "failed", "slow", "control", "failed", "slow", "agree"],
        [_counted(standing, number, windows) for number in sorted({window.stage for window in windows})],
    )
    return [Section("Both arms", f"{len(times)} windows of {rules.window_minutes:g} minutes.", [*drawn, total])]


def _counted(standing: Standing, stage: int, windows: list[Window]) -> list[object]:
    here = [window for window in windows if window.stage == stage]

    def all_of(name: str) -> int:
        return sum(getattr(window, name) for window in here)

    compared = all_of("compared")
    return [
        standing.rules.stages[stage].name,
        len(here),
        *(all_of(name) for name in ("candidate", "candidate_errors", "candidate_slow")),
        *(all_of(name) for name in ("control", "control_errors", "control_slow")),
        all_of("agreed") / compared if compared else None,
    ]


def _rules(standing: Standing) -> Section:
    rules = standing.rules
    stages = [[stage.name, stage.minimum_requests, stage.minimum_hours, stage.maximum_hours] for stage in rules.stages]
    triggers = [
        [name, value]
        for name, value in rules.model_dump(exclude={"stages", "window_minutes"}).items()
        if value is not None
    ]
    text = (
        f"Fixed before the start. A candidate that is not worse is rolled back with a probability of at most "
        f"{rules.alpha:.1%}, over the whole rollout."
    )
    return Section(
        "Rules",
        text,
        [
            Table(["stage", "requests at least", "hours at least", "hours at most"], stages),
            Table(["rule", "value"], triggers),
        ],
    )
