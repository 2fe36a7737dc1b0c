"""A bag's records with their labels, one by one, as the frameworks for training read them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline.bag.targets import Labels
from deriva_ml_kit.mainline.errors import DerivaMLValidationError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag

Loader = Callable[[Path | None, dict[str, Any]], Any]


class Samples:
    """The records of a table, in the order of their RIDs: (sample, RID), or (sample, target, RID).

    Args:
        bag: Where they are.
        element_type: Their table.
        sample_loader: Makes a sample of the local file (None where the table has no files) and the record; without it,
            the record is the sample.
        transform: Applied to each sample.
        targets: Features or columns; features with a selector for each. Without them, there are no targets.
        target_transform: Makes the target of the label (of a dict of them by name, if there are several).
        missing: What becomes of records without a label: an error, left out, or kept with None as label.
        reachable: All rows that the dataset leads to, not only members.

    Raises:
        DerivaMLValidationError: Labels are missing or cannot be told; an asset table has no loader.
    """

    def __init__(
        self,
        bag: DatasetBag,
        element_type: str,
        *,
        sample_loader: Loader | None,
        transform: Callable[[Any], Any] | None,
        targets: list[str] | dict[str, Any] | None,
        target_transform: Callable[..., Any] | None,
        missing: Literal["error", "skip", "unknown"],
        reachable: bool,
    ) -> None:
        table = bag.model.name_to_table(element_type)
        self._has_files = bool(bag.model.is_asset(table))
        if self._has_files and sample_loader is None:
            raise DerivaMLValidationError(
                f"{element_type} has files, so it must be said how a sample is made of one.",
                remedy="sample_loader=lambda path, row: PIL.Image.open(path).convert('RGB')",
            )
        if reachable:
            rows = list(bag.get_table_as_dict(element_type))
        else:
            rows = bag.list_dataset_members(recurse=True).get(str(table.name), [])
        self._labels = Labels(bag, table, targets, missing)
        self._labels.check({row["RID"]: row for row in rows})
        self._rows = [row for row in rows if missing != "skip" or self._labels.complete(row)]
        self._targets = bool(targets)
        self._sample_loader = sample_loader
        self._transform = transform
        self._target_transform = target_transform

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        """One of them.

        Raises:
            FileNotFoundError: By the loader: its file was not fetched.
        """
        row = self._rows[number]
        path = Path(row["Filename"]) if self._has_files else None
        sample = self._sample_loader(path, row) if self._sample_loader else row
        sample = self._transform(sample) if self._transform else sample
        if not self._targets:
            return sample, row["RID"]
        labels = self._labels.of(row)
        target = next(iter(labels.values())) if len(labels) == 1 else labels
        return sample, self._target_transform(target) if self._target_transform else target, row["RID"]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """All of them."""
        return (self[number] for number in range(len(self)))


def torch_dataset(samples: Samples) -> Any:
    """Samples as a `torch.utils.data.Dataset`."""
    data = _framework("torch.utils.data", "torch")

    class BagSamples(data.Dataset):  # type: ignore[misc,name-defined]  # known only where torch is installed
        """Samples of a bag."""

        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, number: int) -> tuple[Any, ...]:
            return samples[number]

    return BagSamples()


def tf_dataset(samples: Samples, output_signature: Any) -> Any:
    """Samples as a `tf.data.Dataset`; its signature is that of the first sample where none is given."""
    tf = _framework("tensorflow", "tensorflow")
    if output_signature is None:
        if not len(samples):
            raise DerivaMLValidationError(
                "No sample to tell the output_signature from.", remedy="Give output_signature."
            )
        output_signature = tuple(tf.type_spec_from_value(tf.convert_to_tensor(part)) for part in samples[0])
    return tf.data.Dataset.from_generator(lambda: iter(samples), output_signature=output_signature)


def _framework(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingFramework(
            f"{package} is not installed.", remedy=f"Add it to the project: uv add {package}"
        ) from error


class MissingFramework(UsageError, ImportError):
    """A framework for training is not installed."""
