"""Every flow of deriva-ml 1.17.10 that a first project needs, with nothing but that release and the deriva client.

Run as a committed script of a git repository: `python plain_release_flow.py HOST:PORT WORKING_DIR`. Prints one JSON
line with what it found; the test beside it judges that line.
"""

import hashlib
import json
import sys
from pathlib import Path

from deriva.core.ermrest_model import Column, Schema, Table, builtin_types
from deriva_ml import BuiltinTypes, ColumnDefinition, DerivaML
from deriva_ml.dataset import DatasetSpec, VersionPart
from deriva_ml.execution import ExecutionConfiguration
from deriva_ml.schema.create_schema import create_ml_catalog

CHUNKED = 26 * 2**20  # the client uploads in chunks above 25 MB


def main(hostname: str, working_dir: Path) -> dict:
    """Play the flows and give what the catalog answered."""
    catalog = create_ml_catalog(hostname, "plain")
    catalog.getCatalogModel().create_schema(Schema.define("plain"))
    ml = DerivaML(hostname, catalog.catalog_id, working_dir=working_dir, use_minid=False)
    define(ml)
    subjects = [row["RID"] for row in domain(ml).Subject.insert([{"Name": f"S{n}"} for n in range(6)])]
    execution, files = run_execution(ml, subjects, working_dir)
    datasets = make_datasets(ml, execution, subjects)
    found = {"catalog_id": catalog.catalog_id, "execution": execution.execution_rid, "datasets": datasets}
    found["files"] = {name: hashlib.md5(path.read_bytes()).hexdigest() for name, path in files.items()}
    found["assets"] = {row["Filename"]: [row["Length"], row["MD5"], row["RID"]] for row in ml.list_assets("Scan")}
    found["features"] = [dict(row) for row in ml.list_feature_values("Subject", "Health")]
    found["bag"] = read_bag(ml, datasets["inner"])
    found["nested"] = read_bag(ml, datasets["outer"])["children"]
    found["cite"] = ml.cite(subjects[0])
    found["resolved"] = ml.resolve_rid(subjects[0]).table.name
    found["status"] = ml.retrieve_rid(execution.execution_rid)["Status"]
    found["subjects"] = subjects
    return found


def domain(ml: DerivaML):
    """The path builder of the domain schema."""
    return ml.pathBuilder.schemas[ml.domain_schema]


def define(ml: DerivaML) -> None:
    """Domain table, vocabulary with synonyms, asset table, feature, element types, workflow and dataset types."""
    subject = Table.define("Subject", column_defs=[Column.define("Name", builtin_types.text, nullok=False)])
    ml.model.schemas["plain"].create_table(subject)
    ml.create_vocabulary("SubjectHealth", "How a subject is")
    ml.add_term("SubjectHealth", "Sick", description="Not well", synonyms=["ill"])
    ml.add_term("SubjectHealth", "Well", description="Not sick")
    ml.create_asset("Scan", referenced_tables=[ml.model.name_to_table("Subject")])
    ml.create_feature(
        "Subject",
        "Health",
        terms=["SubjectHealth"],
        metadata=[ColumnDefinition(name="Scale", type=BuiltinTypes.int2, nullok=True)],
        optional=["Scale"],
    )
    ml.add_dataset_element_type("Subject")
    ml.add_dataset_element_type("Scan")
    ml.add_term("Workflow_Type", "Testing", description="Plays all flows")
    ml.add_term("Dataset_Type", "Training", description="To learn from")


def run_execution(ml: DerivaML, subjects: list[str], working_dir: Path):
    """One execution with a small, an empty and a chunked asset, and feature values."""
    workflow = ml.create_workflow("Plain flow", "Testing", "Plays the flows of the release")
    execution = ml.create_execution(ExecutionConfiguration(description="Plain flow"), workflow=workflow)
    sources = working_dir / "sources"
    sources.mkdir(parents=True)
    contents = {"small.txt": b"hello\n", "empty.txt": b"", "chunked.bin": bytes(range(256)) * (CHUNKED // 256)}
    files = {}
    health = ml.feature_record_class("Subject", "Health")
    with execution.execute() as exe:
        for (name, content), subject in zip(contents.items(), subjects, strict=False):
            files[name] = sources / name
            files[name].write_bytes(content)
            exe.asset_file_path("Scan", files[name], Subject=subject, copy_file=True)
        exe.add_features([health(Subject=s, SubjectHealth="Sick", Scale=n) for n, s in enumerate(subjects)])
    execution.upload_execution_outputs()
    return execution, files


def make_datasets(ml: DerivaML, execution, subjects: list[str]) -> dict:
    """An inner dataset with scans and subjects, versions of it, and an outer dataset that holds it."""
    inner = execution.create_dataset(["Training"], "Inner dataset")
    scans = [row["RID"] for row in ml.list_assets("Scan")]
    execution.add_dataset_members(inner, {"Subject": subjects[:3], "Scan": scans})
    before = str(ml.dataset_version(inner))
    outer = execution.create_dataset([], "Outer dataset")
    execution.add_dataset_members(outer, [inner])
    ml.increment_dataset_version(inner, VersionPart.major, "A major one")
    history = [str(h.dataset_version) for h in ml.dataset_history(inner)]
    domain(ml).Subject.update([{"RID": subjects[0], "Name": "renamed since"}])
    return {"inner": inner, "outer": outer, "before": before, "history": history}


def read_bag(ml: DerivaML, dataset: str) -> dict:
    """Download the current version with its assets and read it back."""
    bag = ml.download_dataset_bag(DatasetSpec(rid=dataset, version=ml.dataset_version(dataset)))
    members = bag.list_dataset_members()
    scans = {row["Filename"]: row["MD5"] for row in members.get("Scan", [])}
    return {
        "names": sorted(row["Name"] for row in members.get("Subject", [])),
        "scans": {Path(n).name: [hashlib.md5(Path(n).read_bytes()).hexdigest(), md5] for n, md5 in scans.items()},
        "values": len(list(bag.list_feature_values("Subject", "Health"))),
        "children": [child.dataset_rid for child in bag.list_dataset_children()],
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2])), default=str))
