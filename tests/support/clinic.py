"""A clinic: subjects are observed, observations have images, annotators grade the images; datasets of all kinds.

Subject   Ann          Ben          Cid (never observed)     Dan
Observed  first second third                                 last
Image     a b   c      d                                     -        e (of no observation)
Grade     low+high (a: two annotators), low (b), high (d); none for c, e
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deriva.core import HatracStore
from deriva.core.ermrest_model import Column, ForeignKey, Schema, Table, builtin_types
from deriva_ml import BuiltinTypes, ColumnDefinition
from deriva_ml.schema import create_ml_catalog

from deriva_ml_kit.mainline import DatasetSpec, DerivaML, VersionPart


@dataclass(frozen=True)
class Clinic:
    """A catalog.

    Attributes:
        ml: A connection to it.
        rids: Name of a record to its RID.
        datasets: Name of a dataset to it in its newest version.
    """

    ml: DerivaML
    rids: dict[str, str]
    datasets: dict[str, DatasetSpec]

    def named(self, rid: Any) -> Any:
        """The name of a record."""
        return {found: name for name, found in self.rids.items()}.get(rid, rid)


@cache
def clinic(hostname: str) -> Clinic:
    """Make one, once in a run."""
    catalog = create_ml_catalog(hostname, project_name="clinic")
    _tables(catalog)
    ml = DerivaML(hostname, catalog.catalog_id, working_dir=tempfile.mkdtemp(prefix="clinic-", dir=Path.home()))
    ml.add_term("Workflow_Type", "Grading", description="Grades images.")
    for kind in ("Training", "Testing", "Split"):
        ml.add_term("Dataset_Type", kind, description=kind, exists_ok=True)
    ml.create_vocabulary("Grade", "How bad it is")
    for grade in ("low", "high"):
        ml.add_term(
            "Grade", grade, description=grade, synonyms=[f"{grade} grade", 'x, "y"'] if grade == "low" else None
        )
    columns = [ColumnDefinition(name="Observation", type=BuiltinTypes.text)]
    columns += [
        ColumnDefinition(name="Size", type=BuiltinTypes.int4),
        ColumnDefinition(name="Note", type=BuiltinTypes.text),
    ]
    ml.create_asset("Image", column_defs=columns)
    ml.model.name_to_table("Image").create_fkey(ForeignKey.define(["Observation"], "clinic", "Observation", ["RID"]))
    metadata = [
        ColumnDefinition(name="Confidence", type=BuiltinTypes.float8),
        ColumnDefinition(name="Sure", type=BuiltinTypes.boolean),
    ]
    ml.create_feature("Image", "Diagnosis", terms=["Grade"], metadata=metadata, optional=["Confidence", "Sure"])
    ml.create_feature("Subject", "Severity", terms=["Grade"])
    for table in ("Subject", "Observation", "Image"):
        ml.add_dataset_element_type(table)
    ml = DerivaML(hostname, catalog.catalog_id, working_dir=tempfile.mkdtemp(prefix="clinic-", dir=Path.home()))
    rids = _rows(ml)
    return Clinic(ml, rids, _datasets(ml, rids))


def _tables(catalog: Any) -> None:
    schema = catalog.getCatalogModel().create_schema(Schema.define("clinic"))
    name = Column.define("Name", builtin_types.text)
    smoker = Column.define("Smoker", builtin_types.boolean)
    schema.create_table(Table.define("Subject", [name, smoker, Column.define("Aliases", builtin_types["text[]"])]))
    columns = [
        name,
        Column.define("Day", builtin_types.date),
        Column.define("Subject", builtin_types.text, nullok=False),
    ]
    key = ForeignKey.define(["Subject"], "clinic", "Subject", ["RID"])
    schema.create_table(Table.define("Observation", columns, fkey_defs=[key]))


def _rows(ml: DerivaML) -> dict[str, str]:
    paths = ml.pathBuilder.schemas
    own, kit = paths["clinic"].tables, paths["deriva-ml"].tables
    rids: dict[str, str] = {}

    def insert(table: Any, rows: list[dict[str, Any]], label: str) -> None:
        rids.update(zip((row[label] for row in rows), (found["RID"] for found in table.insert(rows)), strict=True))

    subjects = [("Ann", True, ["A", 'the "first"', ""]), ("Ben", None, None), ("Cid", False, []), ("Dan", None, None)]
    insert(own["Subject"], [dict(zip(("Name", "Smoker", "Aliases"), one, strict=True)) for one in subjects], "Name")
    observed = {"first": "Ann", "second": "Ann", "third": "Ben", "last": "Dan"}
    rows = [{"Name": name, "Day": "2026-01-31", "Subject": rids[who]} for name, who in observed.items()]
    insert(own["Observation"], rows, "Name")
    images = {"a": "first", "b": "first", "c": "second", "d": "third", "e": None}
    rows = [
        {
            "Filename": f"{name}.txt",
            "URL": _stored(ml, name),
            "Length": 1,
            "MD5": hashlib.md5(name.encode()).hexdigest(),
            "Observation": rids.get(of or ""),
            "Size": None if name == "b" else ord(name),
            "Note": {"a": "", "b": 'says "no", twice\nand more', "c": None}.get(name, name),
        }
        for name, of in images.items()
    ]
    insert(own["Image"], rows, "Filename")
    workflow = {"Name": "Grading", "URL": "https://example.org/g.py", "Checksum": "1", "Workflow_Type": "Grading"}
    insert(kit["Workflow"], [workflow], "Name")
    for label in ("morning", "evening"):
        rows = [{"Workflow": rids["Grading"], "Description": label, "Status": "Completed"}]
        insert(kit["Execution"], rows, "Description")
    grades = [("a", "morning", "low", 0.5, True), ("a", "evening", "high", 0.9, False)]
    grades += [("b", "morning", "low", None, None), ("d", "evening", "high", 1.0, None)]
    for image, execution, grade, confidence, sure in grades:  # one by one: each at a time of its own
        value = {"Image": rids[f"{image}.txt"], "Execution": rids[execution], "Grade": grade}
        own["Execution_Image_Diagnosis"].insert(
            [value | {"Confidence": confidence, "Sure": sure, "Feature_Name": "Diagnosis"}]
        )
    value = {"Subject": rids["Ben"], "Execution": rids["morning"], "Grade": "high", "Feature_Name": "Severity"}
    own["Execution_Subject_Severity"].insert([value])
    return rids


def _datasets(ml: DerivaML, rids: dict[str, str]) -> dict[str, DatasetSpec]:
    def make(kind: str, **members: list[str]) -> str:
        rid: str = ml.create_dataset([kind], f"{kind} dataset")
        ml.add_dataset_members(
            rid, {table: [rids.get(name, name) for name in names] for table, names in members.items()}
        )
        return rid

    made = {
        "images": make("Training", Image=["a.txt", "b.txt", "d.txt", "e.txt"]),
        "subjects": make("Testing", Subject=["Ann", "Ben", "Cid", "Dan"]),
        "left": make("Training", Image=["a.txt", "b.txt"]),
        "inmost": make("Testing", Image=["c.txt"], Subject=["Cid"]),
    }
    made["right"] = make("Testing", Image=["b.txt", "d.txt"], Dataset=[made["inmost"]])
    made["nested"] = make("Split", Dataset=[made["left"], made["right"]], Image=["e.txt"])
    used = [{"Dataset": made["nested"], "Execution": rids["evening"]}]
    ml.pathBuilder.schemas["deriva-ml"].tables["Dataset_Execution"].insert(used)
    for rid in made.values():
        ml.increment_dataset_version(rid, component=VersionPart.minor, description="As it is")
    return {
        name: DatasetSpec(rid=rid, version=ml.dataset_version(rid), materialize=False) for name, rid in made.items()
    }


def _stored(ml: DerivaML, name: str) -> str:
    file = Path(tempfile.mkdtemp(prefix="clinic-", dir=Path.home())) / f"{name}.txt"
    file.write_text(name)
    store = HatracStore("https", ml.host_name, credentials=ml.credential)
    url: str = store.put_obj(f"/hatrac/clinic/{name}", str(file), content_disposition=f"filename*=UTF-8''{name}.txt")
    return url
