"""Git repositories as users have them: a script, committed. A catalog as projects have it: images, terms, features."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deriva.core.ermrest_model import Schema
from deriva_ml import BuiltinTypes, ColumnDefinition

from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.mainline.schema.create import create_ml_catalog


@dataclass(frozen=True)
class Repository:
    """A git repository in a temporary folder."""

    root: Path

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def write(self, path: str, text: str = "") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def commit(self, message: str = "First version") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in ("DERIVA_ML_ALLOW_DIRTY", "DERIVA_ML_DRY_RUN", "DERIVA_ML_DIRTY_CHECK_IGNORE"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "project"
    root.mkdir()
    made = Repository(root)
    made.git("init", "-q", "-b", "main")
    return made


@dataclass(frozen=True)
class Lab:
    """A catalog with images, digits and features on a running local host."""

    hostname: str
    catalog_id: str

    def connect(self, working_dir: Path) -> DerivaML:
        return DerivaML(self.hostname, self.catalog_id, working_dir=working_dir)


@pytest.fixture(scope="session")
def lab(local_host: Any) -> Lab:
    catalog = create_ml_catalog(local_host.hostname, project_name="lab")
    catalog.getCatalogModel().create_schema(Schema.define("lab"))
    ml = DerivaML(local_host.hostname, catalog.catalog_id)
    ml.create_vocabulary("Digit", "The ten digits")
    for digit in ("seven", "eight"):
        ml.add_term("Digit", digit, description=digit)
    columns = [
        ColumnDefinition(name="Split", type=BuiltinTypes.text),
        ColumnDefinition(name="Position", type=BuiltinTypes.int4),
    ]
    ml.create_asset("Image", column_defs=columns)
    confidence = ColumnDefinition(name="Confidence", type=BuiltinTypes.float8)
    ml.create_feature("Image", "Label", terms=["Digit"], metadata=[confidence], optional=["Confidence"])
    ml.create_feature("Image", "Mask", assets=["Execution_Asset"])
    ml.add_dataset_element_type("Image")
    return Lab(local_host.hostname, str(catalog.catalog_id))


@pytest.fixture
def ml(lab: Lab, tmp_path: Path) -> DerivaML:
    return lab.connect(tmp_path / "work")


@pytest.fixture
def workflow() -> Workflow:
    """A workflow that was derived elsewhere: pytest itself is no committed script."""
    return Workflow(
        name="Test", workflow_type="Training", url="https://example.org/t.py", checksum="c0ffee", version="1"
    )
