"""`deriva-ml-ops lineage`: where a model comes from and what became of it, on one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Collect where a model comes from and what became of it: the links that belong to it and those that are missing, dataset
versions, the executions behind them with their commits, evaluations, gates, and every stage with who, when and why.
Written as one page (HTML, no scripts, nothing loaded from elsewhere), and told as JSON with --json.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops lineage --model 2-B4C8                          into lineage-2-B4C8.html
  uv run deriva-ml-ops lineage --name tumours --page audit/tumours.html    of what is in production
  uv run deriva-ml-ops lineage --model 2-B4C8 --json | jq .links

exit codes: 0 complete, 1 links are missing, or data of unknown origin is behind it, 2 wrong usage, or no such model
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "lineage",
        main,
        help_="where a model comes from and what became of it, on one page",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    place.options(made)
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="RID", help="the model's file")
    which.add_argument("--name", help="or the name whose model is in production")
    made.add_argument("--page", type=Path, metavar="FILE", help="where the page goes (lineage-RID.html)")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Collect it, and write the page.

    Raises:
        UsageError: No such model, or nothing is in production.
    """
    ml = place.connect(args)
    from deriva_ml_kit.ops.registry import serving  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.registry.lineage import lineage_of  # noqa: PLC0415
    from deriva_ml_kit.ops.registry.lineage_page import page  # noqa: PLC0415

    rid = args.model
    if rid is None:
        if (there := serving(ml, args.name)) is None:
            raise UsageError(f"No model of {args.name!r} is in production.", remedy="Name one with --model.")
        rid = there.model_rid
    found = lineage_of(ml, rid)
    file = args.page or Path(f"lineage-{rid}.html")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page(found, hostname=ml.host_name, catalog_id=str(ml.catalog_id)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error
    code = 1 if found.links.missing or found.findings else 0
    if args.json:
        return Verdict({"page": str(file), "score": found.links.score, **found.model_dump(mode="json")}, code)
    return Verdict(
        {
            "model": f"{rid} ({found.links.filename})",
            "stages": [f"{name.name} {name.version}: {name.stage}" for name in found.names] or "not registered",
            "completeness": found.links.score,
            "missing": [f"{link.name}: {link.found}" for link in found.links.missing],
            "forced": [each for name in found.names for each in name.forced],
            "sources": [f"{each.execution_rid} {each.workflow} @ {each.commit}" for each in found.sources],
            "unknown origin": list(found.findings),
            "evaluations": len(found.evaluations),
            "gates": [f"{each.report_rid} {each.verdict}" for each in found.gates],
            "not readable": list(found.unreadable),
            "page": str(file),
        },
        code,
    )
