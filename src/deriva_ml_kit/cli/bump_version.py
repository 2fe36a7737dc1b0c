"""`deriva-ml-kit bump-version`, or `bump-version`: give the current commit the project's next version."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import subcommand
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.project.changes import Evidence, Part, fitting
from deriva_ml_kit.project.release import Standing, check, evidence, following, release, standing

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Give the current commit the next version, as a git tag such as v0.2.0; runs at that commit record it. Without an
argument, say which part to raise, file by file, and write nothing:

  patch   fixes, values of configurations, new versions of the same datasets, dependencies
  minor   new experiments, models, splits, scripts, notebooks
  major   the schema or what datasets consist of changed; a model or a configuration is gone

Documents and tests need no version. The first version is v0.1.0. A version in pyproject.toml is changed and committed
as well. Refuses uncommitted changes. Nothing is pushed unless you ask for it.
"""
EPILOG = """\
examples:
  uv run bump-version                   which part fits the changes since the last version?
  uv run bump-version patch --dry-run
  uv run bump-version minor
  uv run bump-version minor --push      and push branch and tag to origin
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "bump-version",
        main,
        help_="give the current commit the project's next version",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    made.add_argument("part", nargs="?", choices=[part.name for part in Part], help="part of the version to raise")
    made.add_argument("--push", action="store_true", help="push branch and tag to the remote origin")
    made.add_argument("--dry-run", action="store_true", help="say what the version would be, and write nothing")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Advise, or give the version.

    Raises:
        UsageError: `--push` without a part, or the repository is in no state to be given a version.
        KitError: git refused to commit or to tag.
    """
    now = standing(Path.cwd())
    found = evidence(now)
    fits = fitting(found)
    if args.part is None:
        if args.push:
            raise UsageError("--push needs the part to raise.", remedy="uv run bump-version patch|minor|major --push")
        return _advice(now, found, fits, as_json=args.json)
    part = Part[args.part]
    made = release(now, part, push=args.push, dry_run=args.dry_run)
    result: dict[str, Any] = {"version": made.version.tag, "previous": now.latest.tag if now.latest else None}
    result |= {"commit": made.commit, "dry_run": args.dry_run}
    if made.file:
        result["changed_file"] = made.file
    if made.pushed is not None:
        result["pushed"] = made.pushed
    if made.push_problem:
        result["push_problem"] = made.push_problem
        result["push_later"] = f"git push --atomic origin {now.branch} {made.version.tag}"
    if fits and part < fits:
        reasons = "; ".join(f"{each.file}: {each.reason}" for each in found if each.part is fits)
        result["note"] = f"The changes fit {fits.name} rather than {part.name}: {reasons}"
    return result


def _advice(now: Standing, found: list[Evidence], fits: Part | None, *, as_json: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"latest": now.latest.tag if now.latest else None, "commit": now.commit}
    if now.latest is None:
        fits, result["reason"] = Part.minor, "no version yet; the first one is v0.1.0, whatever the part"
    elif fits is None:
        result["reason"] = (
            f"{now.tagged.tag} is this very commit" if now.tagged else "only documents, tests or comments"
        )
    result["fits"] = fits.name if fits else None
    if fits:
        result |= {"next": following(now, fits).tag, "command": f"uv run bump-version {fits.name}"}
        try:
            check(now)
        except UsageError as error:
            result["before_that"] = str(error)
    # What asks for most comes first.
    ordered = sorted(found, key=lambda each: -(each.part or 0))
    rows = [
        {"file": each.file, "fits": each.part.name if each.part else None, "reason": each.reason} for each in ordered
    ]
    result["evidence"] = (
        rows if as_json else [f"{row['fits'] or 'none'}  {row['file']}: {row['reason']}" for row in rows]
    )
    return result
