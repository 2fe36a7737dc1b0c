"""A hospital with real measurements: 569 tumours (scikit-learn's), in a training and a test dataset.

Every tumour is a row of `Tumour` (30 columns of float8, `Label`, and a `Patient` for each one or two of them). `train`
makes what a training leaves in the catalog; `weak` models are worse on purpose.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from deriva.core.ermrest_model import Column, Schema, Table, builtin_types
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deriva_ml_kit.mainline import DerivaML, Workflow, create_ml_catalog
from deriva_ml_kit.ops.kinds import AssetType
from deriva_ml_kit.ops.setup import setup

SCHEMA, TABLE = "hospital", "Tumour"
MODEL_FILE = "tumours.joblib"


@dataclass(frozen=True)
class Hospital:
    """A catalog that one file of tests writes to.

    Attributes:
        ml: A connection.
        features: Names of the 30 columns.
        rows: All tumours as the catalog has them, with RID, Label and Patient.
        training: `RID@VERSION` of 400 of them.
        testing: Of the others.
    """

    ml: DerivaML
    features: list[str]
    rows: pd.DataFrame
    training: str
    testing: str

    def members(self, pin: str) -> pd.DataFrame:
        """The rows of a dataset."""
        return self.rows[:400] if pin == self.training else self.rows[400:]

    def workflow(self, kind: str = "Training", name: str = "train") -> Workflow:
        """A workflow at a clean commit."""
        url = f"https://github.com/example/hospital/blob/0123456789abcdef0123456789abcdef01234567/{name}.py"
        return Workflow(name=name, workflow_type=kind, url=url, checksum="0" * 40, version="1.0.0")


def hospital(hostname: str) -> Hospital:
    """Make one."""
    catalog = create_ml_catalog(hostname, project_name=SCHEMA)
    bunch = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in bunch.feature_names]
    columns = [Column.define(name, builtin_types.float8) for name in names]
    columns += [Column.define(name, builtin_types.text, nullok=False) for name in ("Label", "Patient")]
    schema = catalog.getCatalogModel().create_schema(Schema.define(SCHEMA))
    schema.create_table(Table.define(TABLE, columns))
    ml = DerivaML(hostname, catalog.catalog_id, working_dir=tempfile.mkdtemp(prefix="hospital-", dir=Path.home()))
    ml.add_dataset_element_type(TABLE)
    setup(ml)
    frame = pd.DataFrame(bunch.data, columns=names)
    frame["Label"] = np.where(bunch.target == 1, "benign", "malignant")
    frame["Patient"] = [f"P{number // 2:03d}" for number in range(len(frame))]
    inserted = ml.pathBuilder.schemas[SCHEMA].tables[TABLE].insert(frame.to_dict("records"))
    rows = pd.DataFrame(list(inserted))[["RID", *names, "Label", "Patient"]]
    made = Hospital(ml, names, rows, "", "")
    pins = []
    with ml.create_execution(workflow=made.workflow("Dataset_Management", "split"), description="Split") as exe:
        for kind, part in (("Training", rows[:400]), ("Testing", rows[400:])):
            dataset = exe.create_dataset(dataset_types=[kind], description=f"{kind} part")
            dataset.add_dataset_members({TABLE: part["RID"].tolist()})
            version = dataset.release(bump="minor", description="As split")
            pins.append(f"{dataset.dataset_rid}@{version}")
    exe.commit_output_assets()
    return Hospital(ml, names, rows, *pins)


def classifier(of: Hospital, *, weak: bool = False, seed: int = 0) -> Any:
    """A model trained on the training part; a weak one sees two columns and few rows."""
    train = of.members(of.training).sample(frac=1.0, random_state=seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    columns = of.features[4:6] if weak else of.features
    return model.fit(train[columns][: 60 if weak else None], train["Label"][: 60 if weak else None])


def train(
    of: Hospital, model: Any, *, assets: tuple[str, ...] = (), files: dict[str, tuple[str, str]] | None = None
) -> tuple[str, str]:
    """What a training leaves: gives the RIDs of its execution and of the model's asset.

    Args:
        assets: Its input files, by RID.
        files: Further outputs: name to asset type and text.
    """
    with of.ml.create_execution(
        workflow=of.workflow(), datasets=[of.training], assets=list(assets), description="Train"
    ) as exe:
        joblib.dump(model, exe.asset_file_path("Execution_Asset", MODEL_FILE, asset_types=str(AssetType.MODEL_FILE)))
        for name, (kind, text) in (files or {}).items():
            Path(exe.asset_file_path("Execution_Asset", name, asset_types=kind)).write_text(text, encoding="utf-8")
    exe.commit_output_assets()
    outputs = {each.filename: each.asset_rid for each in of.ml.list_execution_assets(exe.execution_rid, "Output")}
    return str(exe.execution_rid), str(outputs[MODEL_FILE])
