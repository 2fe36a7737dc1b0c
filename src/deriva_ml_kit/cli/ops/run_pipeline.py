"""`deriva-ml-ops run-pipeline`: play a committed pipeline; only what changed runs again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.ops.pipeline.definition import Pipeline
    from deriva_ml_kit.ops.pipeline.results import Played, StageResult

CI_FILE = Path(".github/workflows/train.yml")
DESCRIPTION = """\
Play the stages of a pipeline in their order, each a committed command of the project, as parts of one parent execution.

A stage runs again only if something that it depends on has changed: its command and parameters, its code and files
(by git's hash), its datasets (by version), files of the catalog (by checksum), tables, or what an earlier stage left.
What it left the last time is looked up in the catalog, and used only if it is still there. Where nothing has changed,
nothing is written. A stage that fails, or Ctrl-C, stops the pipeline; the same command goes on there, from any clone.

A pipeline proposes a model (stage Staging); promoting it to Production is a person's decision and refused here.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops run-pipeline pipeline.toml --dry-run           what would run, and why
  uv run deriva-ml-ops run-pipeline pipeline.toml
  uv run deriva-ml-ops run-pipeline pipeline.toml --set epochs=60 --again evaluate
  uv run deriva-ml-ops run-pipeline pipeline.toml --write-ci          .github/workflows/train.yml, to commit

exit codes: 0 all stages are done, 1 a stage failed or its verdict was against it, 2 wrong usage, uncommitted changes,
            or a stage that could not decide, 130 interrupted
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "run-pipeline",
        main,
        help_="run the stages of a pipeline that have changed",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("file", type=Path, metavar="PIPELINE.toml", help="the pipeline, committed in the project")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="another value of a parameter of the pipeline; repeatable",
    )
    made.add_argument(
        "--again",
        action="append",
        default=[],
        metavar="STAGE",
        help="run this stage although nothing has changed; repeatable",
    )
    made.add_argument(
        "--write-ci",
        nargs="?",
        const=CI_FILE,
        type=Path,
        metavar="FILE",
        help=f"only write a workflow file that runs the pipeline by schedule, by hand and on a push ({CI_FILE})",
    )
    made.add_argument(
        "--schedule", default="17 3 * * 1", metavar="CRON", help="when that runs, in UTC (17 3 * * 1: Mondays)"
    )
    made.add_argument("--runner", default="self-hosted", metavar="LABEL", help="on which machine it runs (self-hosted)")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Play it, show what would be played, or write the workflow file.

    Raises:
        UsageError: The file is wrong, or files are not committed.
    """
    from deriva_ml_kit.ops.pipeline.definition import read  # noqa: PLC0415  (takes seconds)

    pipeline = read(args.file).with_parameters(dict(args.set))
    if args.write_ci:
        return _write_ci(args, pipeline)
    root = place.root()
    ml = place.connect(args)
    from deriva_ml_kit.ops.pipeline.play import Player  # noqa: PLC0415
    from deriva_ml_kit.ops.setup import require  # noqa: PLC0415

    require(ml)
    player = Player(ml, root, args.file.resolve(), pipeline, again=args.again, say=_say)
    if args.dry_run:
        return {"pipeline": pipeline.name, "stages": [_line(each) for each in player.plan()]}
    return _told(pipeline, player.play())


def _told(pipeline: Pipeline, played: Played) -> dict[str, Any]:
    failed = played.failed
    saved = sum(each.seconds for each in played.results if each.state == "reused")
    result: dict[str, Any] = {
        "pipeline": pipeline.name,
        "execution": played.execution or "none: nothing has changed",
        "stages": [_line(each) for each in played.results],
        "seconds_saved": round(saved, 1),
    }
    if failed:
        result["failed"] = failed.stage
        result["next"] = "correct it and commit, then type the same command: it goes on there"
    return Verdict(result, failed.exit_code if failed else 0)


def _line(each: StageResult) -> str:
    parts = [f"{each.stage}: {each.state}", f"{each.seconds:.1f} s" if each.seconds else "", *each.executions, each.why]
    return ", ".join(filter(None, parts))


def _write_ci(args: argparse.Namespace, pipeline: Pipeline) -> dict[str, Any]:
    from deriva_ml_kit.ops.pipeline.ci import workflow_file  # noqa: PLC0415

    root = place.root()
    file = args.file.resolve()
    if not file.is_relative_to(root.resolve()):
        raise UsageError(f"{args.file} lies outside the project {root}.")
    text = workflow_file(
        pipeline, file.relative_to(root.resolve()).as_posix(), schedule=args.schedule, runner=args.runner
    )
    target = root / args.write_ci
    if args.dry_run:
        print(text)
        return {"file": str(target), "written": False}
    if target.exists() and target.read_text(encoding="utf-8") != text:
        raise UsageError(f"{target} is there and differs.", remedy="Remove it, or name another file: --write-ci FILE")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return {
        "file": str(place.near(target)),
        "next": "commit it, and set the secrets and variables that it names at its top",
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value
