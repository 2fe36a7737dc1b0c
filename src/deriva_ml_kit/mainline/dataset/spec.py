"""What names a dataset in a version, what tells a dataset's history, and which datasets a table has rows in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from hydra_zen import hydrated_dataclass
from pydantic import BaseModel, ConfigDict, field_serializer, field_validator

from deriva_ml_kit.mainline.dataset.versions import DatasetVersion, own
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLValidationError


class InvalidSpec(DerivaMLConfigurationError, ValueError):
    """A text that names no dataset and version."""


class DatasetSpec(ReleasedSpec):  # type: ignore[misc]  # the release is untyped
    """A dataset in a version, as an input.

    Attributes:
        rid: RID of the dataset.
        version: Its version; as text, DatasetVersion, dict or three numbers.
        materialize: With the files of its assets.
        description: What it is for.
        exclude_tables: Tables that no way through the schema may pass.
        timeout: Seconds to wait for a connection, and for an answer.
        fetch_concurrency: How many files are fetched at a time.
        reachability_concurrency: How many questions are asked at a time.
    """

    exclude_tables: set[str] | None = None
    timeout: tuple[int, int] | None = None
    fetch_concurrency: int = 8
    reachability_concurrency: int = 8

    @field_validator("rid", mode="before")
    @classmethod
    def _rid_of_dataset(cls, v: Any) -> Any:
        return getattr(v, "dataset_rid", v)

    @field_validator("version", mode="before")
    @classmethod
    def version_field_validator(cls, v: Any) -> Any:
        """Any form of a version as DatasetVersion."""
        return own(v)

    @field_serializer("version")
    def serialize_version(self, version: DatasetVersion) -> dict[str, Any] | str:
        """`{"major": …, "minor": …, "patch": …}`; a label in development as text, to lose nothing."""
        return str(version) if version.is_devrelease else dict(version.to_dict())

    @classmethod
    def from_shorthand(cls, s: str) -> DatasetSpec:
        """Read `RID@VERSION`, such as `1-000S@0.2.0`.

        Raises:
            InvalidSpec: It is not written like that; a DerivaMLConfigurationError and a ValueError.
        """
        rid, _, version = s.partition("@")
        try:
            return cls(rid=rid, version=version)
        except ValueError:
            raise InvalidSpec(
                f"{s!r} does not name a dataset and a version.", remedy="Write RID@VERSION, such as 1-000S@0.2.0."
            ) from None


@hydrated_dataclass(DatasetSpec)
class DatasetSpecConfig:
    """A DatasetSpec in a configuration of Hydra."""

    rid: str
    version: str
    materialize: bool = True
    description: str = ""
    exclude_tables: list[str] | None = None
    timeout: list[int] | None = None
    fetch_concurrency: int = 8
    reachability_concurrency: int = 8


def refuse_in_development(specs: Iterable[ReleasedSpec]) -> None:
    """Make sure that inputs of an execution can be read again.

    Raises:
        DerivaMLValidationError: Some name states in development.
    """
    labels = [f"{spec.rid}@{spec.version}" for spec in specs if getattr(spec.version, "is_devrelease", False)]
    if labels:
        raise DerivaMLValidationError(
            f"A state in development changes, so no execution can use it as input: {', '.join(labels)}.",
            remedy="Release it first: ml.lookup_dataset(RID).release(VersionPart.minor, 'what changed'). "
            "Then name the version that this gives.",
        )


class DatasetHistory(BaseModel):
    """One version of a dataset.

    Attributes:
        dataset_version: The version.
        dataset_rid: RID of the dataset.
        version_rid: RID of the version's row; in development, of the row in Dataset_Dev.
        execution_rid: Execution that made it, if one did.
        description: What changed.
        minid: URL of the MINID, if there is one.
        spec_hash: SHA-256 of the download's specification that the MINID stands for.
        snapshot: Snapshot of the catalog in which it can be read; None in development.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    dataset_version: DatasetVersion
    dataset_rid: str
    version_rid: str
    execution_rid: str | None = None
    description: str | None = ""
    minid: str | None = None
    spec_hash: str | None = None
    snapshot: str | None = None

    @field_validator("description", mode="after")
    @classmethod
    def _never_none(cls, description: str | None) -> str:
        return description or ""


class DatasetReference(BaseModel):
    """A dataset that has rows of a table as members.

    Attributes:
        dataset_rid: RID of the dataset.
        element_table: Name of the table.
        member_count: How many of its rows are members now.
    """

    model_config = ConfigDict(extra="forbid")

    dataset_rid: str
    element_table: str
    member_count: int
