"""What plain deriva-ml 1.17.10 does in a catalog that it did not make, or that was changed since: in two stages.

Run as a committed script beside `plain_release_flow.py`: `python plain_on_superset.py HOST:PORT WORKING_DIR CATALOG
first|again [INNER_DATASET]`. Prints one JSON line that holds nothing that differs from one catalog to the next.
"""

import json
import sys
from pathlib import Path

import plain_release_flow as flow
from deriva_ml import DerivaML
from deriva_ml.dataset import DatasetSpec
from deriva_ml.execution import ExecutionConfiguration

flow.CHUNKED = 2**10  # chunks are the other test's subject


def first(ml: DerivaML, working_dir: Path) -> dict:
    """A domain, an execution with outputs, features, datasets in versions, bags."""
    flow.define(ml)
    subjects = [row["RID"] for row in flow.domain(ml).Subject.insert([{"Name": f"S{n}"} for n in range(6)])]
    execution, _ = flow.run_execution(ml, subjects, working_dir)
    datasets = flow.make_datasets(ml, execution, subjects)
    return found(ml, datasets["inner"]) | {"history": sorted(datasets["history"]), "inner": datasets["inner"]}


def again(ml: DerivaML, inner: str, working_dir: Path) -> dict:
    """The old dataset as an input, in its first and its newest version; outputs, members and a version more."""
    workflow = ml.create_workflow("Plain flow, again", "Testing", "Reads what the first stage made")
    spec = DatasetSpec(rid=inner, version=ml.dataset_version(inner))
    execution = ml.create_execution(ExecutionConfiguration(datasets=[spec], description="Again"), workflow=workflow)
    health = ml.feature_record_class("Subject", "Health")
    subjects = [row["RID"] for row in flow.domain(ml).Subject.insert([{"Name": "S6"}])]
    with execution.execute() as exe:
        inputs = [sorted(row["Name"] for row in bag.list_dataset_members()["Subject"]) for bag in exe.datasets]
        exe.asset_file_path("Scan", "late.txt", Subject=subjects[0]).write_text("late\n")
        exe.add_features([health(Subject=subjects[0], SubjectHealth="Well", Scale=9)])
    uploaded = {Path(name).name: len(paths) for name, paths in execution.upload_execution_outputs().items()}
    execution.add_dataset_members(inner, {"Subject": subjects})
    oldest = min(ml.dataset_history(inner), key=lambda entry: entry.dataset_version)
    old = ml.download_dataset_bag(DatasetSpec(rid=inner, version=oldest.dataset_version))
    return found(ml, inner) | {
        "inputs": inputs,
        "uploaded": uploaded,
        "history": sorted(str(entry.dataset_version) for entry in ml.dataset_history(inner)),
        "oldest": len(old.list_dataset_members().get("Subject", [])),
        "deleted": delete(ml, execution),
    }


def found(ml: DerivaML, inner: str) -> dict:
    """What the catalog answers to the calls of the release that look around."""
    bag = flow.read_bag(ml, inner)
    executions = ml.pathBuilder.schemas["deriva-ml"].Execution.entities().fetch()
    return {
        "bag": [bag["names"], sorted(bag["scans"]), bag["values"]],
        "parents": len(ml.list_dataset_parents(inner)),
        "elements": sorted(table.name for table in ml.list_dataset_element_types()),
        "members": {name: len(rows) for name, rows in ml.list_dataset_members(inner).items()},
        "datasets": sorted(row["Description"] for row in ml.find_datasets()),
        "workflows": sorted((w.name, w.workflow_type) for w in ml.list_workflows()),
        "features": sorted((row["Scale"], row["SubjectHealth"]) for row in ml.list_feature_values("Subject", "Health")),
        "assets": sorted((row["Filename"], *sorted(row["Asset_Type"])) for row in ml.list_assets("Scan")),
        "statuses": sorted({row["Status"] for row in executions}),
        "vocabularies": sorted({table.name for table in ml.model.find_vocabularies()}),
        "association": ml.model.find_association("Dataset", "Execution")[0].name,
    }


def delete(ml: DerivaML, execution) -> list[str]:
    """A dataset deleted, as the release does it."""
    spare = execution.create_dataset([], "Spare dataset")
    ml.delete_dataset(spare)
    return sorted(row["Description"] for row in ml.find_datasets())


def main(hostname: str, working_dir: Path, catalog_id: str, stage: str, *inner: str) -> dict:
    """Play a stage."""
    ml = DerivaML(hostname, catalog_id, working_dir=working_dir, use_minid=False)
    return first(ml, working_dir) if stage == "first" else again(ml, *inner, working_dir)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]), default=str))
