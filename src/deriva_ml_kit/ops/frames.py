"""A batch of records, wherever it comes from: a dataset version, a file, a bag; with its origin.

    batch = read_frame("2-B4C8@1.2.0", ml)            a dataset: rows of its element table
    batch = read_frame("2-B4C8@1.2.0", ml, table=["Image", "Subject"])   tables side by side, a row for each image
    batch = read_frame("visits.parquet")              CSV, Parquet, JSON lines
    batch = read_frame("predictions.jsonl")           a prediction log: features in `frame`, the rest in `log`
    batch = read_frame("2-C0FE", ml)                  such a file that is an asset
    batch = read_frame("Dataset_2-B4C8")              a bag on this disk

Values are never guessed: a column of a CSV file is of numbers if all that is in it are, and only an empty field is
missing in a column of text.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tempfile
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.ops.predictions import Prediction

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DatasetBag, DerivaML

_RID = re.compile(r"([0-9A-Z]{1,4}(?:-[0-9A-Z]{4})*)(?:@(.+))?")
MISSING = frozenset({"NA", "N/A", "NaN", "nan", "null", "NULL", "None"})  # in a column whose other values are numbers
SUFFIXES = (".csv", ".parquet", ".jsonl")


class Origin(BaseModel):
    """Where records come from.

    Attributes:
        kind: What they were read from.
        name: `RID@VERSION`, or the file's or folder's name.
        rid: RID of the dataset or asset.
        version: Of the dataset.
        snapshot: Of the catalog, in that version; a bag does not tell it.
        tables: Whose columns they have.
        sha256: Of the file, hexadecimal.
        rows: Their number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["dataset", "asset", "file", "bag"]
    name: str
    rid: str | None = None
    version: str | None = None
    snapshot: str | None = None
    tables: tuple[str, ...] = ()
    sha256: str | None = None
    rows: int


class NoMembers(UsageError):
    """A dataset has no rows; what that means is for those to say who asked for them.

    Attributes:
        origin: The dataset.
    """

    def __init__(self, origin: Origin) -> None:
        super().__init__(f"{origin.rid}@{origin.version} has no members.")
        self.origin = origin


@dataclass(frozen=True)
class Batch:
    """Records and their origin.

    Attributes:
        frame: One row each; of a prediction log the features.
        origin: Where they come from.
        log: Of a prediction log what is not a feature (request_id, time, unit, arm, model_rid, prediction, latency_ms,
            status, error, and `scores.<class>`), row by row as in `frame`.
    """

    frame: pd.DataFrame
    origin: Origin
    log: pd.DataFrame | None = None


def read_frame(
    source: str | Path,
    ml: DerivaML | None = None,
    *,
    table: str | Sequence[str] | None = None,
    text: Collection[str] = (),
) -> Batch:
    """Read records.

    Args:
        source: `RID@VERSION` of a dataset, RID of an asset, a file, or the folder of a bag.
        ml: The catalog, for RIDs.
        table: Element table of a dataset or bag, or several tables to be put side by side; may be left out where there
            is one.
        text: Columns of a CSV file that stay text, although they look like numbers (`007`).

    Raises:
        UsageError: It does not exist, is not of these kinds, or a table has to be named.
        NoMembers: The dataset is empty.
        Faults: Lines of a prediction log are wrong.
    """
    path = Path(source)
    if path.is_dir():
        return _read_bag(path, table)
    if path.is_file():
        return _read_file(path, text)
    found = _RID.fullmatch(str(source))
    if not found or ml is None:
        raise UsageError(
            f"There is no file or folder {source}, and it is no {'RID' if ml else 'RID in a catalog that is known'}.",
            remedy="Name a dataset as RID@VERSION, a .csv, .parquet or .jsonl file, or the folder of a bag.",
        )
    rid, version = found[1], found[2]
    if version is None and not _is_dataset(ml, rid):
        return _read_asset(ml, rid, text)
    return _read_dataset(ml, rid, version, table)


def _is_dataset(ml: DerivaML, rid: str) -> bool:
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415  (takes seconds)

    table = tables_of(ml, [rid]).get(rid)
    return table is not None and table.name == "Dataset"


def _read_dataset(ml: DerivaML, rid: str, version: str | None, table: str | Sequence[str] | None) -> Batch:
    from deriva_ml_kit.datasets.versions import released_version  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415

    version, snapshot = released_version(ml, rid, version)
    bag = ml.download_dataset_bag(DatasetSpec(rid=rid, version=version, materialize=False))
    pin = f"{rid}@{version}"
    return _rows(bag, table, Origin(kind="dataset", name=pin, rid=rid, version=version, snapshot=snapshot, rows=0))


def _read_bag(folder: Path, table: str | Sequence[str] | None) -> Batch:
    from deriva_ml_kit.mainline.bag.folder import bag_in  # noqa: PLC0415  (takes seconds)

    with bag_in(folder) as bag:
        origin = Origin(kind="bag", name=folder.name, rid=bag.dataset_rid, version=str(bag.version), rows=0)
        return _rows(bag, table, origin)


