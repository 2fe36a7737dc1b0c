"""Main line's view of datasets: an object for each, instead of a RID handed to many methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.dataset.aux_classes import DatasetVersion
from deriva_ml.dataset.dataset_bag import DatasetBag

from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class DatasetSpec(ReleasedSpec):  # type: ignore[misc]  # the release is untyped
    """A dataset in a certain version, as an input."""

    @classmethod
    def from_shorthand(cls, s: str) -> DatasetSpec:
        """Read `RID@VERSION`, such as `1-000S@0.2.0`.

        Raises:
            DerivaMLConfigurationError: It is not written like that.
        """
        rid, _, version = s.partition("@")
        try:
            return cls(rid=rid, version=version)
        except ValueError:
            raise DerivaMLConfigurationError(
                f"{s!r} does not name a dataset and a version.", remedy="Write RID@VERSION, such as 1-000S@0.2.0."
            ) from None


class Dataset:
    """A dataset of a catalog, as it is now.

    Args:
        ml: Where it is.
        dataset_rid: Its RID.
        description: Its description.
    """

    def __init__(self, ml: DerivaML, dataset_rid: str, description: str = "") -> None:
        self._ml = ml
        self.dataset_rid = dataset_rid
        self.description = description

    @property
    def current_version(self) -> DatasetVersion:
        """Newest version."""
        return self._ml.dataset_version(self.dataset_rid)

    def list_dataset_members(self, recurse: bool = False, limit: int | None = None) -> dict[str, list[dict[str, Any]]]:
        """Members by table name.

        Args:
            recurse: With the members of nested datasets.
            limit: At most so many of each table.
        """
        members: dict[str, list[dict[str, Any]]] = self._ml.list_dataset_members(
            self.dataset_rid, recurse=recurse, limit=limit
        )
        return members

    def download_dataset_bag(self, version: DatasetVersion | str, materialize: bool = True) -> DatasetBag:
        """The dataset as it was in a version, in a local folder; with the files of its assets if `materialize`."""
        spec = DatasetSpec(rid=self.dataset_rid, version=version, materialize=materialize)
        return self._ml.download_dataset_bag(spec)

    def __repr__(self) -> str:
        return f"Dataset({self.dataset_rid!r}, current_version={str(self.current_version)!r})"
