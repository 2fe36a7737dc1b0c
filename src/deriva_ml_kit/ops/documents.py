"""Documents that operations keep: each a file of one asset type, checked when it is read.

A document is JSON with `kind` and `schema_version` at its head. Its digest does not depend on how the file is written.

    class GateCriteria(Document):
        KIND = AssetType.GATE_CRITERIA
        metric: str
        minimum: float
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.kinds import AssetType


class Document(BaseModel):
    """What is kept as a file; see the module.

    Attributes:
        KIND: Asset type of the file.
        SCHEMA_VERSION: Raised when a field changes its meaning; older ones stay readable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    KIND: ClassVar[AssetType]
    SCHEMA_VERSION: ClassVar[int] = 1

    def text(self) -> str:
        """The document as it is written."""
        return json.dumps(self._headed(), indent=1, ensure_ascii=False) + "\n"

    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal."""
        canonical = json.dumps(self._headed(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _headed(self) -> dict[str, Any]:
        return {"kind": str(self.KIND), "schema_version": self.SCHEMA_VERSION, **self.model_dump(mode="json")}


D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Stored(Generic[D]):
    """A document in the catalog.

    Attributes:
        document: What it says.
        rid: RID of its asset.
        execution_rid: The execution that made it.
        created: When the catalog got it: its RCT, ISO 8601.
        md5: Checksum of the file, hexadecimal.
    """

    document: D
    rid: str
    execution_rid: str | None
    created: str
    md5: str


def parse(text: str, kind: type[D], place: str) -> D:
    """Read a document.

    Args:
        text: JSON.
        kind: What it must be.
        place: File or RID, for messages.

    Raises:
        Faults: Everything that is wrong with it.
        UsageError: It is no JSON, of another kind, or of a later version.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{place} is not JSON: {error}") from error
    found = content.pop("kind", None) if isinstance(content, dict) else None
    if found != kind.KIND:
        raise UsageError(f"{place} is no {kind.KIND} but {found or 'something without a kind'}.")
    version = content.pop("schema_version", None)
    if not isinstance(version, int) or version > kind.SCHEMA_VERSION:
        raise UsageError(
            f"{place} has schema_version {version!r}; this version of deriva-ml-kit reads up to {kind.SCHEMA_VERSION}.",
            remedy="Update deriva-ml-kit.",
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise Faults(
            [
                Fault(each["msg"], file=place, column=".".join(map(str, each["loc"])), value=str(each["input"])[:80])
                for each in error.errors()
            ],
            message=f"{place} is no valid {kind.KIND}; nothing was written.",
        ) from error


def load(file: Path, kind: type[D]) -> D:
    """Read a document from a file.

    Raises:
        UsageError: It is not there, or not such a document.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    return parse(text, kind, str(file))


def fetch(ml: DerivaML, rid: str, kind: type[D]) -> Stored[D]:
    """Read a document from the catalog; its file is verified by the checksum in the catalog.

    Raises:
        UsageError: The RID is of no such document.
        DerivaMLNotFoundError: There is no such RID, or no file.
    """
    asset = ml.lookup_asset(rid)
    if kind.KIND not in asset.asset_types:
        types = ", ".join(asset.asset_types) or "without type"
        raise UsageError(f"{rid} ({asset.filename}) is no {kind.KIND}: its types are {types}.")
    with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
        text = asset.download(folder).read_text(encoding="utf-8")
    return Stored(
        parse(text, kind, f"{rid} ({asset.filename})"),
        rid,
        asset.execution_rid,
        str(asset.get_metadata().get("RCT")),
        asset.md5,
    )
