"""A model's file, verified and loaded: labels and scores over named columns.

model = fetch_model(ml, "3-WXYZ")
model.predict(frame)  # labels, one a row
model.scores(frame)  # a column of probabilities for each class; None where the model has none
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deriva_ml_kit.errors import Fault, Faults, KitError, UsageError
from deriva_ml_kit.ops.kinds import AssetType

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml_kit.mainline import DerivaML

# Reads a model's file. What it gives has `predict(frame)`; a classifier `predict_proba(frame)` and `classes_`, too.
Load = Callable[[Path], Any]


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes:
        estimator: What was loaded.
        columns: Names of its inputs, in the order in which it was fitted.
        rid: RID of its asset; None for a file that no catalog knows.
        execution_rid: The training that made it.
        md5: Checksum of its file, hexadecimal.
    """

    estimator: Any
    columns: tuple[str, ...]
    rid: str | None = None
    execution_rid: str | None = None
    md5: str = ""

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Its labels in the order of its scores; None for a model of numbers, or of labels without scores."""
        known = getattr(self.estimator, "classes_", None)
        return None if known is None else tuple(np.asarray(known).tolist())

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Labels, or numbers, one a row.

        Args:
            frame: At least the columns of the model, in any order.

        Raises:
            Faults: Columns are missing.
            KitError: The model does not give one answer a row.
        """
        found = np.asarray(self.estimator.predict(self._inputs(frame)))
        if found.shape != (len(frame),):
            raise KitError(f"The model gave answers of shape {found.shape} to {len(frame)} rows.")
        return found

    def scores(self, frame: pd.DataFrame) -> pd.DataFrame | None:
        """Probabilities: a row for each of the frame's, with its index, a column for each class.

        Returns:
            None for a model that has no `predict_proba`.

        Raises:
            Faults: Columns are missing.
            KitError: The model does not give one probability a row and class.
        """
        if self.classes is None or not hasattr(self.estimator, "predict_proba"):
            return None
        import pandas as pd  # noqa: PLC0415  (takes half a second)

        found = np.asarray(self.estimator.predict_proba(self._inputs(frame)), dtype=float)
        if found.shape != (len(frame), len(self.classes)):
            raise KitError(f"The model gave scores of shape {found.shape}, with {len(self.classes)} classes.")
        return pd.DataFrame(found, columns=list(self.classes), index=frame.index)

    def _inputs(self, frame: pd.DataFrame) -> pd.DataFrame:
        if tuple(frame.columns) == self.columns:
            return frame
        if missing := [name for name in self.columns if name not in frame.columns]:
            raise Faults(
                [Fault("the model needs this column, and it is not there", column=name) for name in missing],
                message=f"The model {self.rid or ''} has {len(self.columns)} inputs; {len(missing)} are missing.",
            )
        return frame[list(self.columns)]


def fetch_model(ml: DerivaML, rid: str, *, load: Load | None = None, columns: Sequence[str] | None = None) -> Model:
    """Download the file of a model's asset, verify it by the checksum in the catalog, load it.

    Args:
        ml: The catalog.
        rid: The model's asset.
        load: Reads the file; joblib's where not given, which runs code that stands in the file: load what is trusted.
        columns: Names of the inputs in order; asked of the model itself (`feature_names_in_`) where not given.

    Raises:
        UsageError: The RID is of no model, or the file cannot be loaded.
        DerivaMLNotFoundError: There is no such RID, or no file.
        DerivaMLDataError: What was downloaded is not what the catalog describes.
    """
    asset = ml.lookup_asset(rid)
    if AssetType.MODEL_FILE not in asset.asset_types:
        types = ", ".join(asset.asset_types) or "without type"
        raise UsageError(f"{rid} ({asset.filename}) is no {AssetType.MODEL_FILE}: its types are {types}.")
    with tempfile.TemporaryDirectory(prefix="deriva-ml-ops-") as folder:
        return load_model(
            asset.download(folder),
            md5=asset.md5,
            load=load,
            columns=columns,
            rid=rid,
            execution_rid=asset.execution_rid,
        )


def load_model(
    file: Path,
    *,
    md5: str | None = None,
    load: Load | None = None,
    columns: Sequence[str] | None = None,
    rid: str | None = None,
    execution_rid: str | None = None,
) -> Model:
    """Load a model from a file, after its checksum was compared.

    Args:
        file: The file.
        md5: What it must be, hexadecimal; not compared where not given.
        load, columns: See `fetch_model`.
        rid, execution_rid: See `Model`.

    Raises:
        UsageError: The file is another, cannot be loaded, is no model, or does not say its inputs.
    """
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if md5 and found != md5:
        raise UsageError(f"{file} is another file: its MD5 is {found}, that of the model {rid or ''} is {md5}.")
    try:
        estimator = (load or read_joblib)(file)
    except Exception as error:
        raise UsageError(
            f"{file.name} cannot be loaded: {type(error).__name__}: {error}",
            remedy="Load it where the libraries are that it was trained with, or give a load(path) of your own.",
        ) from error
    if not callable(getattr(estimator, "predict", None)):
        raise UsageError(f"{file.name} holds a {type(estimator).__name__}, which has no predict().")
    names = columns if columns is not None else getattr(estimator, "feature_names_in_", None)
    if names is None:
        raise UsageError(
            f"{file.name} does not say the names of its inputs.",
            remedy="Fit it on a DataFrame, or let load(path) give an object with feature_names_in_.",
        )
    return Model(estimator, tuple(map(str, names)), rid, execution_rid, found)


def read_joblib(file: Path) -> Any:
    """What joblib wrote; what reads models where nobody says otherwise."""
    import joblib  # noqa: PLC0415  (comes with the extra `ops`)

    return joblib.load(file)
