"""The one next step of cycle zero, as a command to type with host and catalog filled in.

In: the phases as they were judged, and what they were judged by. Out: `Step`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deriva_ml_kit import local
from deriva_ml_kit.design.lint import APPROVED, BUILT
from deriva_ml_kit.project.holdings import Holdings
from deriva_ml_kit.project.phases import Judge, Phase, State
from deriva_ml_kit.project.survey import Survey


@dataclass(frozen=True)
class Step:
    """What to do next, and the command to type."""

    what: str
    command: str


def next_step(judge: Judge, phases: Iterable[Phase]) -> Step:
    """The step that leads to the first phase that is not done."""
    return _Steps(judge, judge.seen, judge.held, judge.hostname).first(phases)


@dataclass
class _Steps:
    judge: Judge
    seen: Survey
    held: Holdings | None
    hostname: str | None

    def first(self, phases: Iterable[Phase]) -> Step:
        """The step that leads to the first phase that is not done."""
        first = next((phase for phase in phases if phase.state is not State.DONE), None)
        if first is None:
            return self._after()
        if first.number > 1 and self.held is None and self.judge.why:
            return Step(f"Reach the catalog: {self.judge.why.message}", self.judge.why.remedy or self._schema().command)
        if first.number >= 5 and self.seen.uncommitted:
            count = len(self.seen.uncommitted)
            return Step(
                f"Commit first ({count} file{'s' * (count > 1)}): a receipt counts for a commit",
                'git add --all && git commit -m "…"',
            )
        steps = (
            self._specify,
            self._schema,
            self._dataset,
            self._labels,
            lambda: Step("Tier 1: try it on two batches, nothing is written", self._play(small=True, dry=True)),
            lambda: Step("Tier 2: a real run on the development dataset", self._play(small=True, dry=False)),
            self._tier3,
            self._verdict,
        )
        return steps[first.number - 1]()

    def _specify(self) -> Step:
        design = self.seen.design
        if design is None:
            slug = re.sub(r"[^a-z0-9]+", "-", self.seen.root.name.lower()).strip("-") or "first-model"
            return Step(
                "Write down what the model is for, before schema and code", f"uv run lint-design --new model {slug}"
            )
        name = self._near(design.file)
        return Step(
            f"Complete {name}, let those who decide set Status: {APPROVED}, commit", f"uv run lint-design {name}"
        )

    def _schema(self) -> Step:
        if not self.hostname:
            running = local.status()
            if running is None:
                return Step(
                    "Start a catalog on this machine, or name another host with --hostname", "uv run deriva-local start"
                )
            self.hostname = running.hostname
        script = self.seen.scripts.get("schema")
        catalog = f" --catalog-id {self.judge.catalog_id}" if self.judge.catalog_id and self.held else ""
        what = "Make the tables, vocabularies and features that are missing"
        if script is None:
            what = "Write src/scripts/make_schema.py (the skill's references/schema-in-python.md says how), and run it"
        return Step(what, f"uv run python {script or 'src/scripts/make_schema.py'} --hostname {self.hostname}{catalog}")

    def _dataset(self) -> Step:
        labels = self.seen.labels
        rows = self.held.rows if self.held else {}
        if labels and rows.get(labels.table) == 0 and (script := self.seen.scripts.get("ingest")):
            return Step(f"Bring records into {labels.table}", self._script(script, "Ingest"))
        if labels and self._no_labels():
            return self._populate()
        table = labels.table if labels else next(iter(self.held.elements if self.held else ()), "<Table>")
        script = self.seen.scripts.get("development")
        program = f"uv run python {script}" if script else "uv run deriva-ml-kit make-dev-dataset"
        label = labels.name if labels else "<Feature>"
        return Step(
            "Make a small dataset with every class in it, and commit its pin",
            f"{program} {self._where()} --workflow-type Dataset_Management --element-table {table} --label {label}",
        )

    def _labels(self) -> Step:
        labels = self.seen.labels
        if labels is None:
            return self._specify()
        if self._no_labels() or self.judge.development is None:
            return self._populate()
        pin = self.judge.development.pin
        return Step(
            f"Label the members that lack one; then a new version of {pin.rid} has to be made and pinned",
            self._populate().command,
        )

    def _no_labels(self) -> bool:
        labels = self.seen.labels
        feature = self.held.features.get((labels.table, labels.name)) if self.held and labels else None
        return feature is not None and self.held is not None and self.held.rows.get(feature.table) == 0

    def _populate(self) -> Step:
        labels = self.seen.labels
        assert labels is not None
        script = self.seen.scripts.get("labels", "src/scripts/populate_feature_values.py")
        found = sorted(self._near(path) for path in self.seen.root.glob("labels/*.csv"))
        return Step(
            f"Bring in the labels: values of {labels}",
            f"{self._script(script, 'Annotation')} --csv {found[0] if found else 'labels/<file>.csv'} "
            f"--target-table {labels.table} --feature-name {labels.name}",
        )

    def _tier3(self) -> Step:
        pinned = {pin.name for pin in self.seen.pins}
        lacking = [pin for group in self.seen.groups for pin in group.roles.values() if pin not in pinned]
        if lacking and (script := self.seen.scripts.get("split")):
            return Step(
                f"Make the full dataset and its split (no pin {lacking[0]} yet), and commit the pins",
                self._script(script, "Dataset_Management"),
            )
        small = self.judge.development.pin.rid if self.judge.development else None
        full = [each for each in self.judge.receipts if small not in {dataset.rid for dataset in each.datasets}]
        if self.judge.fitting(full) is None:
            return Step("Tier 1 again, of exactly what tier 3 will run", self._play(small=False, dry=True))
        return Step("Tier 3: the full dataset", self._play(small=False, dry=False))

    def _verdict(self) -> Step:
        run = self.judge.best(3)
        design = f" --design {self._near(self.seen.design.file)}" if self.seen.design else ""
        return Step(
            "Compare the result with the threshold, and write the verdict down",
            f"uv run record-verdict --execution {run.execution if run else '<RID>'}{design} {self._where()}",
        )

    def _after(self) -> Step:
        design = self.seen.design
        if design and design.status and design.status.word == BUILT:
            return Step(
                "The threshold was missed: change one thing, commit, and go back to tier 1",
                self._play(small=False, dry=True),
            )
        return Step("Cycle zero is done: the next run answers a question", "uv run lint-design --new experiment <slug>")

    def _play(self, *, small: bool, dry: bool) -> str:
        pin = self.judge.development.pin if self.judge.development else None
        design = self.seen.design
        if not self.seen.experiments and (script := self.seen.scripts.get("train")):
            dataset = f" --dataset {pin}" if pin and small else " --dataset <RID>@<version>"
            return f"{self._script(script, 'Training')}{dataset}{' --dry-run' if dry else ''}"
        chosen = design.config if design and (design.config or "").startswith("+experiment=") else None
        words = [chosen or f"+experiment={next(iter(self.seen.experiments), '<name>')}"]
        if small and pin:
            role = next((role for group in self.seen.groups for role in group.roles), "training")
            words += [f"datasets.{role}.rid={pin.rid}", f"datasets.{role}.version={pin.version}"]
            if design and any(each.name == "epochs" for each in design.hyperparameters):
                words.append("model_config.epochs=3")
        if dry:
            words.append("dry_run=true")
        if self.seen.catalog is None or self.seen.catalog[:2] != (self.hostname, self.judge.catalog_id):
            words += ["--host", self.hostname or "<host>", "--catalog", self.judge.catalog_id or "<id>"]
        return " ".join(["uv run deriva-ml-run", *words])

    def _script(self, script: str, workflow_type: str) -> str:
        return f"uv run python {script} {self._where()} --workflow-type {workflow_type}"

    def _where(self) -> str:
        return f"--hostname {self.hostname or '<host>'} --catalog-id {self.judge.catalog_id or '<id>'}"

    def _near(self, path: Path) -> str:
        return path.relative_to(self.seen.root).as_posix()
