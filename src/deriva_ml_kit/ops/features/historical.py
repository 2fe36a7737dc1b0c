"""Values of features as of the times of events: what a model in service could have seen then.

    store = FeatureStore(ml, "src/configs/features.toml")
    features = store.get_historical_features(
        entity_df=events_df,                                # entity_id and event_timestamp
        feature_refs=["user:age", "user:30d_spend", "user:country"],
    )
    features.frame                                          # the events, and a column for each feature

A value counts for an event if it held and was known by then. When it was known is told by the catalog, which records
for each row when it got it. Everything is read from one snapshot, so the same question gives the same answer forever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.asof import AsOfJoin, as_of_join, inputs
from deriva_ml_kit.ops.features.definitions import FeatureDefinitions, read_definitions
from deriva_ml_kit.ops.features.moments import Moment, moment
from deriva_ml_kit.ops.features.reading import ReadValues, read_values
from deriva_ml_kit.ops.features.sources import Source, from_catalog, sources

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

Late = Literal["exclude", "include"]
Given = FeatureDefinitions | Path | str | None
TIME, KEY = "event_timestamp", "entity_id"
ORIGIN = "origin"
SHOWN_RIDS = 100


class SourceReport(BaseModel):
    """What was read of one table, and what became of it.

    Attributes:
        table: Its name.
        features: Those that stand in it.
        rows: Rows that were read.
        late: Of those, rows that were known only after they held.
        edited: Rows that were changed after they were made; they count as known since then.
        edited_rids: RIDs of the first hundred of them.
        kept_out: Feature to the number of events whose answer would have been another by event time alone.
        voided: Feature to the number of events whose value was too old.
        matched: Feature to the number of events that got a value.
        null_times: Rows without a time, which were left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    features: tuple[str, ...]
    rows: int
    late: int
    edited: int
    edited_rids: tuple[str, ...]
    kept_out: dict[str, int]
    voided: dict[str, int]
    matched: dict[str, int]
    null_times: int


