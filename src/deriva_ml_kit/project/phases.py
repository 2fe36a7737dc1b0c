"""The phases of cycle zero, each judged by evidence of its own.

In: what the repository says (`survey`), what the catalog holds (`holdings`) or why it could not be asked, and the local
receipts. Out: `Phase`s. What cannot be seen is "cannot tell", never "done".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from deriva_ml_kit.design.document import FOLDER, VALIDATION
from deriva_ml_kit.design.lint import APPROVED, BUILT, RID, VALIDATED, faults_of
from deriva_ml_kit.project.holdings import Held, Holdings, Run, Unreachable
from deriva_ml_kit.project.survey import Named, Survey
from deriva_ml_kit.tiers.receipt import Receipt, Status
from deriva_ml_kit.tiers.reentry import harmless

DEVELOPMENT = "Development"
SIZE = range(50, 201)
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


@dataclass
class Judge:
    """Judges a project, phase by phase.

    Attributes:
        seen: What the repository says.
        held: What the catalog holds; None where it was not asked.
        why: Why it could not be asked.
        hostname: Host of the catalog.
        catalog_id: The catalog.
        receipts: The receipts in the repository, newest first.
        development: The development dataset, once its phase was judged.
    """

    seen: Survey
    held: Holdings | None
    why: Unreachable | None
    hostname: str | None
    catalog_id: str | None
    receipts: list[Receipt]
    development: Held | None = field(default=None, init=False)

    def phases(self) -> Iterator[Phase]:
        """Judge all phases, in order."""
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
        word = design.status.word if design.status else ""
        if word not in (APPROVED, BUILT, VALIDATED):
            return State.OPEN, f"{name} {f'is {word}' if word else 'has no status'}; it counts when it is {APPROVED}"
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
        fitting = self.fitting(self.receipts)
        if fitting:
            return (
                State.DONE,
                f"receipt of {fitting.made:%Y-%m-%d %H:%M} for {self._commit(fitting)}, {_passed(fitting)}",
            )
        for tier in (2, 3):
            run = self.best(tier)
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
        run = self.best(tier)
        if run is None or run.receipt is None:
            others = self.held.others.get(tier, 0)
            told = f": {run.why}" if run else f"; {others} of other repositories" if others else ""
            return State.OPEN, f"no execution with a receipt of tier {tier}{told}"
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
        newest = self.best(3)
        told = f"; the newest tier 3 run is {newest.execution}" if newest and newest.execution != found[0] else ""
        return State.DONE, f"{status.word} ({status.evidence}){told}"

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

    def best(self, tier: int) -> Run | None:
        """The newest run of a tier that passed, else the newest."""
        runs = self.held.runs.get(tier, []) if self.held else []
        return next((run for run in runs if run.passed), next(iter(runs), None))

    def fitting(self, receipts: Iterable[Receipt]) -> Receipt | None:
        """The first receipt of tier 1 that counts for what is checked out."""
        return next((each for each in receipts if each.tier == 1 and not self._unfit(each)), None)

    def _unfit(self, receipt: Receipt) -> str:
        """Why a receipt of tier 1 does not count for what is checked out; empty if it does."""
        if receipt.verdict is not Status.PASS:
            return f"its verdict is {receipt.verdict}"
        if self.hostname and (receipt.hostname, receipt.catalog_id) != (self.hostname, self.catalog_id):
            return f"it is for catalog {receipt.catalog_id} on {receipt.hostname}"
        if receipt.code.dirty:
            return "files were not committed when it was made"
        if receipt.code.commit != self.seen.commit:
            changed = self._code_since(receipt)
            told = f", and code changed since: {', '.join(changed[:_SHOWN])}" if changed else ""
            return f"it was made at commit {receipt.code.commit[:8]}{told}"
        return ""

    def _fits(self, receipt: Receipt) -> bool:
        return self._code_since(receipt) == []

    def _code_since(self, receipt: Receipt) -> list[str] | None:
        """Files that decide what runs, and changed since a receipt's commit; None if that is not known."""
        changed = self.seen.changed_since(receipt.code.commit)
        return None if changed is None else [path for path in changed if not harmless(path, receipt.config)]

    def _commit(self, receipt: Receipt) -> str:
        here = " (checked out)" if receipt.code.commit == self.seen.commit else ""
        return f"commit {receipt.code.commit[:8]}{here}"

    def _judged(self) -> bool:
        status = self.seen.design.status if self.seen.design else None
        return status is not None and status.word in (BUILT, VALIDATED)


def _listed(names: list[Named]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + more


def _passed(receipt: Receipt) -> str:
    passed = sum(check.status is Status.PASS for check in receipt.checks)
    return f"{passed} of {len(receipt.checks)} checks passed"


def _told(receipt: Receipt) -> str:
    return "".join(f"; OVERRIDE of tier {each.tier}: {each.reason}" for each in receipt.overrides)
