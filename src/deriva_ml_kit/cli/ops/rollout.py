"""`deriva-ml-ops rollout`: bring a candidate into service step by step, by rules that were fixed before."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit import script
from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import Fault, Faults, UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.numerics.rollout import Rules
    from deriva_ml_kit.ops.rollout import Standing

DESCRIPTION = """\
A candidate first sees all requests and answers none (shadow), then answers 5 %, 25 % and 50 % of the units, then all.
It is compared with the model in production over the same time. Rules are fixed in the catalog before the start; each
step that changes something is an execution with its evidence.

  start      fix the rules of a TOML file, and begin; the candidate is in Staging and has passed its gate
  step       decide from the prediction logs since the last change: stay, advance, hold or roll back
  hold, resume, rollback     what a person decides
  status     where it stands; every step is decided again from its evidence, and must come out the same

No data never passes and never rolls back: it waits, and holds when the time of the stage is over. A triggered rollback
needs nobody; taking over after the last stage needs a person's approval.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops rollout start --name digits --model 3-WXYZ --rules rollout.toml --reason "more layers"
  uv run deriva-ml-ops rollout step --name digits --log logs/predictions-*.jsonl --split split.json
  uv run deriva-ml-ops rollout step --name digits --log logs/predictions-*.jsonl --approve "Ada: looked at both"
  uv run deriva-ml-ops rollout hold --name digits --by Ada --reason "the data centre moves"
  uv run deriva-ml-ops rollout status --name digits --page rollout.html

`--split FILE` is written for the server (`serve --split FILE`), which reads it again when it changes.

exit codes: 0 it goes on or is done, 1 it was rolled back, 2 it holds, or nothing could be decided
"""
HELP = {
    "start": "fix the rules, and begin",
    "step": "decide from logs, and do it",
    "hold": "let it wait",
    "resume": "let it go on; the time of the stage begins anew",
    "rollback": "end it: production answers everybody again",
    "status": "where it stands",
}


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subparsers.add_parser(
        "rollout",
        help="bring a candidate into service step by step",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = made.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action, meaning in HELP.items():
        each = subcommand.add(
            actions, action, main, help_=meaning, description=f"{meaning.capitalize()}.", epilog=EPILOG, catalog=False
        )
        each.set_defaults(action=action)
        place.options(each)
        each.add_argument("--name", required=True, metavar="NAME", help="name that the models are registered under")
        if action == "start":
            each.add_argument("--model", required=True, metavar="RID", help="asset of the candidate")
            each.add_argument(
                "--rules", required=True, type=Path, metavar="FILE", help="TOML file: stages and triggers"
            )
        else:
            each.add_argument("--plan", metavar="RID", help="which rollout; the newest of the name where not given")
        if action == "step":
            each.add_argument(
                "--log",
                nargs="+",
                default=[],
                metavar="FILE|RID",
                help="prediction logs: all that were written since the last step that changed something",
            )
            each.add_argument("--outcomes", type=Path, metavar="FILE", help="CSV file: request_id, outcome (1 or 0)")
            each.add_argument("--approve", metavar="TEXT", help='"NAME: why", for taking over after the last stage')
        if action in {"hold", "resume", "rollback"}:
            each.add_argument("--by", required=True, metavar="NAME", help="who decides")
        if action in {"start", "hold", "resume", "rollback"}:
            each.add_argument("--reason", required=True, metavar="TEXT", help="why")
        if action in {"start", "step"}:
            each.add_argument("--dry-run", action="store_true", help="look and decide; write nothing")
        each.add_argument("--split", type=Path, metavar="FILE", help="write what the server is to do into this file")
        each.add_argument("--page", type=Path, metavar="FILE", help="write a page that shows it")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Do what was asked, and tell where the rollout stands.

    Raises:
        UsageError: The call is wrong, or the rollout does not allow it.
    """
    root = place.root()
    where = place.required(args, root)
    rules = read_rules(args.rules) if args.action == "start" else None

    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)

    return _told(args, *_done(connect(where.hostname, where.catalog_id), args, rules))


def read_rules(file: Path) -> Rules:
    """Stages and triggers of a TOML file.

    Raises:
        UsageError: It cannot be read.
        Faults: Everything that is wrong with it.
    """
    from pydantic import ValidationError  # noqa: PLC0415  (--help must be quick)

    from deriva_ml_kit.numerics.rollout import Rules  # noqa: PLC0415

    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    try:
        return Rules.model_validate(content)
    except ValidationError as error:
        faults = [
            Fault(
                each["msg"].removeprefix("Value error, "),
                file=str(file),
                column=".".join(map(str, each["loc"])) or None,
                value=None if isinstance(each["input"], dict) else str(each["input"])[:80],
            )
            for each in error.errors()
        ]
        raise Faults(faults, message="Rules that cannot be followed; nothing was started.") from error


def _done(ml: DerivaML, args: argparse.Namespace, rules: Rules | None) -> tuple[Standing | None, dict[str, Any]]:
    from deriva_ml_kit.numerics.rollout import Move  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.registry.moving import approval  # noqa: PLC0415
    from deriva_ml_kit.ops.rollout import running  # noqa: PLC0415
    from deriva_ml_kit.ops.rollout.history import newest_plan, replayed, standing_of  # noqa: PLC0415

    if rules is not None:
        begun = running.start(ml, args.name, args.model, rules, reason=args.reason, dry_run=args.dry_run)
        return begun, {} if begun else {"dry_run": True, "next": "the same without --dry-run"}
    standing = standing_of(ml, args.plan or newest_plan(ml, args.name))
    if args.action == "status":
        return standing, {"decided_again": replayed(standing)}
    if args.action == "step":
        decision, after = running.step(
            ml,
            standing,
            args.log,
            outcomes=args.outcomes,
            approved_by=approval(args.approve) if args.approve else None,
            dry_run=args.dry_run,
        )
        checks = [check.model_dump(exclude_none=True) for check in decision.checks]
        return after, {"move": str(decision.move), "reason": decision.reason, "checks": checks}
    move = {"hold": Move.HOLD, "resume": Move.RESUME, "rollback": Move.ROLL_BACK}[args.action]
    return running.by_hand(ml, standing, move, by=args.by, reason=args.reason), {"move": str(move)}


def _told(args: argparse.Namespace, standing: Standing | None, more: dict[str, Any]) -> dict[str, Any]:
    if standing is None:
        return more
    from deriva_ml_kit.ops.rollout.report import page  # noqa: PLC0415  (takes seconds)

    plan = standing.plan.document
    state = standing.ended or ("holds" if standing.held else "runs")
    told = {
        "plan": standing.plan.rid,
        "candidate": plan.candidate_rid,
        "control": plan.control_rid,
        "stage": standing.stage_name,
        "state": state,
        "steps": len(standing.steps),
        **more,
    }
    for file, text in ((args.split, standing.split.model_dump_json() + "\n"), (args.page, None)):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f".{file.name}.part")
            part.write_text(page(standing) if text is None else text, encoding="utf-8")
            part.replace(file)
            told["page" if text is None else "split"] = str(file)
    return script.Verdict(told, {"rolled back": 1, "holds": 2}.get(state, 0))