class FeatureOrigin(BaseModel):
    """Where a table of features comes from.

    Attributes:
        snapshot: Catalog and snapshot, such as `1@2TA-…`.
        as_of: When that was, ISO 8601.
        dataset: `RID@VERSION` that named it.
        late: Whether values count that were known only after the event: `include` leaks, and must be wanted.
        definitions: Digest of the definitions.
        features: Name to version.
        events: Number of events.
        null_keys: Events without a key.
        null_times: Events without a time.
        after_snapshot: Events later than the snapshot: a later one may answer them otherwise.
        sources: By table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    snapshot: str
    as_of: str
    dataset: str | None
    late: Late
    definitions: str
    features: dict[str, int]
    events: int
    null_keys: int
    null_times: int
    after_snapshot: int
    sources: tuple[SourceReport, ...]

    @property
    def warnings(self) -> list[str]:
        """What somebody who uses the table should know."""
        said = []
        for source in self.sources:
            if source.edited:
                shown = ", ".join(source.edited_rids[:5]) + (", …" if source.edited > 5 else "")
                said.append(
                    f"{source.edited} rows of {source.table} were edited after they were made ({shown}): "
                    "what they said before is lost, and they count from the edit on. Add rows instead."
                )
            leaks = max(source.kept_out.values(), default=0)
            if leaks:
                what = "kept out of" if self.late == "exclude" else "USED FOR"
                said.append(f"Values of {source.table} that were known only later were {what} {leaks} events.")
        if self.after_snapshot:
            said.append(f"{self.after_snapshot} events are later than the snapshot, which cannot know what came then.")
        return said


@dataclass(frozen=True)
class HistoricalFeatures:
    """Events with the features as of their times.

    Attributes:
        frame: The events, same rows in the same order, and a column `<entity>:<feature>` for each feature.
        definitions: Of these features.
        origin: Where the values come from, and what was found on the way.
    """

    frame: pd.DataFrame
    definitions: FeatureDefinitions
    origin: FeatureOrigin

    def write(self, path: Path) -> None:
        """Write the table as Parquet, which has its origin in it, or as CSV.

        Raises:
            UsageError: The file is to be of another kind.
        """
        if path.suffix.lower() == ".csv":
            self.frame.to_csv(path, index=False)
        elif path.suffix.lower() == ".parquet":
            write_parquet(self.frame, path, self.origin.model_dump_json())
        else:
            raise UsageError(f"{path} is neither .parquet nor .csv.")


class FeatureStore:
    """A catalog with the definitions of a project.

    Args:
        ml: The catalog.
        definitions: Them, or their file; without, features are called `<Table>:<feature or column>`.
    """

    def __init__(self, ml: DerivaML, definitions: Given = None) -> None:
        self.ml = ml
        self.definitions = definitions_of(definitions)

    def get_historical_features(
        self, entity_df: pd.DataFrame, feature_refs: Sequence[str], **options: Any
    ) -> HistoricalFeatures:
        """See the function of this name."""
        return get_historical_features(self.ml, entity_df, feature_refs, definitions=self.definitions, **options)


def get_historical_features(
    ml: DerivaML,
    entity_df: pd.DataFrame,
    feature_refs: Sequence[str],
    *,
    definitions: Given = None,
    as_of: datetime | str | None = None,
    late: Late = "exclude",
    keys: Mapping[str, str] | None = None,
    time: str = TIME,
    drop_null_time: bool = False,
) -> HistoricalFeatures:
    """Give each event the values of features as they were, and were known, at its time.

    Args:
        ml: The catalog.
        entity_df: The events: a column of times in UTC, and one with the key of each entity.
        feature_refs: `<entity>:<feature>`, or with `@<version>`.
        definitions: See `FeatureStore`.
        as_of: State of the catalog: a time, or `RID@VERSION` of a dataset; now where not given. Named in the result, so
            that the same can be asked again.
        late: `include` also uses values that were known only after the event.
        keys: Entity to the column of its keys; otherwise `<entity>_id`, `<entity>`, or `entity_id` if there is one.
        time: Column of times.
        drop_null_time: Leave out values without a time, and give events without one no values; both are faults.

    Raises:
        Faults: What is wrong with features, definitions or events; or the keys of values that are tied.
        UsageError: There is no such state of the catalog, or no column with the keys.
    """
    at = moment(ml, as_of)
    chosen = (definitions_of(definitions) or from_catalog(at.ml, feature_refs)).chosen(feature_refs)
    found = sources(at.ml, chosen)
    columns = {source.entity: _key(entity_df, source.entity, found, keys or {}) for source in found}
    until = _latest(entity_df, time, at)
    frame, reports, null_keys = entity_df, [], 0
    for source in found:
        column = columns[source.entity]
        values = read_values(at, source, entity_df[column].dropna().unique().tolist(), until)
        joined, report = join_source(
            source, values, entity_df, key=column, time=time, late=late, drop_null_time=drop_null_time
        )
        frame = frame.assign(**joined.frame[list(joined.rows)])
        null_keys = max(null_keys, joined.null_keys)
        reports.append(report)
    names = [feature.name for feature in chosen.features]
    times = entity_df[time]
    origin = FeatureOrigin(
        snapshot=at.snapshot,
        as_of=at.time.isoformat(),
        dataset=at.pin,
        late=late,
        definitions=chosen.digest(),
        features={feature.name: feature.version for feature in chosen.features},
        events=len(entity_df),
        null_keys=null_keys,
        null_times=int(times.isna().sum()),
        after_snapshot=int((times > at.complete).sum()),
        sources=tuple(reports),
    )
    return HistoricalFeatures(frame[[*entity_df.columns, *names]], chosen, origin)


def join_source(
    source: Source,
    values: ReadValues,
    events: pd.DataFrame,
    *,
    key: str,
    time: str,
    late: Late = "exclude",
    drop_null_time: bool = False,
) -> tuple[AsOfJoin, SourceReport]:
    """Join one source; and once more by event time alone, to say what that would have given."""
    held, named = values.frame, values.columns
    if drop_null_time:
        held = held.dropna(subset=[named.event_time, named.known_time])
    tie_break = named.tie_break if source.tie_break else None
    options: dict[str, Any] = {
        "entity": source.entity,
        "features": list(source.features),
        "key": key,
        "time": time,
        "value_key": named.key,
        "event_time": named.event_time,
        "max_age": {short: each.max_age for short, (each, _) in source.features.items() if each.max_age is not None},
        "skip_null": [short for short, (each, _) in source.features.items() if each.skip_null],
        "drop_null_time": drop_null_time,
    }
    join = as_of_join(events, held, known_time=named.known_time, tie_break=tie_break, **options)
    kept_out = dict.fromkeys(join.rows, 0)
    if join.late:
        # Of values that held at the same time, the one that was known last is the correction of the others.
        decides = [named.known_time, tie_break] if tie_break else [named.known_time]
        ordered = held.assign(**{named.tie_break: held.groupby(decides, sort=True).ngroup()})
        naive = as_of_join(events, ordered, tie_break=named.tie_break, **options)
        kept_out = {name: int((naive.rows[name] != rows).sum()) for name, rows in join.rows.items()}
        join = replace(naive, late=join.late) if late == "include" else join
    return join, SourceReport(
        table=source.table.name,
        features=tuple(join.rows),
        rows=len(values.frame),
        late=join.late,
        edited=len(values.edited),
        edited_rids=values.edited[:SHOWN_RIDS],
        kept_out=kept_out,
        voided=dict(join.voided),
        matched=join.matched,
        null_times=len(values.frame) - len(held),
    )


def definitions_of(given: Given) -> FeatureDefinitions | None:
    """Definitions, or those of a file."""
    return read_definitions(given) if isinstance(given, str | Path) else given


def _key(events: pd.DataFrame, entity: str, found: Sequence[Source], named: Mapping[str, str]) -> str:
    """The column of the events with the keys of an entity."""
    alone = len({source.entity for source in found}) == 1
    candidates = [named[entity]] if entity in named else [f"{entity}_id", entity, *([KEY] if alone else [])]
    for candidate in candidates:
        if candidate in events.columns:
            return candidate
    raise UsageError(
        f"No column of the events has the keys of {entity}: they have {', '.join(map(str, events.columns))}.",
        remedy=f"Call it {' or '.join(candidates)}, or name it: keys={{{entity!r}: …}}.",
    )


def _latest(events: pd.DataFrame, time: str, at: Moment) -> datetime:
    """The time of the last event, after it was found that the events have times."""
    inputs.refuse(inputs.present(events, inputs.EVENTS, [time]))
    inputs.refuse(inputs.utc(inputs.Column(inputs.EVENTS, time, events[time])))
    last = events[time].max()
    return at.time if pd.isna(last) else last.to_pydatetime()


def write_parquet(frame: pd.DataFrame, path: Path, origin: str) -> None:
    """Write a frame as Parquet with a text under `origin` in its metadata."""
    import duckdb  # noqa: PLC0415  (comes with the extra `ops`)

    file, origin = (text.replace("'", "''") for text in (str(path), origin))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", frame)
        connection.execute(f"COPY given TO '{file}' (FORMAT parquet, KV_METADATA {{{ORIGIN}: '{origin}'}})")
