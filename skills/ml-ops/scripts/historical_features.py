"""Training data whose features are those of the time of each event: nothing that came later leaks into the past.

Two places are yours: `events` gives the events, one row for what is to be learned from, with the key of an entity, a
time and the label; FEATURES names what the model gets, as defined in src/configs/features.toml. As it stands, the
events are the rows of --events.

The table is an output of an execution, with its origin in it: snapshot of the catalog, definitions, what was left out.
The same snapshot gives the same table again (--as-of).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.access import connect
from deriva_ml_kit.ops.features import FeatureStore
from deriva_ml_kit.ops.features.keeping import keep, refuse_silent_changes
from deriva_ml_kit.ops.operation import operation

# isort: split
# >>> edit: events
import pandas as pd

from deriva_ml_kit.ops.features.events import read_events

FEATURES = ["user:age", "user:30d_spend", "user:country"]


def events(ml: DerivaML, source: str, feature_refs: list[str]) -> pd.DataFrame:
    """The events: columns entity_id and event_timestamp (UTC), and whatever else a training needs."""
    frame, _ = read_events(source, ml, feature_refs=feature_refs, keys={}, time="event_timestamp")
    return frame


# <<< edit: events


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Join, and keep the table."""
    ml = connect(args.hostname, args.catalog_id)
    feature_refs = args.features or FEATURES
    events_df = events(ml, args.events, feature_refs)
    feature_store = FeatureStore(ml, args.definitions)

    # WRONG for a training: what is newest now, whenever the event was. Later values leak into the past.
    #     features = online_store.get_features(entity_id=user_id)
    # CORRECT: what had happened, and was known, at the time of each event.
    features = feature_store.get_historical_features(entity_df=events_df, feature_refs=feature_refs, as_of=args.as_of)

    refuse_silent_changes(ml, features.definitions)
    workflow = ml.create_workflow(
        name="Historical features", workflow_type=args.workflow_type, description="Features at the times of events"
    )
    what = f"Features {', '.join(feature_refs)} of {len(events_df)} events"
    datasets = [features.origin.dataset] if features.origin.dataset else []
    with operation(ml, what, workflow=workflow, datasets=datasets, dry_run=args.dry_run) as doing:
        keep(doing, features)
    return {
        "execution": "none: dry run" if args.dry_run else doing.rid,
        "files": doing.rids,
        "events": len(events_df),
        "snapshot": features.origin.snapshot,
        "as_of": features.origin.as_of,
        "warnings": features.origin.warnings,
    }


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/historical_features.py --hostname data.example.org --catalog-id 1 \\
      --workflow-type Feature_Creation --events visits.csv --dry-run
  ... --as-of 1-2A3B@1.0.0      the catalog as it was in a version of a dataset
  ... --features user:age       others than those that stand in the script; repeatable

exit codes: 0 done, warnings are listed; 1 it failed; 2 an argument is wrong, or values are tied""",
)
ARGUMENTS.add_argument("--events", required=True, metavar="SOURCE", help=".csv, .parquet, or RID@VERSION of a dataset")
ARGUMENTS.add_argument(
    "--definitions", type=Path, default=Path("src/configs/features.toml"), metavar="FILE", help="what features are"
)
ARGUMENTS.add_argument("--features", action="append", metavar="NAME", help="<entity>:<feature>; repeatable")
ARGUMENTS.add_argument("--as-of", metavar="TIME|RID@VERSION", help="state of the catalog; now where not given")

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
