"""`deriva-ml-ops historical-features`: features as they were, and were known, at the times of events."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

DEFINITIONS = Path("src/configs/features.toml")
DESCRIPTION = """\
Give each event the values of features as of its time, and keep the table as an output of an execution, with its origin
in it: snapshot of the catalog, definitions, what was left out and why.

A value counts if it held and was known by the time of the event. When it was known is told by the catalog, so values
that were written or corrected later do not leak into the past. Every event comes back, in its order; values that are
tied are refused until a definition says what decides.

Events are a CSV or Parquet file, or RID@VERSION of a dataset: a column of times (event_timestamp) and one of keys
(entity_id, or <entity>_id). Features are <entity>:<feature> as defined in src/configs/features.toml, or, where there is
no such file, <Table>:<feature or column>.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops historical-features --events visits.csv --features user:age,user:30d_spend --dry-run
  uv run deriva-ml-ops historical-features --events visits.csv --features user:age --as-of 2-B4C8@1.2.0
  uv run deriva-ml-ops historical-features --events visits.csv --features user:age,product:avg_rating_7d \\
      --key user=Subject --key product=Item --time Visited_At --out features.parquet
  ... --late include      also values that were known only later: a leak, and the result says so

a definition, in src/configs/features.toml:
  [features."user:age"]
  table = "Visit"
  column = "Age"
  event_time = "Visited_At"

exit codes: 0 done (warnings are listed), 1 failed, 2 wrong usage, or something is not decided (ties, times, versions)
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "historical-features",
        main,
        help_="features as they were at the times of events",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--events", required=True, metavar="SOURCE", help="CSV, Parquet, or RID@VERSION of a dataset")
    features(made)
    made.add_argument("--late", choices=("exclude", "include"), default="exclude", help="values known later (exclude)")
    made.add_argument("--time", default="event_timestamp", metavar="COLUMN", help="times of events (event_timestamp)")
    made.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="ENTITY=COLUMN",
        help="keys of an entity; otherwise <entity>_id, <entity>, or entity_id; repeatable",
    )
    made.add_argument("--drop-null-time", action="store_true", help="go on without values and events that lack a time")
    made.add_argument("--out", type=Path, metavar="FILE", help="write the table here as well: .parquet or .csv")


def features(made: argparse.ArgumentParser) -> None:
    """Add the options that say which features, and as of when."""
    made.add_argument(
        "--features",
        required=True,
        type=_names,
        metavar="NAME[@VERSION],…",
        help="<entity>:<feature>, separated by commas; @VERSION insists on a version of the definition",
    )
    made.add_argument("--definitions", type=Path, metavar="FILE", help=f"TOML or JSON; {DEFINITIONS} if it is there")
    made.add_argument(
        "--as-of", metavar="TIME|RID@VERSION", help="state of the catalog: a time with its offset, or a dataset; now"
    )


def defined(args: argparse.Namespace) -> Path | None:
    """The file of definitions that is meant."""
    given: Path | None = args.definitions
    own = place.root() / DEFINITIONS
    return given or (own if own.is_file() else None)


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Join, and keep the table.

    Raises:
        UsageError: Events or features cannot be read.
        Faults: What is wrong with them.
    """
    keys = dict(_pair(text) for text in args.key)
    if args.out and args.out.suffix.lower() not in (".parquet", ".csv"):
        raise UsageError(f"{args.out} is neither .parquet nor .csv.")
    where = place.required(args, place.root())
    from deriva_ml_kit.ops.access import connect  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.features import get_historical_features  # noqa: PLC0415
    from deriva_ml_kit.ops.features.events import read_events  # noqa: PLC0415
    from deriva_ml_kit.ops.features.keeping import TABLE_FILE, keep, refuse_silent_changes  # noqa: PLC0415
    from deriva_ml_kit.ops.kinds import WorkflowType  # noqa: PLC0415
    from deriva_ml_kit.ops.operation import operation  # noqa: PLC0415

    ml = connect(where.hostname, where.catalog_id)
    events, origin = read_events(args.events, ml, feature_refs=args.features, keys=keys, time=args.time)
    found = get_historical_features(
        ml,
        events,
        args.features,
        definitions=defined(args),
        as_of=args.as_of,
        late=args.late,
        keys=keys,
        time=args.time,
        drop_null_time=args.drop_null_time,
    )
    refuse_silent_changes(ml, found.definitions)
    datasets = [pin for pin in (found.origin.dataset, origin.name if origin.kind == "dataset" else None) if pin]
    with operation(
        ml,
        f"Features {', '.join(args.features)} of {len(events)} events of {origin.name}",
        program=("Historical features", WorkflowType.FEATURES, __name__),
        datasets=dict.fromkeys(datasets),
        assets=[origin.rid] if origin.kind == "asset" and origin.rid else [],
        dry_run=args.dry_run,
    ) as doing:
        keep(doing, found)
    if args.out and not args.dry_run:
        found.write(args.out)
    matched = {name: count for source in found.origin.sources for name, count in source.matched.items()}
    return {
        "execution": "none: dry run" if args.dry_run else doing.rid,
        "table": doing.rids.get(TABLE_FILE, "not written: dry run"),
        "snapshot": found.origin.snapshot,
        "as_of": found.origin.as_of,
        "late": found.origin.late,
        "events": found.origin.events,
        "with_a_value": matched,
        "too_old": {name: n for source in found.origin.sources for name, n in source.voided.items() if n},
        "definitions": found.origin.definitions,
        "warnings": found.origin.warnings,
    }


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pair(text: str) -> tuple[str, str]:
    entity, equals, column = text.partition("=")
    if not (entity and equals and column):
        raise UsageError(f"--key {text} is not written ENTITY=COLUMN, such as user=Subject.")
    return entity, column
