"""A catalog of this folder's own, with two schemas, tables with awkward names, and values from several executions."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deriva.core.ermrest_model import Column, Key, Schema, Table, builtin_types
from deriva_ml import BuiltinTypes, ColumnDefinition
from deriva_ml import DerivaML as ReleasedDerivaML
from deriva_ml.schema import create_ml_catalog

from deriva_ml_kit.mainline import DerivaML

TEXT = builtin_types["text"]


@dataclass(frozen=True)
class Gallery:
    """A catalog with pictures, and with all that features have trouble with."""

    hostname: str
    catalog_id: str

    def connect(self, working_dir: Path) -> DerivaML:
        return DerivaML(self.hostname, self.catalog_id, default_schema="gallery", working_dir=working_dir)

    def released(self, working_dir: Path) -> ReleasedDerivaML:
        """The plain library, to show what it does."""
        return ReleasedDerivaML(
            self.hostname, self.catalog_id, domain_schema="gallery", working_dir=working_dir, use_minid=False
        )


@pytest.fixture(scope="session")
def gallery(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    catalog = create_ml_catalog(local_host.hostname, project_name="gallery")
    model = catalog.getCatalogModel()
    model.create_schema(Schema.define("gallery"))
    model.create_schema(Schema.define("annex"))
    model.schemas["annex"].create_table(Table.define("Frame", [Column.define("Wood", TEXT)]))
    # A name of their own, which the release takes for what features refer to.
    named = [Column.define("Name", TEXT, nullok=False)]
    model.schemas["gallery"].create_table(Table.define("Painter", named, [Key.define(["Name"])]))
    # Another column's name begins with this one.
    model.schemas["gallery"].create_table(Table.define("Exec", [Column.define("Note", TEXT)]))
    found = Gallery(local_host.hostname, str(catalog.catalog_id))
    ml = found.connect(tmp_path_factory.mktemp("gallery"))
    for kind in ("Labelling", "Training"):
        ml.add_term("Workflow_Type", kind, description=kind)
    ml.create_asset("Picture")
    ml.create_asset("Mask")
    for vocabulary, terms in {"Style": ("cubism", "realism"), "Side": ("left", "right")}.items():
        ml.create_vocabulary(vocabulary, vocabulary)
        for term in terms:
            ml.add_term(vocabulary, term, description=term)
    ml.create_feature(
        "Picture",
        "Look",
        terms=["Style"],
        metadata=[
            ColumnDefinition(name="Sure", type=BuiltinTypes.boolean),
            ColumnDefinition(name="Marks", type=BuiltinTypes.jsonb),
            ColumnDefinition(name="Weight", type=BuiltinTypes.float8),
            ColumnDefinition(name="Count", type=BuiltinTypes.int4, default=0),
        ],
        optional=["Style"],
    )
    return found


@pytest.fixture
def art(gallery: Gallery, tmp_path: Path) -> DerivaML:
    return gallery.connect(tmp_path / "work")


@pytest.fixture
def released(gallery: Gallery, tmp_path: Path) -> ReleasedDerivaML:
    return gallery.released(tmp_path / "released")


@pytest.fixture
def new_pictures(art: DerivaML) -> Callable[[int], list[str]]:
    """A function that adds pictures and gives their RIDs."""

    def add(count: int) -> list[str]:
        rows = [
            {"URL": f"/hatrac/none/{os.urandom(8).hex()}", "Filename": "x", "Length": 1, "MD5": "0"}
            for _ in range(count)
        ]
        return [
            row["RID"]
            for row in art.catalog.post("/entity/gallery:Picture?defaults=RID,RCT,RMT,RCB,RMB", json=rows).json()
        ]

    return add


@pytest.fixture
def new_execution(art: DerivaML) -> Callable[..., str]:
    """A function that adds an execution, of a workflow of its own or of the one given, and gives its RID."""

    def add(workflow: str | None = None, workflow_type: str = "Labelling") -> str:
        system = "?defaults=RID,RCT,RMT,RCB,RMB"
        if workflow is None:
            row = {"Name": "w", "URL": os.urandom(8).hex(), "Checksum": "", "Workflow_Type": workflow_type}
            workflow = art.catalog.post(f"/entity/deriva-ml:Workflow{system}", json=[row]).json()[0]["RID"]
        row = {"Workflow": workflow, "Description": "", "Status": "Completed"}
        return art.catalog.post(f"/entity/deriva-ml:Execution{system}", json=[row]).json()[0]["RID"]

    return add


@pytest.fixture
def give(art: DerivaML) -> Callable[..., None]:
    """A function that writes values of the feature Look, without the machinery of an execution."""

    def add(execution: str, *values: dict[str, Any], feature: str = "Look") -> None:
        rows = [{"Execution": execution, "Feature_Name": feature, **value} for value in values]
        art.catalog.post(f"/entity/gallery:Execution_Picture_{feature}?defaults=RID,RCT,RMT,RCB,RMB", json=rows)

    return add
