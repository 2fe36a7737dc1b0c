"""`deriva-ml-ops materialize-features`: the newest values of features in a file for models in service."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.cli.ops import historical_features

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DESCRIPTION = """\
Write the newest values of features, as one snapshot of the catalog has them, to a SQLite file: the online store, which
a model in service asks by the key of an entity, in microseconds and without the catalog. Then compare every value with
what a training would get at that time; only a file without a difference takes the place of the one that is there, at
once, and servers that have it open go over to it.

The file is also kept as an output of an execution, with the definitions of its features. To bring it up to date, run
the command again: as a scheduled job, by the same line in cron or a systemd timer.

In a server: deriva_ml_kit.ops.features.OnlineStore(Path("online.sqlite")).get_features(entity_id="1-2A3B")
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops materialize-features --features user:age,user:30d_spend --file online.sqlite --dry-run
  uv run deriva-ml-ops materialize-features --features user:age,user:30d_spend --file online.sqlite
  uv run deriva-ml-ops materialize-features --features user:age --as-of 2-B4C8@1.2.0 --file online.sqlite

exit codes: 0 done: offline and online are the same, 1 they are not, or it failed, 2 wrong usage, or values are tied
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "materialize-features",
        main,
        help_="the newest values of features in a file for models in service",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    historical_features.features(made)
    made.add_argument("--file", required=True, type=Path, metavar="FILE", help="the store, such as online.sqlite")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Write the store, compare it, put it in its place.

    Raises:
        NotTheSame: It differs from the catalog; the file that was there stays.
        Faults: What is wrong with features or definitions; values that are tied.
    """
    where = place.required(args, place.root())
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.features import OnlineStore, assert_offline_is_online, materialize  # noqa: PLC0415
    from deriva_ml_kit.ops.features.keeping import DEFINITIONS_FILE, refuse_silent_changes  # noqa: PLC0415
    from deriva_ml_kit.ops.kinds import AssetType, WorkflowType  # noqa: PLC0415
    from deriva_ml_kit.ops.operation import operation  # noqa: PLC0415

    ml = connect(where.hostname, where.catalog_id)
    draft = args.file.with_name(f".{args.file.name}.{os.getpid()}.draft")
    try:
        made = materialize(ml, args.features, draft, definitions=historical_features.defined(args), as_of=args.as_of)
        refuse_silent_changes(ml, made.definitions)
        with OnlineStore(draft) as store:
            compared = assert_offline_is_online(ml, store)
        with operation(
            ml,
            f"Online store of {', '.join(args.features)} as of {made.as_of.isoformat()}",
            program=("Materialize features", WorkflowType.FEATURES, __name__),
            datasets=[made.dataset] if made.dataset else [],
            dry_run=args.dry_run,
        ) as doing:
            shutil.copyfile(draft, doing.file(args.file.name, AssetType.FEATURE_TABLE))
            doing.keep(made.definitions, DEFINITIONS_FILE)
        if not args.dry_run:
            draft.replace(args.file)
    finally:
        draft.unlink(missing_ok=True)
    return {
        "execution": "none: dry run" if args.dry_run else doing.rid,
        "store": "not written: dry run" if args.dry_run else str(args.file),
        "asset": doing.rids.get(args.file.name, "none: dry run"),
        "snapshot": made.snapshot,
        "as_of": made.as_of.isoformat(),
        "rows_read": made.rows,
        "entities": dict(made.entities),
        "offline_is_online": f"{compared} values compared, no difference",
    }
