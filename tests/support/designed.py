"""A repository with a design document, and a catalog with executions whose receipts say what a test wants."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from bench import DIGITS, Bench, Repository, bench

from deriva_ml_kit.mainline import DatasetSpec, DerivaML, ExecutionConfiguration, Workflow
from deriva_ml_kit.runner.outputs import attach
from deriva_ml_kit.tiers.receipt import (
    Check,
    Code,
    DatasetInput,
    Environment,
    Override,
    Receipt,
    Status,
    document,
    seal,
)

DESIGN = """\
# Three digits

Status: Approved

## Goal
Which of three digits an image shows.

## Requirements
- Architecture: one layer
- Hyperparameters: none
- Input features: `Label` on `Image`
- Outputs: `Predicted` on `Image`

## Validation
- Metric: accuracy
- Dataset: `testing`
- Predictions: `Predicted` on `Image`
- Labels: `Label` on `Image`
- Threshold: accuracy >= 0.9

## Upstream designs
- None
"""
PATH = "docs/design/model/three-digits.md"


@dataclass
class Lab:
    """A repository with a design, and a catalog with a dataset of which a part is for testing."""

    bench: Bench
    ml: DerivaML
    repository: Repository
    outer: DatasetSpec
    testing: str
    labels: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        file = self.repository.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, name: str) -> str:
        return (self.repository.root / name).read_text()

    def commit(self) -> None:
        self.repository.git("add", "-A")
        self.repository.git("commit", "-q", "--allow-empty", "-m", "A version")

    def run(
        self,
        *,
        wrong: int = 0,
        lacking: int = 0,
        metrics: dict[str, Any] | None = None,
        values: bool = True,
        tier: int | None = 3,
        overrides: tuple[str, ...] = (),
        description: str = "All of it",
    ) -> str:
        """Make an execution that predicts the testing images, some of them wrongly; gives its RID."""
        workflow = Workflow(
            name="T", workflow_type="Training", url="https://example.org/t.py", checksum="1", version="1"
        )
        config = ExecutionConfiguration(datasets=[self.outer], description=description)
        with self.ml.create_execution(config, workflow=workflow) as exe:
            if values:
                record = self.ml.feature_record_class("Image", "Predicted")
                rids = sorted(self.labels)[lacking:]
                exe.add_features(
                    [record(Image=rid, Digit=self.guess(rid, right=n >= wrong)) for n, rid in enumerate(rids)]
                )
            if metrics is not None:
                file = exe.asset_file_path("Execution_Asset", "metrics.json", asset_types="Output_File")
                Path(file).write_text(json.dumps(metrics))
        exe.commit_output_assets()
        if tier:
            text = document(self.receipt(tier, execution=exe.execution_rid, overrides=overrides))
            attach(self.ml, exe.execution_rid, f"receipt-tier{tier}.json", text)
        return exe.execution_rid

    def guess(self, rid: str, *, right: bool) -> str:
        digit = self.labels[rid]
        return digit if right else DIGITS[(DIGITS.index(digit) + 1) % len(DIGITS)]

    def receipt(
        self, tier: int, *, execution: str | None = None, overrides: tuple[str, ...] = (), **more: Any
    ) -> Receipt:
        """A sealed receipt for what is checked out."""
        now = datetime.now(UTC)
        root = self.repository
        given = dict[str, Any](
            tier=tier,
            name="train",
            made=now,
            hostname=self.bench.hostname,
            catalog_id=self.bench.catalog_id,
            execution_rid=execution,
            config={},
            config_hash="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            code=Code(commit=root.git("rev-parse", "HEAD"), dirty=False, repository=str(root.root), script="train.py"),
            datasets=(DatasetInput(role="training", rid=self.outer.rid, version=str(self.outer.version)),),
            assets=(),
            environment=Environment(python="3", platform="x", packages={}),
            checks=(Check(id="a", title="A", status=Status.PASS),),
            verdict=Status.PASS,
            overrides=tuple(Override(tier=3, reason=each, by="me", at=now, missing=()) for each in overrides),
        )
        return seal(Receipt(**(given | more)))


@cache
def parts(hostname: str) -> tuple[Bench, DerivaML, DatasetSpec, str, dict[str, str]]:
    """The catalog, a dataset with one for testing in it, the pin of that, and its labels."""
    bench_ = bench(hostname)
    ml = bench_.connect(Path(tempfile.mkdtemp(prefix="designed-", dir=Path.home())))
    workflow = Workflow(name="D", workflow_type="Training", url="https://example.org/d.py", checksum="1", version="1")
    with ml.create_execution(ExecutionConfiguration(description="Split"), workflow=workflow) as exe:
        testing = exe.create_dataset(["Testing"], description="For testing")
        testing.add_dataset_members({"Image": list(bench_.images[:20])})
        testing.release("minor", "Twenty", exe)
        outer = exe.create_dataset(["Split"], description="Both")
        outer.add_dataset_members({"Dataset": [testing.dataset_rid]})
        outer.release("minor", "One of two", exe)
    exe.commit_output_assets()
    labels = {rid: DIGITS[n % len(DIGITS)] for n, rid in enumerate(bench_.images[:20])}
    spec = DatasetSpec(rid=outer.dataset_rid, version=str(outer.current_version))
    return bench_, ml, spec, f"{testing.dataset_rid}@{testing.current_version}", labels


def lab_in(root: Path, hostname: str) -> Lab:
    """A committed repository with the design, a pin and the catalog's name."""
    bench_, ml, outer, testing, labels = parts(hostname)
    made = Lab(bench_, ml, Repository(root), outer, testing, labels)
    made.write(PATH, DESIGN)
    made.write("src/configs/datasets.toml", f'testing = "{testing}"\n')
    made.write("src/configs/catalog.json", json.dumps({"hostname": hostname, "catalog_id": bench_.catalog_id}))
    made.commit()
    return made
