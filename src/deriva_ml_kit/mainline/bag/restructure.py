"""Asset files of a bag in folders by dataset type and label."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.bag.targets import Labels
from deriva_ml_kit.mainline.errors import DerivaMLValidationError, listed

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag

FOLDERS = {"Training": "training", "Testing": "testing", "Validation": "validation", "Unknown": "unknown"}
UNTYPED = "Testing"
UNKNOWN = "Unknown"


def restructure(
    bag: DatasetBag,
    output_dir: Path,
    *,
    asset_table: str | None,
    targets: list[str] | dict[str, Callable[..., Any]] | None,
    target_transform: Callable[..., str] | None,
    missing: Literal["error", "skip", "unknown"],
    use_symlinks: bool,
    type_selector: Callable[[list[str]], str] | None,
    type_to_dir_map: dict[str, str] | None,
    enforce_vocabulary: bool,
    file_transformer: Callable[[Path, Path], Path] | None,
) -> dict[Path, Path]:
    """See `DatasetBag.restructure_assets`."""
    table = _asset_table(bag, asset_table)
    rows = {row["RID"]: row for row in bag.get_table_as_dict(table)}
    labels = Labels(bag, table, targets, missing, strict=enforce_vocabulary)
    labels.check(rows)
    folders = _type_folders(bag, table, FOLDERS if type_to_dir_map is None else type_to_dir_map, type_selector)
    placed: dict[Path, Path] = {}
    taken: set[Path] = set()
    for rid, row in rows.items():
        source = Path(row["Filename"] or "")
        if not source.is_file():
            raise DerivaMLValidationError(
                f"The file of {table.name} {rid} is not there: {source}.", remedy="Fetch it: bag.materialize()"
            )
        if missing == "skip" and not labels.complete(row):
            continue
        folder = output_dir.joinpath(*folders.get(rid, ["unknown"]), *_names(labels, row, target_transform))
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / source.name
        if place in taken:  # two assets of one name
            place = folder / f"{rid}_{source.name}"
        taken.add(place)
        place.unlink(missing_ok=True)
        placed[source] = _place(source, place, use_symlinks, file_transformer)
    return placed


def _place(
    source: Path, place: Path, use_symlinks: bool, file_transformer: Callable[[Path, Path], Path] | None
) -> Path:
    if file_transformer is not None:
        return file_transformer(source, place)
    if use_symlinks:
        place.symlink_to(source.resolve())
    else:
        shutil.copy2(source, place)
    return place


def _asset_table(bag: DatasetBag, name: str | None) -> Table:
    model = bag.model
    if name is not None:
        table: Table = model.name_to_table(name)
        if not model.is_asset(table):
            raise DerivaMLValidationError(f"{name} is no asset table.")
        return table
    assets = [table for table in model.tables if table.schema.name in model.domain_schemas and model.is_asset(table)]
    held = [table for table in assets if model.fetch(f"SELECT 1 FROM ({_rids(bag, table)}) LIMIT 1")]
    if len(held) != 1:
        names = ", ".join(table.name for table in held) or "none"
        raise DerivaMLValidationError(
            f"The dataset leads to {len(held)} asset tables ({names}).", remedy="Say which with asset_table=…"
        )
    return held[0]


def _rids(bag: DatasetBag, table: Table) -> str:
    return str(bag.model.rids_of(table, bag._datasets))


def _type_folders(
    bag: DatasetBag, table: Table, names: dict[str, str], choose: Callable[[list[str]], str] | None
) -> dict[str, list[str]]:
    """Asset to the folders of the innermost dataset that it belongs to."""
    found: dict[str, list[str]] = {}

    def visit(dataset: DatasetBag, above: list[str], passed: frozenset[str]) -> None:
        kinds = dataset.dataset_types or [UNTYPED]
        kind = choose(kinds) if choose else next((kind for kind in kinds if kind in names), kinds[0])
        here = [*above, names[kind]] if kind in names else above
        own = bag.model.fetch(str(bag.model.rids_of(table, [dataset.dataset_rid])))
        found.update((rid, here) for (rid,) in own)
        for child in dataset.list_dataset_children():
            if child.dataset_rid not in passed:
                visit(child, here if dataset.dataset_types else above, passed | {child.dataset_rid})

    visit(bag, [], frozenset({bag.dataset_rid}))
    return found


def _names(labels: Labels, row: dict[str, Any], transform: Callable[..., str] | None) -> Iterable[str]:
    """Names of the folders for a record's labels, one for each target; one in all if a function makes it of several."""
    values = labels.of(row)
    if not values:
        return []
    if transform is not None:
        if not labels.complete(row):
            return [UNKNOWN]
        name = transform(next(iter(values.values())) if len(values) == 1 else values)
        if not isinstance(name, str) or not name:
            raise DerivaMLValidationError(f"target_transform gave {name!r} for {row['RID']}, which names no folder.")
        return [name]
    return [UNKNOWN if value is None else _folder(labels, name, value) for name, value in values.items()]


def _folder(labels: Labels, target: str, value: Any) -> str:
    """The name of a folder for a label: that of its only term, or else of its only value."""
    if target not in labels.features:
        return str(value).replace("/", "_")
    feature = labels.features[target]
    columns = feature.term_columns if len(feature.term_columns) == 1 else feature.feature_columns
    if len(columns) != 1:
        names = listed(sorted(column.name for column in columns))
        raise DerivaMLValidationError(
            f"Feature {target} has several values: {names}.",
            remedy=f"Say which: target_transform=lambda {target.lower()}: …",
        )
    [column] = columns
    found = getattr(value, column.name)
    return UNKNOWN if found is None else str(found).replace("/", "_")
