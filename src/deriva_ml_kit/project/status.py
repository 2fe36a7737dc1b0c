"""How far cycle zero is: for each phase what is done and on which evidence, and the one next step.

In: what the repository says (`survey`) and what the catalog holds (`holdings`), or why it could not be asked.
Out: `Progress`. Each phase is judged by evidence of its own; what cannot be seen is "cannot tell", never "done".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from deriva_ml_kit import local
from deriva_ml_kit.design.document import FOLDER, VALIDATION
from deriva_ml_kit.design.lint import APPROVED, BUILT, RID, VALIDATED, faults_of
from deriva_ml_kit.project.holdings import Held, Holdings, Run, Unreachable, holdings
from deriva_ml_kit.project.survey import Named, Survey, survey
from deriva_ml_kit.tiers.receipt import Receipt, Status, local_receipts

DEVELOPMENT = "Development"
SIZE = range(50, 201)
_DOCUMENTS = (".md", ".rst", ".txt")
_SHOWN = 4


class State(StrEnum):
    """What can be said of a phase."""

    DONE = "done"
    OPEN = "not done"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class Phase:
    """A phase of cycle zero.

    Attributes:
        number: 1 to 8.
        title: Its name.
        state: Whether it is done.
        evidence: On what that is said, or what is missing.
    """

    number: int
    title: str
    state: State
    evidence: str


@dataclass(frozen=True)
class Step:
    """What to do next, and the command to type."""

    what: str
    command: str


@dataclass(frozen=True)
class Progress:
    """How far a project is.

    Attributes:
        root: The repository's folder.
        catalog: Host and catalog, or why the catalog could not be asked.
        phases: All eight.
        next: The one next step.
        overrides: Runs that began without what a tier asks for.
    """

    root: Path
    catalog: str
    phases: tuple[Phase, ...]
    next: Step
    overrides: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "root": str(self.root),
            "catalog": self.catalog,
            "phases": [asdict(phase) | {"state": str(phase.state)} for phase in self.phases],
            "next": asdict(self.next),
            "overrides": list(self.overrides),
        }


def progress(folder: Path, hostname: str | None = None, catalog_id: str | None = None) -> Progress:
    """Judge the project in a folder.

    Args:
        folder: Anywhere in its repository.
        hostname: Host of its catalog; the one that a file of the project names where not given.
        catalog_id: The catalog; likewise.
    """
    seen = survey(folder)
    if seen.catalog:
        hostname, catalog_id = hostname or seen.catalog[0], catalog_id or seen.catalog[1]
    held: Holdings | None = None
    why: Unreachable | None = None
    if hostname and catalog_id:
        try:
            held = holdings(hostname, catalog_id, seen.pins, seen.labels)
        except Unreachable as error:
            why = error
    judge = _Judge(seen, held, why, hostname, catalog_id, local_receipts(seen.root))
    phases = tuple(judge.phases())
    named = f"{catalog_id} on {hostname}" if hostname and catalog_id else "none named yet"
    return Progress(
        root=seen.root,
        catalog=f"{named}: {why.message}" if why else named,
        phases=phases,
        next=judge.next_step(phases),
        overrides=tuple(dict.fromkeys(judge.overrides())),
    )


@dataclass
class _Judge:
    seen: Survey
    held: Holdings | None
    why: Unreachable | None
    hostname: str | None
    catalog_id: str | None
    receipts: list[Receipt]
    development: Held | None = field(default=None, init=False)

    def phases(self) -> Iterator[Phase]:
        for number, (title, judge) in enumerate(
            (
                ("Specify", self._specify),
                ("Schema", self._schema),
                ("Development dataset", self._dataset),
                ("Features and labels", self._labels),
                ("Tier 1: dry run", self._tier1),
                ("Tier 2: small data", self._tier2),
                ("Tier 3: production", self._tier3),
                ("Verdict", self._verdict),
            ),
            start=1,
        ):
            state, evidence = judge()
            yield Phase(number, title, state, evidence)

    # What is done

    def _specify(self) -> tuple[State, str]:
        design = self.seen.design
        if design is None:
            return State.OPEN, f"no document in {FOLDER}/model/"
        name = design.file.relative_to(self.seen.root).as_posix()
        word = design.status.word if design.status else "no status"
        if word not in (APPROVED, BUILT, VALIDATED):
            return State.OPEN, f"{name} is {word}; it counts when it is {APPROVED}"
        if not design.thresholds:
            return State.OPEN, f"{name} states no threshold with a number"
        wrong = len(list(faults_of(design)))
        told = f"; lint-design finds {wrong} to change" if wrong else ""
        return State.DONE, f"{name}: {word}, {', '.join(map(str, design.thresholds))}{told}"

    def _schema(self) -> tuple[State, str]:
        names = list({str(each): each for each in self.seen.named}.values())
        if self.held is None:
            told = f"the project names {_listed(names)}" if names else "the project names no table"
            return self._unknown(told)
        if "Dataset" not in self.held.tables:
            return State.OPEN, f"catalog {self.catalog_id} has no DerivaML tables"
        missing = [each for each in names if not self._exists(each)]
        if missing:
            return State.OPEN, f"not in the catalog: {', '.join(f'{each} ({each.place})' for each in missing[:_SHOWN])}"
        if not names:
            return (
                State.UNKNOWN,
                "neither a design nor a script names tables (looked for create_asset(…), create_feature(…))",
            )
        return State.DONE, f"{len(names)} tables and features that the project names are there: {_listed(names)}"

    def _exists(self, named: Named) -> bool:
        assert self.held is not None
        if named.feature:
            return (named.table, named.feature) in self.held.features
        return named.table in self.held.tables

    def _dataset(self) -> tuple[State, str]:
        pins = self.seen.pins
        if not pins:
            return State.OPEN, 'no pin: looked for name = "RID@version" in TOML files, DatasetSpecConfig(…) in sources'
        if self.held is None:
            return self._unknown(f"pinned: {', '.join(f'{pin.name} = {pin}' for pin in pins[:_SHOWN])}")
        wrong = []
        for pin in pins:
            held = self.held.datasets.get(pin.rid)
            total = sum(held.records.values()) if held else 0
            if held is None:
                wrong.append(f"{pin.name} = {pin}: no such dataset")
            elif pin.version not in held.versions:
                wrong.append(f"{pin.name} = {pin}: no such version")
            elif DEVELOPMENT in held.types and total not in SIZE:
                wrong.append(f"{pin.name} = {pin}: {total} records, not {SIZE.start} to {SIZE.stop - 1}")
            elif DEVELOPMENT in held.types:
                self.development = held
                return State.DONE, f"{pin.name} = {pin} in {pin.file}: {DEVELOPMENT}, {total} records"
        return State.OPEN, "; ".join(wrong[:_SHOWN]) or f"no pinned dataset is of type {DEVELOPMENT}"

    def _labels(self) -> tuple[State, str]:
        design = self.seen.design
        item = design.item(VALIDATION, "Labels") if design else None
        if item and item.text.lower().startswith("none"):
            return State.DONE, "the design needs no labels"
        feature = self.seen.labels
        if feature is None:
            return State.UNKNOWN, "the design names no labels: under Validation, - Labels: `Feature` on `Table`"
        if self.held is None:
            return self._unknown(f"the design names {feature}")
        if (feature.table, feature.name) not in self.held.features:
            return State.OPEN, f"the catalog has no feature {feature}"
        if self.development is None:
            return State.OPEN, "no development dataset yet, of which members could have labels"
        total, labelled = self.development.records.get(feature.table, 0), self.development.labelled or 0
        told = f"{labelled} of {total} members of {self.development.pin} have {feature.name}"
        return (State.DONE if total and labelled == total else State.OPEN), told

    def _tier1(self) -> tuple[State, str]:
        fitting = self._fitting(self.receipts)
        if fitting:
            return (
                State.DONE,
                f"receipt of {fitting.made:%Y-%m-%d %H:%M} for {self._commit(fitting)}, {_passed(fitting)}",
            )
        for tier in (2, 3):
            run = self._best(tier)
            if run and run.receipt and self._fits(run.receipt):
                return State.DONE, f"by it execution {run.execution} (tier {tier}) was let in"
        newest = next((each for each in self.receipts if each.tier == 1), None)
        if newest is None:
            return State.OPEN, "no receipt of tier 1 in .deriva-ml/receipts"
        return State.OPEN, f"the newest receipt does not fit: {self._unfit(newest)}"

    def _tier2(self) -> tuple[State, str]:
        return self._run(2)

    def _tier3(self) -> tuple[State, str]:
        return self._run(3)

    def _run(self, tier: int) -> tuple[State, str]:
        if self.held is None:
            return self._unknown("receipts of real runs are in the catalog")
        run = self._best(tier)
        if run is None or run.receipt is None:
            return State.OPEN, f"no execution with a receipt of tier {tier}" + (f": {run.why}" if run else "")
        receipt = run.receipt
        if not run.passed:
            failed = [check.id for check in receipt.checks if check.status is Status.FAIL]
            told = f"failed: {', '.join(failed)}" if failed else f"status {run.status}, verdict {receipt.verdict}"
            return State.OPEN, f"execution {run.execution} did not pass ({told})"
        changed = self._code_since(receipt)
        if tier == 2 and changed and not self._judged():
            return (
                State.OPEN,
                f"execution {run.execution} passed, but since then changed: {', '.join(changed[:_SHOWN])}",
            )
        return State.DONE, f"execution {run.execution} at {self._commit(receipt)}, {_passed(receipt)}{_told(receipt)}"

    def _verdict(self) -> tuple[State, str]:
        design = self.seen.design
        status = design.status if design else None
        if design is None or status is None or status.word not in (BUILT, VALIDATED):
            return State.OPEN, f"the design is {status.word if status else 'not there'}"
        found = RID.search(status.evidence)
        if found is None:
            return State.OPEN, f"{status.word}, and no execution is named for it"
        known = {run.execution for run in self.held.runs.get(3, [])} if self.held else None
        told = "" if known is None or found[0] in known else "; not among the newest tier 3 runs of this catalog"
        return State.DONE, f"{status.word} ({status.evidence}){told}"

    # What comes next

    def next_step(self, phases: Iterable[Phase]) -> Step:
        """The step that leads to the first phase that is not done."""
        first = next((phase for phase in phases if phase.state is not State.DONE), None)
        if first is None:
            return self._after()
        if first.number > 1 and self.held is None and self.why:
            return Step(f"Reach the catalog: {self.why.message}", self.why.remedy or self._schema_step().command)
        if first.number >= 5 and self.seen.uncommitted:
            count = len(self.seen.uncommitted)
            return Step(
                f"Commit first, {count} files differ: a receipt counts for a commit",
                'git add --all && git commit -m "…"',
            )
        steps = (
            self._specify_step,
            self._schema_step,
            self._dataset_step,
            self._labels_step,
            lambda: Step("Tier 1: try it on two batches, nothing is written", self._play(small=True, dry=True)),
            lambda: Step("Tier 2: a real run on the development dataset", self._play(small=True, dry=False)),
            self._tier3_step,
            self._verdict_step,
        )
        return steps[first.number - 1]()

    def _specify_step(self) -> Step:
        design = self.seen.design
        if design is None:
            slug = re.sub(r"[^a-z0-9]+", "-", self.seen.root.name.lower()).strip("-") or "first-model"
            return Step(
                "Write down what the model is for, before schema and code", f"uv run lint-design --new model {slug}"
            )
        name = design.file.relative_to(self.seen.root).as_posix()
        return Step(
            f"Complete {name}, let those who decide set Status: {APPROVED}, commit", f"uv run lint-design {name}"
        )

    def _schema_step(self) -> Step:
        if not self.hostname:
            running = local.status()
            if running is None:
                return Step(
                    "Start a catalog on this machine, or name another host with --hostname", "uv run deriva-local start"
                )
            self.hostname = running.hostname
        script = self.seen.scripts.get("schema")
        catalog = f" --catalog-id {self.catalog_id}" if self.catalog_id and self.held else ""
        what = "Make the tables, vocabularies and features that are missing"
        if script is None:
            what = "Write src/scripts/make_schema.py (the skill's references/schema-in-python.md says how), and run it"
        return Step(what, f"uv run python {script or 'src/scripts/make_schema.py'} --hostname {self.hostname}{catalog}")

    def _dataset_step(self) -> Step:
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

    def _labels_step(self) -> Step:
        labels = self.seen.labels
        if labels is None:
            return self._specify_step()
        if self._no_labels() or self.development is None:
            return self._populate()
        pin = self.development.pin
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
        found = sorted(path.relative_to(self.seen.root).as_posix() for path in self.seen.root.glob("labels/*.csv"))
        return Step(
            f"Bring in the labels: values of {labels}",
            f"{self._script(script, 'Annotation')} --csv {found[0] if found else 'labels/<file>.csv'} "
            f"--target-table {labels.table} --feature-name {labels.name}",
        )

    def _tier3_step(self) -> Step:
        pinned = {pin.name for pin in self.seen.pins}
        lacking = [pin for group in self.seen.groups for pin in group.roles.values() if pin not in pinned]
        if lacking and (script := self.seen.scripts.get("split")):
            return Step(
                f"Make the full dataset and its split (no pin {lacking[0]} yet), and commit the pins",
                self._script(script, "Dataset_Management"),
            )
        small = self.development.pin.rid if self.development else None
        full = [each for each in self.receipts if small not in {dataset.rid for dataset in each.datasets}]
        if self._fitting(full) is None:
            return Step("Tier 1 again, of exactly what tier 3 will run", self._play(small=False, dry=True))
        return Step("Tier 3: the full dataset", self._play(small=False, dry=False))

    def _verdict_step(self) -> Step:
        run = self._best(3)
        design = f" --design {self.seen.design.file.relative_to(self.seen.root).as_posix()}" if self.seen.design else ""
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
        pin = self.development.pin if self.development else None
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
        if self.seen.catalog is None or self.seen.catalog[:2] != (self.hostname, self.catalog_id):
            words += ["--host", self.hostname or "<host>", "--catalog", self.catalog_id or "<id>"]
        return " ".join(["uv run deriva-ml-run", *words])

    def _script(self, script: str, workflow_type: str) -> str:
        return f"uv run python {script} {self._where()} --workflow-type {workflow_type}"

    def _where(self) -> str:
        return f"--hostname {self.hostname or '<host>'} --catalog-id {self.catalog_id or '<id>'}"

    # Evidence

    def overrides(self) -> Iterator[str]:
        """Every override of a run that is seen here."""
        runs = [run for tier in (2, 3) for run in self.held.runs.get(tier, [])] if self.held else []
        found = [(f"execution {run.execution}", run.receipt) for run in runs if run.receipt]
        found += [("local receipt", receipt) for receipt in self.receipts]
        for where, receipt in found:
            for each in receipt.overrides:
                lacked = ", ".join(each.missing) or "its receipts"
                yield f"{where}: tier {each.tier} without {lacked}: {each.reason} ({each.by})"

    def _unknown(self, told: str) -> tuple[State, str]:
        why = self.why.message if self.why else "no catalog is named"
        return State.UNKNOWN, f"{told}; the catalog was not asked: {why}"

    def _best(self, tier: int) -> Run | None:
        """The newest run of a tier that passed, else the newest."""
        runs = self.held.runs.get(tier, []) if self.held else []
        return next((run for run in runs if run.passed), next(iter(runs), None))

    def _fitting(self, receipts: Iterable[Receipt]) -> Receipt | None:
        return next((each for each in receipts if each.tier == 1 and not self._unfit(each)), None)

    def _unfit(self, receipt: Receipt) -> str:
        """Why a receipt of tier 1 does not count for what is checked out; empty if it does."""
        if receipt.verdict is not Status.PASS:
            return f"its verdict is {receipt.verdict}"
        if self.hostname and (receipt.hostname, receipt.catalog_id) != (self.hostname, self.catalog_id):
            return f"it is for catalog {receipt.catalog_id} on {receipt.hostname}"
        if receipt.code.dirty:
            return "files were not committed when it was made"
        if not self._fits(receipt):
            changed = self._code_since(receipt)
            return f"code changed since: {', '.join(changed[:_SHOWN])}" if changed else "its commit is not here"
        return ""

    def _fits(self, receipt: Receipt) -> bool:
        return self._code_since(receipt) == []

    def _code_since(self, receipt: Receipt) -> list[str] | None:
        """Files that decide what runs, and changed since a receipt's commit; None if that is not known."""
        changed = self.seen.changed_since(receipt.code.commit)
        return None if changed is None else [path for path in changed if not _is_document(path)]

    def _commit(self, receipt: Receipt) -> str:
        here = " (checked out)" if receipt.code.commit == self.seen.commit else ""
        return f"commit {receipt.code.commit[:8]}{here}"

    def _judged(self) -> bool:
        status = self.seen.design.status if self.seen.design else None
        return status is not None and status.word in (BUILT, VALIDATED)


def _is_document(path: str) -> bool:
    """Whether a file says nothing about what runs; a pin or a catalog's name is told by the receipt itself."""
    parts = PurePosixPath(path)
    return (
        parts.suffix in _DOCUMENTS
        or parts.name in ("LICENSE", "NOTICE", ".gitignore")
        or parts.parts[0] in ("docs", "tests", "labels")
        or (parts.suffix in (".toml", ".json") and len(parts.parts) > 1)
    )


def _listed(names: list[Named]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + more


def _passed(receipt: Receipt) -> str:
    passed = sum(check.status is Status.PASS for check in receipt.checks)
    return f"{passed} of {len(receipt.checks)} checks passed"


def _told(receipt: Receipt) -> str:
    return "".join(f"; OVERRIDE of tier {each.tier}: {each.reason}" for each in receipt.overrides)
