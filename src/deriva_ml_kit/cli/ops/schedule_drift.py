"""`deriva-ml-ops schedule-drift`: monitor-drift every hour, day, week or month."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit import local
from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.cli.ops import monitor_drift
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.script import Parser

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.ops.drift.schedule import Job

DESCRIPTION = """\
Write what repeats a monitor-drift: a cron line, a systemd service with its timer, or a workflow file of GitHub Actions.
Its options, behind --, are checked now. Secrets do not belong into them: the webhook comes from the environment.

Without --write the text is printed, and nothing is changed.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops schedule-drift --as cron --every day --at 06:30 -- --model digits --dataset 2-B4C8
  uv run deriva-ml-ops schedule-drift --as systemd --every hour --write ~/.config/systemd/user -- \\
      --model digits --file /var/spool/digits/latest.jsonl --metrics /var/lib/node_exporter/drift.prom
  uv run deriva-ml-ops schedule-drift --as github --every week --write .github/workflows -- \\
      --model digits --dataset 2-B4C8 --page drift.html

--dataset RID without a version is the newest released one each time, and a batch that was compared before is not again.

exit codes: 0 done, 1 failed, 2 wrong usage
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "schedule-drift",
        main,
        help_="repeat monitor-drift by cron, systemd or CI",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--as", dest="kind", required=True, choices=("cron", "systemd", "github"), help="what repeats it")
    made.add_argument("--every", default="day", choices=("hour", "day", "week", "month"), help="how often (day)")
    made.add_argument("--at", default="06:30", metavar="HH:MM", help="when (06:30); UTC for github, else local time")
    made.add_argument("--runner", default="ubuntu-latest", metavar="LABEL", help="github: on what (ubuntu-latest)")
    made.add_argument("--write", type=Path, metavar="FOLDER", help="write files into this folder")
    made.add_argument("options", nargs="+", metavar="OPTION", help="options of monitor-drift, behind --")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Write it.

    Raises:
        UsageError: The options are none of monitor-drift, hold a secret, or the catalog cannot be reached from there.
    """
    from deriva_ml_kit.ops.drift.schedule import When  # noqa: PLC0415

    root = place.root()
    where = place.required(args, root)
    _check(args.options)
    if args.kind == "github" and local.is_local(where.hostname) and args.runner == "ubuntu-latest":
        raise UsageError(
            f"The catalog on {where.hostname} lies on this machine; GitHub's machines cannot reach it.",
            remedy="Use --as cron or systemd, or --runner self-hosted with a runner on this machine.",
        )
    given = [(f"--{name}", value) for name in ("hostname", "catalog_id") if (value := getattr(args, name))]
    options = [word for name, value in given for word in (name.replace("_", "-"), value)]
    uv = "uv" if args.kind == "github" else shutil.which("uv") or "uv"
    words = [uv, "run", "deriva-ml-ops", "monitor-drift", *options, *args.options]
    files, next_ = _text(args, _job(words, root, When.of(args.every, args.at)))
    if args.write is None:
        if args.json:
            return {"files": files, "next": next_}
        for name, text in files.items():
            print(f"# {name}\n{text}")
        return {"next": next_}
    args.write.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        file = args.write / name
        if file.exists() and file.read_text(encoding="utf-8") != text:
            raise UsageError(f"{file} is there and differs.", remedy="Remove it, or write to another folder.")
        file.write_text(text, encoding="utf-8")
    return {"written": [str(args.write / name) for name in files], "next": next_}


def _job(words: list[str], root: Path, when: Any) -> Job:
    from deriva_ml_kit.ops.drift.schedule import Job  # noqa: PLC0415

    return Job(words, root.resolve(), when)


def _text(args: argparse.Namespace, job: Job) -> tuple[dict[str, str], str]:
    """Files, and what is done with them."""
    from deriva_ml_kit.ops.drift.schedule import NAME, cron_line, github_workflow, systemd_units  # noqa: PLC0415

    if args.kind == "cron":
        return {f"{NAME}.cron": cron_line(job)}, "add the line by: crontab -e"
    if args.kind == "systemd":
        folder = "~/.config/systemd/user"
        return systemd_units(job), f"with both files in {folder}: systemctl --user enable --now {NAME}.timer"
    return {"drift.yml": github_workflow(job, runner=args.runner)}, "commit it as .github/workflows/drift.yml"


def _check(options: list[str]) -> None:
    """Parse the options as monitor-drift would.

    Raises:
        UsageError: They cannot stand in such a file.
    """
    parser = Parser("deriva-ml-ops monitor-drift", add_help=False)
    monitor_drift.arguments(parser)
    found = parser.parse_args(options)
    if any("\n" in word for word in options):
        raise UsageError("The options hold a line break, which cron and systemd take for their end.")
    if found.webhook:
        raise UsageError(
            "--webhook would be written into a file that others read.",
            remedy="Put DERIVA_ML_WEBHOOK into the environment of the job.",
        )
