"""A project's own class, made as the documents say."""

from pathlib import Path

import pytest

from deriva_ml_kit import DerivaML
from deriva_ml_kit.mainline import ExecutionConfiguration

pytestmark = pytest.mark.catalog


class LabML(DerivaML):
    def images(self) -> int:
        return len(self.list_assets("Image"))


class NamedML(LabML):
    def __init__(self, lab, working_dir: Path) -> None:
        super().__init__(lab.hostname, lab.catalog_id, working_dir=working_dir)


def snaptime(ml: DerivaML) -> str:
    return str(ml.catalog.get("/").json()["snaptime"])


def test_its_dry_run_writes_nothing_and_its_methods_work_on_a_snapshot_too(lab, workflow, tmp_path) -> None:
    ml = LabML(lab.hostname, lab.catalog_id, working_dir=tmp_path)
    before = snaptime(ml)

    with ml.create_execution(ExecutionConfiguration(), workflow=workflow, dry_run=True) as exe:
        Path(exe.asset_file_path("Execution_Asset", "model.pt", "Model_File")).write_text("weights")
    exe.commit_output_assets()

    assert snaptime(ml) == before
    assert ml.catalog_snapshot(f"{lab.catalog_id}@{before}").images() == ml.images()


def test_one_with_a_constructor_of_its_own_reads_snapshots_as_the_kits_class(lab, tmp_path) -> None:
    ml = NamedML(lab, tmp_path)

    assert type(ml.catalog_snapshot(f"{lab.catalog_id}@{snaptime(ml)}")) is DerivaML
