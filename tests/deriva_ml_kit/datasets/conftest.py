"""A catalog as a clinic has it: subjects, their visits, images of visits, graded; made once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from deriva.core.ermrest_model import Column, ForeignKey, Schema, Table, builtin_types

from deriva_ml_kit.mainline import DerivaML, Execution, ExecutionConfiguration, Workflow
from deriva_ml_kit.mainline.schema.create import create_ml_catalog

SUBJECTS = 24
GRADES = ("None", "Mild", "Severe")


@dataclass
class Clinic:
    """The catalog, and what is in it."""

    hostname: str
    catalog_id: str
    subject: dict[str, str] = field(default_factory=dict)  # image -> its subject
    grade: dict[str, str] = field(default_factory=dict)  # image -> its grade
    source: str = ""  # a dataset of all graded images
    spare: str = ""  # an image that has no grade and no visit
    twice: str = ""  # an image with two grades

    @property
    def of_grade(self) -> dict[str, list[str]]:
        return {grade: sorted(rid for rid in self.grade if self.grade[rid] == grade) for grade in GRADES}


def add_image(ml: DerivaML, visit: str | None, site: str, grades: tuple[str, ...], execution: str) -> str:
    tables = ml.pathBuilder.schemas["clinic"].tables
    [image] = tables["Image"].insert([{"Visit": visit, "Site": site}])
    rows = [
        {"Image": image["RID"], "Execution": execution, "Feature_Name": "Diagnosis", "Grade": grade} for grade in grades
    ]
    if rows:
        tables["Execution_Image_Diagnosis"].insert(rows)
    return str(image["RID"])


def build(ml: DerivaML) -> None:
    def column(name: str) -> Column:
        return Column.define(name, builtin_types.text)

    def table(name: str, refers: str = "") -> None:
        keys = [ForeignKey.define([refers], "clinic", refers, ["RID"])] if refers else []
        columns = [column("Site"), *([column(refers)] if refers else [])]
        ml.model.schemas["clinic"].create_table(Table.define(name, column_defs=columns, fkey_defs=keys))

    table("Subject")
    table("Visit", "Subject")
    table("Image", "Visit")
    ml.create_vocabulary("Grade", "How bad it is")
    for grade in GRADES:
        ml.add_term("Grade", grade, description=grade)
    ml.create_feature("Image", "Diagnosis", terms=["Grade"])
    ml.add_dataset_element_type("Image")
    ml.add_term("Workflow_Type", "Dataset_Management", description="Makes datasets")


@pytest.fixture(scope="session")
def clinic(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """24 subjects, 1 or 2 visits each, 1 to 3 images a visit; the sixth of the subjects with severe findings."""
    catalog = create_ml_catalog(local_host.hostname, project_name="clinic")
    catalog.getCatalogModel().create_schema(Schema.define("clinic"))
    made = Clinic(local_host.hostname, str(catalog.catalog_id))
    ml = DerivaML(made.hostname, made.catalog_id, working_dir=tmp_path_factory.mktemp("clinic"))
    build(ml)
    ml = DerivaML(made.hostname, made.catalog_id, working_dir=tmp_path_factory.mktemp("clinic"))
    tables = ml.pathBuilder.schemas["clinic"].tables
    [workflow] = (
        ml.pathBuilder.schemas["deriva-ml"]
        .tables["Workflow"]
        .insert([{"Name": "Grading", "URL": "https://example.org/grade", "Workflow_Type": "Dataset_Management"}])
    )
    executions = ml.pathBuilder.schemas["deriva-ml"].tables["Execution"]
    first, second = (row["RID"] for row in executions.insert([{"Workflow": workflow["RID"]}] * 2))
    images, labels = [], []
    for n, subject in enumerate(tables["Subject"].insert([{"Site": "A"}] * SUBJECTS)):
        for visit in tables["Visit"].insert([{"Subject": subject["RID"]}] * (1 + n % 2)):
            images += [{"Visit": visit["RID"], "Site": "AB"[n % 2]}] * (1 + n % 3)
            labels += [(subject["RID"], "Severe" if n % 6 == 5 else "Mild" if n % 3 == 1 else "None")] * (1 + n % 3)
    inserted = tables["Image"].insert(images)
    for row, (subject, grade) in zip(inserted, labels, strict=True):
        made.subject[row["RID"]], made.grade[row["RID"]] = subject, grade
    values = [
        {"Image": rid, "Execution": first, "Feature_Name": "Diagnosis", "Grade": grade}
        for rid, grade in made.grade.items()
    ]
    tables["Execution_Image_Diagnosis"].insert(values)
    made.source = str(ml.create_dataset([], "All graded images"))
    nested = str(ml.create_dataset([], "Half of them"))
    ml.lookup_dataset(nested).add_dataset_members({"Image": sorted(made.grade)[::2]})
    ml.lookup_dataset(made.source).add_dataset_members({"Image": sorted(made.grade)[1::2], "Dataset": [nested]})
    made.spare = add_image(ml, None, "A", (), first)
    made.twice = add_image(ml, None, "A", ("None",), first)
    tables["Execution_Image_Diagnosis"].insert(
        [{"Image": made.twice, "Execution": second, "Feature_Name": "Diagnosis", "Grade": "Mild"}]
    )
    return made


@pytest.fixture
def ml(clinic: Clinic, tmp_path: Path) -> DerivaML:
    return DerivaML(clinic.hostname, clinic.catalog_id, working_dir=tmp_path / "work")


@pytest.fixture
def execution(ml: DerivaML) -> Iterator[Execution]:
    """An open execution; committed when the test is over."""
    workflow = Workflow(
        name="Test", workflow_type="Dataset_Management", url="https://example.org/t.py", checksum="c0ffee", version="1"
    )
    with ml.create_execution(ExecutionConfiguration(description="A test"), workflow=workflow) as made:
        yield made
    made.commit_output_assets()
