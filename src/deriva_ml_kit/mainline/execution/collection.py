"""`DatasetCollection`: the datasets of an execution, by RID and in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import overload

from deriva_ml.dataset.dataset_bag import DatasetBag


class DatasetCollection:
    """Bags by the RID of their dataset, and, as the release's list, by position.

    Args:
        bags: The bags, in the order of the configuration.
    """

    def __init__(self, bags: Iterable[DatasetBag]) -> None:
        self._bags = list(bags)

    @overload
    def __getitem__(self, rid: str | int) -> DatasetBag: ...
    @overload
    def __getitem__(self, rid: slice) -> list[DatasetBag]: ...
    def __getitem__(self, rid: str | int | slice) -> DatasetBag | list[DatasetBag]:
        if not isinstance(rid, str):
            return self._bags[rid]
        if rid not in self.keys():
            raise KeyError(f"{rid} is no input of this execution; there are: {', '.join(self.keys()) or 'none'}")
        return dict(self.items())[rid]

    def __iter__(self) -> Iterator[DatasetBag]:
        return iter(self._bags)

    def __len__(self) -> int:
        return len(self._bags)

    def __contains__(self, rid: object) -> bool:
        return rid in self.keys() or any(rid is bag for bag in self._bags)

    def __eq__(self, other: object) -> bool:
        return self._bags == (other._bags if isinstance(other, DatasetCollection) else other)

    __hash__ = None  # type: ignore[assignment]  # as lists

    def __repr__(self) -> str:
        return f"DatasetCollection({self.keys()})"

    def keys(self) -> list[str]:
        """RIDs of the datasets."""
        return [str(bag.dataset_rid) for bag in self._bags]

    def values(self) -> list[DatasetBag]:
        """The bags."""
        return list(self._bags)

    def items(self) -> list[tuple[str, DatasetBag]]:
        """RIDs with bags."""
        return list(zip(self.keys(), self._bags, strict=True))
