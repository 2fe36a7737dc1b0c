"""What a bag of a dataset version is made of: which rows of which tables, and which files; and how much that is.

The ways through the schema are those of `catalog.paths`. What is counted here is what `made` will fetch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deriva_ml.dataset.aux_classes import DatasetSpec

from deriva_ml_kit.mainline.bag.loading import ASSET_COLUMNS

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

SAMPLE_ROWS = 100


@dataclass(frozen=True)
class TableFile:
    """One CSV file of a bag.

    Attributes:
        place: Where it lies below `data/`, without its ending: the tables that were passed.
        path: The request path of its rows, without the kind of request.
        assets: Whether the rows are assets, whose files come along.
    """

    place: str
    path: str
    assets: bool

    @property
    def table(self) -> str:
        """Name of the table."""
        return self.place.rpartition("/")[2]


@dataclass
class TableSize:
    """How much of a table goes into a bag.

    Attributes:
        rows: Number of rows; a row that several ways lead to counts once.
        is_asset: Whether they are assets.
        files: Number of their files.
        file_bytes: Size of these files.
        csv_bytes: Size of the rows as CSV, reckoned from the first ones.
    """

    rows: int
    is_asset: bool
    files: int = 0
    file_bytes: int = 0
    csv_bytes: int = 0


def table_files(as_it_was: DerivaML, spec: DatasetSpec) -> list[TableFile]:
    """The CSV files of a bag: all vocabularies, and what ways lead to from the dataset.

    Args:
        as_it_was: The catalog in the snapshot of the version.
        spec: The dataset; a way that passes one of its `exclude_tables` is left out.
    """
    excluded: Collection[str] = getattr(spec, "exclude_tables", None) or ()

    def one(path: str, place: str, table: Any) -> list[TableFile]:
        assets = {column.name for column in table.columns} >= ASSET_COLUMNS
        return [TableFile(place, path.replace("{RID}", spec.rid), assets)]

    files = as_it_was._export_vocabulary(one)
    for way in as_it_was._table_paths(dataset=spec, snapshot_catalog=as_it_was):
        files += one(*way)
    # Two ways may have the same tables; then they are the same way.
    every = {file.place: file for file in files if not set(file.place.split("/")) & set(excluded)}
    return list(every.values())


def table_sizes(as_it_was: DerivaML, files: Iterable[TableFile], *, csv: bool = False) -> dict[str, TableSize]:
    """Ask how much goes into a bag, several questions at a time.

    Args:
        as_it_was: The catalog in the snapshot of the version.
        files: See `table_files`.
        csv: Reckon the size of the rows too, which takes a further request for each table.
    """
    by_table: dict[str, list[TableFile]] = defaultdict(list)
    for file in files:
        by_table[file.table].append(file)
    with ThreadPoolExecutor(as_it_was.limits.workers, thread_name_prefix="count") as pool:
        sizes = pool.map(lambda name: _size(as_it_was.catalog, by_table[name], csv), sorted(by_table))
        return dict(zip(sorted(by_table), sizes, strict=True))


def _size(catalog: Any, files: list[TableFile], csv: bool) -> TableSize:
    first = files[0]
    if first.assets:
        size = _assets(catalog, files)
    elif len(files) == 1:
        size = TableSize(catalog.get(f"/aggregate/{first.path}/n:=cnt_d(RID)").json()[0]["n"], False)
    else:
        answers = (catalog.get(f"/attribute/{file.path}/RID").json() for file in files)
        size = TableSize(len({row["RID"] for rows in answers for row in rows}), False)
    if csv and size.rows:
        size.csv_bytes = _csv_bytes(catalog, files, size.rows)
    return size


def _assets(catalog: Any, files: list[TableFile]) -> TableSize:
    lengths: dict[str, int | None] = {}
    for file in files:
        for row in catalog.get(f"/attribute/{file.path}/RID,URL,Length").json():
            lengths[row["RID"]] = (row["Length"] or 0) if row["URL"] else None
    stored = [length for length in lengths.values() if length is not None]
    return TableSize(len(lengths), True, len(stored), sum(stored))


def _csv_bytes(catalog: Any, files: list[TableFile], rows: int) -> int:
    for file in files:
        path = f"/entity/{file.path}?limit={SAMPLE_ROWS}"
        sample = catalog.get(path, headers={"Accept": "text/csv"}).content
        header, _, body = sample.partition(b"\n")
        # A text with line ends counts several times; it is an estimate.
        if lines := body.count(b"\n"):
            return int(len(header) + 1 + len(body) / min(lines, SAMPLE_ROWS) * rows)
    return 0
