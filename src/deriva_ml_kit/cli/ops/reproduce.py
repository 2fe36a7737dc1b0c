"""`deriva-ml-ops reproduce`: make a run again at its commit, and say what is the same."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.ops.tracking.reproduce import ReproductionReport

DESCRIPTION = """\
Make a run again and compare the two: check out the commit at which it ran (in a temporary git worktree; your own files
are left alone), run the recorded command with the recorded configuration on the same dataset versions, and compare
metrics, predictions, feature values and files.

The new run is an execution of its own. The comparison is another one: the outputs of both runs are its inputs,
reproduction.json says what is equal, what differs within the tolerance and what differs, and which libraries have other
versions. Metrics and predictions decide; files that hold the same in other bytes are only told of (with --exact they
decide, too). Works for runs of deriva-ml-run, the jobs of its sweeps, and scripts made from the templates.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops reproduce 3-WXYZ --dry-run      which commit, which command
  uv run deriva-ml-ops reproduce 3-WXYZ
  uv run deriva-ml-ops reproduce 3-WXYZ --tolerance 0.001 --ignore seconds
  uv run deriva-ml-ops reproduce 3-WXYZ --locked       with the libraries of that commit's uv.lock

exit codes: 0 reproduced, 1 not, 2 it cannot be made again: commit missing, ran with uncommitted changes, no repository
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "reproduce",
        main,
        help_="make a run again at its commit, and compare",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("execution", metavar="EXECUTION_RID", help="the run")
    made.add_argument(
        "--tolerance",
        type=_tolerance,
        default=1e-6,
        metavar="SHARE",
        help="how far numbers may differ: relative, and absolute near zero (default 1e-6)",
    )
    made.add_argument("--exact", action="store_true", help="every byte of every output must be the same")
    made.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="METRIC",
        help="a metric that is expected to differ, such as a duration; repeatable",
    )
    made.add_argument(
        "--locked",
        action="store_true",
        help="run it by uv in the environment that the commit's uv.lock describes, instead of this one",
    )


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Make it again, or say how.

    Raises:
        Undecidable: It cannot be made again.
    """
    root = place.root()
    ml = place.connect(args)
    from deriva_ml_kit.ops.tracking.reproduce import plan, reproduce  # noqa: PLC0415  (takes seconds)

    if args.dry_run:
        first, commit, words = plan(ml, root, args.execution, locked=args.locked)
        return {
            "execution": first.rid,
            "commit": commit,
            "datasets": list(first.datasets),
            "folder": first.folder,
            "command": shlex.join(words),
        }
    report, rid = reproduce(
        ml,
        root,
        args.execution,
        tolerance=args.tolerance,
        exact=args.exact,
        ignored=args.ignore,
        locked=args.locked,
    )
    return Verdict(_told(report, rid), 0 if report.reproduced else 1)


def _told(report: ReproductionReport, rid: str) -> dict[str, Any]:
    by: dict[str, list[str]] = {}
    for each in report.findings:
        values = f" ({each.first} -> {each.again})" if each.kind in ("metric", "status") else ""
        detail = f": {each.detail}" if each.detail else ""
        same = each.likeness == "equal"
        by.setdefault(str(each.likeness), []).append(f"{each.kind} {each.name}{'' if same else values + detail}")
    return {
        "verdict": "reproduced" if report.reproduced else "not reproduced",
        "execution": report.execution,
        "again": report.again,
        "report": rid,
        "commit": report.commit,
        **({"note": report.note} if report.note else {}),
        **by,
        "libraries": [f"{name} {one or 'none'} -> {two or 'none'}" for name, (one, two) in report.libraries.items()]
        or "the same",
    }


def _tolerance(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share between 0 and 1")
    return value