def _rows(bag: DatasetBag, table: str | Sequence[str] | None, origin: Origin) -> Batch:
    """Rows of tables side by side; of a single table, its columns have their own names."""
    if table is None:
        members = bag.list_dataset_members(recurse=True)
        filled = sorted(name for name, rows in members.items() if rows and name != "Dataset")
        if not filled:
            raise NoMembers(origin)
        if len(filled) != 1:
            raise UsageError(
                f"{origin.name} has members of {len(filled)} tables: {', '.join(filled)}.",
                remedy="Name the table whose rows are meant.",
            )
        table = filled
    tables = (table,) if isinstance(table, str) else tuple(table)
    # Members of other tables have nothing to do with these, and that is meant.
    frame = bag.get_denormalized_as_dataframe(list(tables), ignore_unrelated_anchors=True)
    if len(tables) == 1:
        frame.columns = frame.columns.str.removeprefix(f"{tables[0]}.")
    return Batch(frame, origin.model_copy(update={"tables": tables, "rows": len(frame)}))


def _read_asset(ml: DerivaML, rid: str, text: Collection[str]) -> Batch:
    asset = ml.lookup_asset(rid)
    with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
        batch = _read_file(Path(asset.download(folder)), text)
    return replace(batch, origin=batch.origin.model_copy(update={"kind": "asset", "rid": rid}))


def _read_file(path: Path, text: Collection[str]) -> Batch:
    suffix = path.suffix.lower()
    log = None
    if suffix == ".csv":
        frame = _read_csv(path, text)
    elif suffix == ".parquet":
        frame = _read_parquet(path)
    elif suffix == ".jsonl":
        frame, log = _read_lines(path)
    else:
        raise UsageError(f"{path} is of a kind that cannot be read.", remedy=f"Give one of {', '.join(SUFFIXES)}.")
    return Batch(frame, Origin(kind="file", name=path.name, sha256=sha256(path), rows=len(frame)), log)


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_csv(path: Path, text: Collection[str]) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines), [])
        if not header:
            raise UsageError(f"{path} is empty; its first line must name the columns.")
        if twice := sorted({name for name in header if header.count(name) > 1}):
            raise UsageError(f"{path} has columns of the same name: {', '.join(twice)}.")
        kinds: dict[Hashable, str] = {name: "str" for name in text if name in header}
        frame = pd.read_csv(
            path, encoding="utf-8-sig", keep_default_na=False, na_values=[""], dtype=kinds, low_memory=False
        )
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error}", remedy="Save it as CSV UTF-8.") from error
    except (pd.errors.ParserError, csv.Error) as error:
        raise UsageError(f"{path} is no CSV: {str(error).strip()}") from error
    for name in frame.columns.difference(list(text)):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            numbers = pd.to_numeric(frame[name].where(~frame[name].isin(MISSING)), errors="coerce")
            words = frame[name].notna() & ~frame[name].isin(MISSING)
            if words.any() and numbers[words].notna().all() and not pd.api.types.is_bool_dtype(frame[name]):
                frame[name] = numbers
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        import duckdb  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UsageError("Parquet files need DuckDB.", remedy="uv add 'deriva-ml-kit[ops]'") from error
    with duckdb.connect() as connection:
        try:
            return connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).df()
        except duckdb.Error as error:
            raise UsageError(f"{path} is no Parquet: {error}") from error


def _read_lines(path: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """JSON lines: predictions, or plain records."""
    found, faults = [], []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    found.append((number, json.loads(line)))
                except ValueError as error:
                    faults.append(Fault(f"is not JSON: {error}", file=str(path), line=number))
    for number, each in found:
        if not isinstance(each, dict):
            faults.append(Fault("is no object", file=str(path), line=number, value=str(each)[:80]))
    if faults:
        raise Faults(faults, message=f"{path} is no file of JSON lines; nothing was written.")
    if not found or not {"request_id", "features"} <= found[0][1].keys():
        return pd.DataFrame([each for _, each in found]), None
    predictions = []
    for number, each in found:
        try:
            predictions.append(Prediction.model_validate(each))
        except ValidationError as error:
            faults += [
                Fault(
                    one["msg"],
                    file=str(path),
                    line=number,
                    column=".".join(map(str, one["loc"])),
                    value=str(one["input"])[:80],
                )
                for one in error.errors()
            ]
    if faults:
        raise Faults(faults, message=f"{path} is no prediction log; nothing was written.")
    log = [
        each.model_dump(exclude={"features", "scores"})
        | {f"scores.{name}": share for name, share in (each.scores or {}).items()}
        for each in predictions
    ]
    return pd.DataFrame([each.features for each in predictions]), pd.DataFrame(log)
