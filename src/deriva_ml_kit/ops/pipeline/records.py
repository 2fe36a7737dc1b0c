"""What a stage has left, as an output of its pipeline's execution, and found again by the stage's key.

The key stands in the file's name, so that one request finds the record of what was run before, from any clone and after
any end of an earlier run. A record only counts as long as everything that it names is still there.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Collection, Iterable, Iterator
from typing import Any, ClassVar

import requests
from deriva.core import urlquote
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.mainline.catalog.transport import object_store
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.ops.documents import Document, parse
from deriva_ml_kit.ops.kinds import MODELS, AssetType
from deriva_ml_kit.ops.pipeline.definition import EXECUTION
from deriva_ml_kit.ops.pipeline.inputs import StageInputs, digest

KEY_LENGTH = 20
GONE = (404, 409, 410)  # Hatrac says 409 of an object that has no version left
METADATA = "Execution_Metadata"


class Output(BaseModel):
    """A file that a stage left.

    Attributes:
        rid: RID of its asset.
        table: Asset table.
        filename: Its name.
        types: Its asset types.
        md5: Its checksum, hexadecimal.
        url: Where its object is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rid: str
    table: str
    filename: str
    types: tuple[str, ...]
    md5: str
    url: str


class StageRecord(Document):
    """A stage that was run.

    Attributes:
        pipeline: Name of the pipeline.
        stage: Name of the stage.
        key: Key of its inputs.
        inputs: What it was given.
        commit: What was checked out.
        executions: RIDs of the executions that it made, in their order.
        outputs: Files that they left.
        datasets: `RID@VERSION` of what they released.
        seconds: How long it took.
    """

    KIND: ClassVar[AssetType] = AssetType.PIPELINE_STAGE

    pipeline: str
    stage: str
    key: str
    inputs: StageInputs
    commit: str
    executions: tuple[str, ...]
    outputs: tuple[Output, ...]
    datasets: tuple[str, ...]
    seconds: float

    def left(self, kinds: Collection[str] = ()) -> str:
        """Digest of what a later stage reads of it.

        Args:
            kinds: The types of the files that it reads; everything where not given. A training that gives the same
                model again, byte by byte, has left the same asset, which need not be judged twice.
        """
        if kinds and EXECUTION not in kinds:
            named = [each for each in self.outputs if set(kinds) & set(each.types)]
            return digest(sorted((each.rid, each.md5) for each in named))
        return digest([self.executions, sorted(self.datasets), sorted((each.rid, each.md5) for each in self.outputs)])

    @property
    def file(self) -> str:
        """Name of the file."""
        return file_name(self.pipeline, self.stage, self.key)


def file_name(pipeline: str, stage: str, key: str) -> str:
    """Name of the record of a stage with a key."""
    return f"pipeline-{pipeline}-{stage}-{key[:KEY_LENGTH]}.json"


def find(ml: DerivaML, pipeline: str, stage: str, key: str) -> StageRecord | None:
    """The newest record of a stage with this key."""
    found = _newest(ml, f"Filename={urlquote(file_name(pipeline, stage, key), '')}")
    return found if found and (found.pipeline, found.stage, found.key) == (pipeline, stage, key) else None


def last(ml: DerivaML, pipeline: str, stage: str) -> StageRecord | None:
    """The newest record of a stage, whatever its key."""
    pattern = f"^pipeline-{pipeline}-{stage}-[0-9a-f]{{{KEY_LENGTH}}}[.]json$"
    return _newest(ml, f"Filename::regexp::{urlquote(pattern, '')}")


def gone(ml: DerivaML, record: StageRecord) -> str | None:
    """What a record names that is not there any more, or is not what it was; None where all of it is."""
    store = object_store(ml.host_name, ml.credential, ml.limits)
    rows: dict[str, dict[str, Any]] = {}
    for table in {output.table for output in record.outputs}:
        rids = [output.rid for output in record.outputs if output.table == table]
        schema = ml.model.name_to_table(table).schema.name
        rows |= {row["RID"]: row for row in rows_with(ml.catalog, schema, table, "RID", rids)}
    for output in record.outputs:
        if output.rid not in rows:
            return f"{output.filename} ({output.rid}) is gone from the catalog"
        if rows[output.rid]["MD5"] != output.md5:
            return f"{output.filename} ({output.rid}) is another file now"
        try:
            headers = store.head(output.url).headers
        except requests.HTTPError as error:
            if error.response.status_code not in GONE:
                raise
            return f"{output.filename} ({output.rid}) is gone from the object store"
        if (stored := headers.get("Content-MD5")) and base64.b64decode(stored).hex() != output.md5:
            return f"{output.filename} ({output.rid}) is another file in the object store"
    wanted = {each.partition("@")[0] for each in record.datasets}
    versions = rows_with(ml.catalog, ml.ml_schema, "Dataset_Version", "Dataset", wanted)
    there = {f"{row['Dataset']}@{row['Version']}" for row in versions}
    missing = sorted(set(record.datasets) - there)
    return f"dataset {missing[0]} is gone" if missing else None


def outputs_of(ml: DerivaML, executions: Iterable[str]) -> Iterator[Output]:
    """The files that executions left, without what every execution leaves."""
    for rid in executions:
        for asset in ml.list_execution_assets(rid, "Output"):
            if asset.asset_table != METADATA:
                yield Output(
                    rid=asset.asset_rid,
                    table=asset.asset_table,
                    filename=asset.filename,
                    types=tuple(asset.asset_types),
                    md5=asset.md5,
                    url=asset.url,
                )


def datasets_of(ml: DerivaML, executions: Iterable[str]) -> list[str]:
    """The versions of datasets that executions released."""
    rows = rows_with(ml.catalog, ml.ml_schema, "Dataset_Version", "Execution", list(executions))
    return sorted(f"{row['Dataset']}@{row['Version']}" for row in rows)


def topmost(ml: DerivaML, executions: Iterable[str]) -> list[str]:
    """Those executions that are no part of another one, in their order."""
    rids = list(dict.fromkeys(executions))
    rows = rows_with(ml.catalog, ml.ml_schema, nested.TABLE, nested.CHILD, rids)
    parts = {row[nested.CHILD] for row in rows if row[nested.PARENT] in rids}
    return [rid for rid in rids if rid not in parts]


def _newest(ml: DerivaML, where: str) -> StageRecord | None:
    table = ml.model.name_to_table(MODELS)
    path = f"/entity/{table_name(table.schema.name, MODELS)}/{where}@sort(RCT::desc::,RID::desc::)?limit=1"
    for row in ml.catalog.get(path).json():
        asset = Asset(ml, row["RID"], table, row["Filename"], row["URL"], row["Length"], row["MD5"])
        with tempfile.TemporaryDirectory(prefix="deriva-ml-stage-") as folder:
            text = asset.download(folder).read_text(encoding="utf-8")
        return parse(text, StageRecord, f"{asset.asset_rid} ({asset.filename})")
    return None
