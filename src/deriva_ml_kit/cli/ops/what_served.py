"""`deriva-ml-ops what-served`: which model is, or was, in service."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.cli.ops.promote import stage
from deriva_ml_kit.ops.kinds import Stage
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Tell which model of a name is in production, or was at some time; or in another stage. The answer is what the recorded
steps lead to: they are only ever added, and missing ones are noticed.

A date alone is its beginning; times without a zone are UTC.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops what-served                                     all names, now
  uv run deriva-ml-ops what-served --name tumours
  uv run deriva-ml-ops what-served --name tumours --at 2026-03-01
  uv run deriva-ml-ops what-served --name tumours --at 2026-03-01T14:30+01:00
  uv run deriva-ml-ops what-served --name tumours --history            every step, with who, when and why

exit codes: 0 there is one, 1 there is, or was, none, 2 wrong usage, no such name, or a damaged history
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "what-served",
        main,
        help_="which model is, or was, in service",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--name", help="name of the model; all where not given")
    made.add_argument("--at", type=moment, metavar="TIME", help="as it was then; now where not given")
    made.add_argument("--stage", type=stage, default=Stage.PRODUCTION, metavar="STAGE", help="stage (Production)")
    made.add_argument("--history", action="store_true", help="with all steps of the name, up to that time")


def moment(text: str) -> datetime:
    """A date or a time as it is typed."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 2026-03-01 or 2026-03-01T14:30 (+01:00 where it is not UTC)"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Tell it.

    Raises:
        UsageError: No such name.
        Undecidable: The history is damaged.
    """
    ml = place.connect(args)
    from deriva_ml_kit.ops.registry import events  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.registry.serving import served  # noqa: PLC0415

    if args.name is None:
        states = events.states(ml, until=args.at)
    else:
        states = [events.known_state_of(ml, args.name, until=args.at)]
    people = {row["ID"]: row["Full_Name"] for row in ml.user_list()} if args.history else {}
    found: dict[str, Any] = {}
    for state in states:
        model = state.at(args.stage)
        told: dict[str, Any] = {"model": None}
        if model:
            of = served(state.name, model)
            told = {
                "model": of.model_rid,
                "version": of.version,
                "since": of.since.isoformat(timespec="seconds"),
                "md5": of.md5,
                "training": of.training_rid,
                "execution": of.execution_rid,
                "forced": list(of.forced),
            }
        if args.history:
            steps = [
                step | {"by": people.get(step.get("by"), step.get("by"))} for step in map(events.as_json, state.events)
            ]
            told["history"] = steps if args.json else list(map(_line, steps))
        found[state.name] = told
    result = {"stage": args.stage, "at": args.at.isoformat() if args.at else "now", **found}
    return Verdict(result, 0 if any(each["model"] for each in found.values()) else 1)


def _line(step: Mapping[str, Any]) -> str:
    """A step as people read it."""
    text = f"{step['sequence']:>3}  {step['time'][:19]}  {step['stage']:<10}  {step['model_rid']}  {step['reason']}"
    marks = {
        "approved_by": "approved by",
        "forced": "FORCED",
        "evidence": "evidence",
        "execution_rid": "execution",
        "by": "by",
    }
    return "; ".join([text, *(f"{word} {step[name]}" for name, word in marks.items() if step.get(name))])
