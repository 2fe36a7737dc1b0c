"""Whether the features of training are those of service: the catalog, asked as for a training, against the store.

The two are worked out in different ways: here by the join that trainings use, over whole tables; in the store by
looking at one row after another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from deriva_ml_kit.errors import Fault, KitError, UsageError
from deriva_ml_kit.ops.features.historical import KEY, TIME, join_source
from deriva_ml_kit.ops.features.moments import Moment
from deriva_ml_kit.ops.features.online import OnlineStore
from deriva_ml_kit.ops.features.reading import read_values
from deriva_ml_kit.ops.features.sources import sources

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

SHOWN = 10


class NotTheSame(KitError):
    """Offline and online give different values.

    Attributes:
        differences: Each value that differs.
    """

    def __init__(self, differences: list[Fault], compared: int) -> None:
        lines = [f"  {each}" for each in differences[:SHOWN]]
        more = [f"  … and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else []
        head = f"{len(differences)} of {compared} values in the store are not those of the catalog:"
        super().__init__("\n".join([head, *lines, *more]), remedy="Make the store again: materialize-features.")
        self.differences = differences


def assert_offline_is_online(ml: DerivaML, store: OnlineStore) -> int:
    """Compare every value of a store with what a training would get at that time.

    Args:
        ml: The catalog that it was made of.
        store: The store.

    Returns:
        How many values were compared.

    Raises:
        NotTheSame: Some differ; names entity, feature and both values.
        UsageError: The store is of another catalog.
    """
    if store.snapshot.partition("@")[0] != str(ml.catalog_id).partition("@")[0]:
        raise UsageError(f"{store.file} was made of catalog {store.snapshot}, and this is {ml.catalog_id}.")
    at = Moment(ml.catalog_snapshot(store.snapshot), store.snapshot, store.as_of, store.as_of)
    compared, differences = 0, []
    for source in sources(at.ml, store.definitions):
        values = read_values(at, source, None, at.time)
        keys = values.frame[values.columns.key].dropna()
        ours = [key for key, entity in store.held() if entity == source.entity]
        missing = pd.Series(sorted(set(ours) - set(keys.astype(str))), dtype=object)
        events = pd.DataFrame({KEY: keys.drop_duplicates()})
        events[TIME] = pd.Timestamp(at.time).as_unit("us")
        joined, _ = join_source(source, values, events, key=KEY, time=TIME)
        names = list(joined.rows)
        for key, *offline in [
            *joined.frame[[KEY, *names]].itertuples(index=False),
            *((key, *[None] * len(names)) for key in missing),
        ]:
            online = store.get_features(str(key), names, now=at.time).values
            compared += len(names)
            differences += [
                Fault(f"the store says {online[name]!r}", column=name, value=f"{key}: {value!r}")
                for name, value in zip(names, offline, strict=True)
                if not _same(online[name], value)
            ]
    if differences:
        raise NotTheSame(differences, compared)
    return compared


def _same(online: Any, offline: Any) -> bool:
    nothing = offline is None or (pd.api.types.is_scalar(offline) and pd.isna(offline))
    return online is None if nothing else bool(online == offline)
