"""One module that makes features of raw records: the same file in training and in service.

    transform = load_transform("src/scripts/features.py")
    transform(raw)                       # raw records to features
    transform.sha256                     # kept with the definitions of a training, compared before service

`assert_same_features` compares features that were made at two places; where they differ, it names the libraries whose
versions differ too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from deriva_ml_kit.errors import Fault, KitError, UsageError
from deriva_ml_kit.ops.golden import ATOL, versions

if TYPE_CHECKING:
    import pandas as pd

FUNCTION = "features"
SHOWN = 10


class Skew(KitError):
    """Features made at two places are not the same.

    Attributes:
        differences: Feature to what differs.
        libraries: Library to its version there and here, where they differ.
    """

    def __init__(self, differences: list[Fault], libraries: Mapping[str, tuple[str | None, str | None]]) -> None:
        lines = [f"  {each}" for each in differences[:SHOWN]]
        if len(differences) > SHOWN:
            lines.append(f"  … and {len(differences) - SHOWN} more")
        if libraries:
            changed = ", ".join(
                f"{name} {then or 'none'} -> {now or 'none'}" for name, (then, now) in libraries.items()
            )
            lines.append(f"  libraries: {changed}")
        super().__init__("\n".join(["The features are not those of the training:", *lines]))
        self.differences = differences
        self.libraries = dict(libraries)


@dataclass(frozen=True)
class Transform:
    """A function from raw records to features, and the file that it stands in.

    Attributes:
        function: Takes a frame of raw records, gives one of features with the same index.
        file: Its file.
        sha256: Of the file, hexadecimal: the version of the transform.
    """

    function: Callable[[pd.DataFrame], pd.DataFrame]
    file: Path
    sha256: str

    def __call__(self, raw: pd.DataFrame) -> pd.DataFrame:
        """Make features; the raw records stay as they are.

        Raises:
            KitError: It gives no row for each record, or changes the records.
        """
        before = raw.copy()
        made = self.function(raw)
        if not made.index.equals(before.index):
            raise KitError(f"{self.file.name} gave {len(made)} rows to {len(before)} records, or in another order.")
        if not raw.equals(before):
            raise KitError(f"{self.file.name} changes the records that it is given.", remedy="Let it work on a copy.")
        return made

    def require(self, sha256: str | None) -> None:
        """Refuse another version than that of a training.

        Raises:
            UsageError: It is another.
        """
        if sha256 != self.sha256:
            raise UsageError(
                f"{self.file} is not the module that the training used: its SHA-256 is {self.sha256}, "
                f"that of the training {sha256 or 'was not kept'}.",
                remedy="Check out the commit of the training, or train again.",
            )


def load_transform(place: Path | str | ModuleType, function: str = FUNCTION) -> Transform:
    """Load the module that makes features.

    Args:
        place: Its file, or the imported module.
        function: Name of the function.

    Raises:
        UsageError: There is no such file, it cannot be imported, or has no such function.
    """
    if isinstance(place, ModuleType):
        module, file = place, Path(str(place.__file__))
    else:
        file = Path(place)
        module = _imported(file)
    found = getattr(module, function, None)
    if not callable(found):
        raise UsageError(f"{file} has no function {function}(raw).")
    return Transform(found, file, hashlib.sha256(file.read_bytes()).hexdigest())


def assert_same_features(
    expected: pd.DataFrame, found: pd.DataFrame, *, then: Mapping[str, str] | None = None, atol: float = ATOL
) -> None:
    """Compare features row by row.

    Args:
        expected: As made in training.
        found: As made now, of the same records.
        then: Versions of libraries in training (`golden.versions`), to be compared with those here.
        atol: Largest difference of two numbers that are the same, with the same relative to those above 1.

    Raises:
        Skew: Columns, their order, types or values differ; names libraries that do.
    """
    differences: list[Fault] = []
    if list(expected.columns) != list(found.columns):
        for name in expected.columns.symmetric_difference(found.columns):
            where = "only in training" if name in expected.columns else "not in training"
            differences.append(Fault(f"there is such a feature {where}", column=str(name)))
        differences = differences or [Fault("the features are in another order")]
    if len(expected) != len(found):
        differences.append(Fault(f"{len(expected)} rows in training, {len(found)} now"))
    if not differences:
        for name in expected.columns:
            differences += _differences(str(name), expected[name], found[name], atol)
    if differences:
        raise Skew(differences, _libraries(then))


def assert_alone_is_among_others(transform: Transform, raw: pd.DataFrame, count: int = 50) -> int:
    """Compare the features of single records, as a server makes them, with those of the same records in a batch.

    Args:
        transform: The module.
        raw: Records.
        count: How many are tried, from the first to the last at equal distances.

    Returns:
        How many were tried.

    Raises:
        Skew: They differ: something depends on the other records of a batch, or on chance.
    """
    import pandas as pd  # noqa: PLC0415  (takes half a second)

    if not len(raw):
        return 0
    tried = np.unique(np.linspace(0, len(raw) - 1, min(count, len(raw))).astype(int))
    alone = pd.concat([transform(raw.iloc[[row]]) for row in tried])
    assert_same_features(transform(raw).iloc[tried], alone)
    return len(tried)


def _differences(name: str, expected: Any, found: Any, atol: float) -> list[Fault]:
    import pandas as pd  # noqa: PLC0415  (takes half a second)

    numeric = [pd.api.types.is_numeric_dtype(column) for column in (expected, found)]
    if numeric[0] != numeric[1]:
        return [Fault(f"was {expected.dtype}, is {found.dtype}", column=name)]
    if numeric[0]:
        pair = [column.to_numpy(dtype=float, na_value=np.nan) for column in (expected, found)]
        same = np.isclose(pair[0], pair[1], rtol=atol, atol=atol, equal_nan=True)
    else:
        pair = [column.to_numpy(dtype=object) for column in (expected, found)]
        same = np.array([_equal(one, other) for one, other in zip(*pair, strict=True)], dtype=bool)
    wrong = np.flatnonzero(~same)
    if not len(wrong):
        return []
    first = wrong[0]
    apart = f", by up to {np.nanmax(np.abs(pair[0] - pair[1])):.3g}" if numeric[0] else ""
    message = f"{len(wrong)} of {len(same)} rows differ{apart}; row {first}: was {pair[0][first]!r}"
    return [Fault(message, column=name, value=str(pair[1][first]))]


def _equal(one: Any, other: Any) -> bool:
    missing = [value is None or value != value for value in (one, other)]  # noqa: PLR0124  (NaN differs from itself)
    return missing == [True, True] if any(missing) else bool(one == other)


def _libraries(then: Mapping[str, str] | None) -> dict[str, tuple[str | None, str | None]]:
    now = versions()
    names = sorted(then.keys() | now.keys()) if then else []
    return {name: (then.get(name), now.get(name)) for name in names if then and then.get(name) != now.get(name)}


def _imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"features_of_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(f"There is no Python file {file}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module
