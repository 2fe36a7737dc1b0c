"""The tier of a run, as the catalog counts its records; and the commands that a refusal names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from bench import Bench, bench
from receipts import DEV, FULL, receipt, request

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DatasetSpec, DerivaML, ExecutionConfiguration, Workflow
from deriva_ml_kit.tiers import gate, reentry
from deriva_ml_kit.tiers.gate import tier_of

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def lab(local_host: Any) -> Bench:
    return bench(local_host.hostname)


@pytest.fixture(scope="module")
def ml(lab: Bench, tmp_path_factory: pytest.TempPathFactory) -> DerivaML:
    return lab.connect(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def nested(lab: Bench, ml: DerivaML) -> DatasetSpec:
    """A dataset of ten images that holds the dataset of all sixty; later it loses its own."""
    workflow = Workflow(
        name="Make", workflow_type="Training", url="https://example.org/m.py", checksum="1", version="1"
    )
    with ml.create_execution(ExecutionConfiguration(description="nested"), workflow=workflow) as exe:
        dataset = exe.create_dataset(["Training"], description="nested")
        dataset.add_dataset_members({"Image": list(lab.images[:10]), "Dataset": [lab.dataset]})
        version = dataset.release("minor", "whole")
        dataset.delete_dataset_members(list(lab.images[:10]))
        dataset.delete_dataset_members([lab.dataset])
    exe.commit_output_assets()
    return DatasetSpec(rid=dataset.dataset_rid, version=version)


def tier(ml: DerivaML, datasets: list[DatasetSpec], **more: Any) -> int:
    return tier_of(ml, datasets, **({"dry_run": False, "asked": None, "override": None} | more))[0]


def test_records_are_counted_once_in_the_version_that_is_used(ml: DerivaML, lab: Bench, nested: DatasetSpec) -> None:
    found, inputs = tier_of(ml, [lab.spec, nested], dry_run=False, asked=None, override=None)
    assert [(each.rid, each.version, each.records, each.types) for each in inputs] == [
        (lab.dataset, lab.version, 60, ("Training",)),
        (nested.rid, str(nested.version), 60, ("Training",)),
    ]
    assert found == 2


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sixty records are many."""
    monkeypatch.setattr(reentry, "SMALL_RECORDS", 50)
    yield


@pytest.mark.usefixtures("large")
def test_a_tier_is_raised_by_asking_and_lowered_only_with_a_reason(ml: DerivaML, lab: Bench) -> None:
    assert tier(ml, [lab.spec]) == 3
    assert tier(ml, [lab.spec], dry_run=True, asked=3) == 1
    assert tier(ml, [lab.spec], asked=2, override="they are tiny") == 2
    with pytest.raises(UsageError, match=rf"This is tier 3: {lab.dataset} holds 60 records"):
        tier(ml, [lab.spec], asked=2)


def test_a_small_run_is_raised_by_asking(ml: DerivaML, lab: Bench) -> None:
    assert tier(ml, [lab.spec], asked=3) == 3


def test_a_run_without_datasets_is_a_full_one_unless_it_is_said_to_be_small(ml: DerivaML) -> None:
    assert tier(ml, []) == 3
    assert tier(ml, [], asked=2) == 2


@pytest.mark.parametrize(("asked", "said"), [(1, "Tier 1 is the dry run"), (0, "Give 2 or 3"), (4, "Give 2 or 3")])
def test_other_tiers_do_not_exist(ml: DerivaML, asked: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tier(ml, [], asked=asked)


HYDRA = "uv run deriva-ml-run +experiment=x"
SCRIPT = "uv run python src/scripts/train.py --hostname h --dataset 2-FULL@1.2.0 --dataset=2-B@1.0.0"
BEFORE = receipt(tier=2, execution_rid="2-EXE0")


@pytest.mark.parametrize(
    ("command", "changes", "before", "expected"),
    [
        (HYDRA, {}, BEFORE, f"{HYDRA} datasets.training.rid=2-DEV0 datasets.training.version=0.1.0"),
        (HYDRA, {"datasets": (DEV,)}, None, f"{HYDRA} tier=2"),
        (HYDRA, {"datasets": ()}, None, f"{HYDRA} tier=2"),
        (SCRIPT, {}, BEFORE, "uv run python src/scripts/train.py --hostname h --dataset 2-DEV0@0.1.0"),
        (SCRIPT, {"datasets": (DEV,)}, None, f"{SCRIPT} --tier 2"),
        (None, {}, BEFORE, "this run on a dataset of at most 200 records, or of type Development"),
        (HYDRA, {"datasets": (FULL, FULL)}, None, "make-dev-dataset --hostname localhost:8443 --catalog-id 1"),
    ],
)
def test_the_command_of_tier_2_is_exact(command: str | None, changes: Any, before: Any, expected: str) -> None:
    asked = replace(request(3, **changes), command=command)
    assert expected in gate._on_small(asked, None, before)


def test_the_newest_development_dataset_is_proposed(ml: DerivaML, lab: Bench, nested: DatasetSpec) -> None:
    asked = replace(request(3), command=HYDRA)
    assert gate._development(ml) is None
    ml.add_term("Dataset_Type", "Development", description="Small, for trying things out")
    dataset = ml.lookup_dataset(lab.dataset)
    dataset.add_dataset_type("Development")
    try:
        command = gate._on_small(asked, ml, None)
    finally:
        dataset.remove_dataset_type("Development")
    assert command == f"{HYDRA} datasets.training.rid={lab.dataset} datasets.training.version={lab.version}"
