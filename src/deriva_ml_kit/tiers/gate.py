"""The gate before a run: which tier it is, and whether the receipts of the tiers before it are there and fit.

    tier 1  a dry run: needs nothing
    tier 2  needs tier 1: a local receipt of the same code and configuration
    tier 3  needs tier 1 of exactly this, and tier 2 in the catalog, of the same code and data pipeline

In: a `Request`. Out: a `Passage`; or `NotAdmitted`, which says what is missing, what differs, and what to type next.
"""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.tiers import catalog
from deriva_ml_kit.tiers.receipt import (
    REPOSITORY_FOLDER,
    DatasetInput,
    Difference,
    Override,
    Receipt,
    Unusable,
    difference,
    local_files,
)
from deriva_ml_kit.tiers.reentry import (
    SMALL_RECORDS,
    SMALL_TYPE,
    Misfit,
    Reentry,
    Request,
    misfit,
    natural_tier,
    reentry,
)
from deriva_ml_kit.tiers.state import changed_files

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DatasetSpec, DerivaML

__all__ = ["Missing", "NotAdmitted", "Passage", "Reentry", "Request", "admit", "reentry", "tier_of"]

SHOWN = 3
NOTHING_AGAIN = Reentry(3)


@dataclass(frozen=True)
class Passage:
    """Leave to begin.

    Attributes:
        builds_on: The receipts that gave it.
        differences: In what the configuration differs from that of the tier before.
        overrides: Every override, of this run and of those that it builds on.
        profile: Ranges of the inputs that tier 1 met.
    """

    builds_on: tuple[Receipt, ...] = ()
    differences: tuple[Difference, ...] = ()
    overrides: tuple[Override, ...] = ()
    profile: dict[str, Any] | None = None


@dataclass(frozen=True)
class Missing:
    """Something that the gate asks for.

    Attributes:
        what: What it is, in a few words.
        why: What was found instead.
        differences: Keys of the configuration that may not differ.
        command: What to type; in words, if nobody said how the run is started.
    """

    what: str
    why: tuple[str, ...]
    command: str
    differences: tuple[Difference, ...] = ()


class NotAdmitted(UsageError):
    """A run may not begin: a receipt is missing or does not fit.

    Attributes:
        request: What asked.
        missing: What the gate asks for, in the order in which to get it.
        differences: Keys of the configuration that differ from the nearest receipts and may not.
        reentry: The tier to go back to, and why.
    """

    def __init__(self, request: Request, missing: Sequence[Missing], back: Reentry) -> None:
        self.request = request
        self.missing = tuple(missing)
        self.reentry = back
        self.differences = tuple(each for lack in missing for each in lack.differences)
        lines = [f"Tier {request.tier} of {request.name} cannot start. Nothing was written."]
        for lack in missing:
            lines += [f"Missing: {lack.what}", *(f"  {line}" for line in lack.why)]
            lines += [f"    {each}" for each in lack.differences]
        super().__init__("\n".join(lines), remedy=_remedy(request, missing))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.request, self.missing, self.reentry)  # it comes out of workers of a sweep

    def as_json(self) -> dict[str, object]:
        """As for KitError, with `missing` and `reentry`."""
        missing = [
            {
                "what": lack.what,
                "why": list(lack.why),
                "differences": [str(each) for each in lack.differences],
                "command": lack.command,
            }
            for lack in self.missing
        ]
        return {**super().as_json(), "missing": missing, "reentry": asdict(self.reentry)}


def tier_of(
    ml: DerivaML, datasets: Sequence[DatasetSpec], *, dry_run: bool, asked: int | None, override: str | None
) -> tuple[int, tuple[DatasetInput, ...]]:
    """The tier of a run, by its datasets as they are in their versions.

    Args:
        ml: The connection.
        datasets: Datasets in their versions.
        dry_run: Whether it is a dry run, which is tier 1 whatever is asked.
        asked: The tier that somebody asked for: it can raise what the datasets say, or lower it with an override.
        override: The reason for an override.

    Returns:
        The tier, and the datasets with their types and numbers of records; a record counts once in each.

    Raises:
        UsageError: There is no such tier, or it is lower than the datasets say.
    """
    found = tuple(_described(ml, datasets))
    if dry_run:
        return 1, found
    natural = natural_tier(found)
    if asked is None:
        return natural, found
    if asked not in (2, 3):
        remedy = "Tier 1 is the dry run: dry_run=true, or --dry-run." if asked == 1 else "Give 2 or 3."
        raise UsageError(f"A real run is of tier 2 or 3, not {asked}.", remedy=remedy)
    if asked < natural and found and override is None:
        raise UsageError(
            f"This is tier 3: {_too_large(found)}.",
            remedy=f"Take a dataset of at most {SMALL_RECORDS} records, or one of type {SMALL_TYPE}; "
            'or say why: --override-tier "reason"',
        )
    return asked, found


def admit(request: Request, *, ml: DerivaML | None, override: str | None = None) -> Passage:
    """Let a run begin, if the receipts of the tiers before it are there and fit.

    Args:
        request: The run.
        ml: The connection, in which tier 3 finds the receipts of tier 2.
        override: Why it shall begin even if they are not; recorded if it is needed.

    Raises:
        NotAdmitted: A receipt is missing or does not fit, and there is no override.
        UsageError: The override gives no reason.
    """
    if override is not None and not override.strip():
        raise UsageError("An override needs a reason.", remedy='Say why: --override-tier "deadline, checked by hand"')
    if request.tier == 1:
        return Passage()
    clean = _clean(request)
    first = _first(request)
    small = _small(request, ml) if request.tier == 3 else None
    steps = [step for step in (clean, first, small) if step is not None]
    missing = [step.missing for step in steps if step.missing]
    lowered = _lowered(request) if override is not None else None
    if missing and override is None:
        back = small.back if small and small.missing and first.receipt else Reentry(1, tuple(missing[0].why))
        raise NotAdmitted(request, missing, back)
    receipts = tuple(step.receipt for step in (small, first) if step and step.receipt)
    lacking = [*(each.what for each in missing), *([lowered] if lowered else [])]
    fresh = [_override(request, ml, override, lacking)] if override is not None and lacking else []
    return Passage(
        builds_on=receipts,
        differences=tuple(difference(receipts[0].config, request.config)) if receipts else (),
        overrides=_chain([*(each for receipt in receipts for each in receipt.overrides), *fresh]),
        profile=first.receipt.profile if first.receipt else None,
    )


@dataclass(frozen=True)
class _Step:
    """What came of looking for one thing."""

    receipt: Receipt | None = None
    missing: Missing | None = None
    back: Reentry = NOTHING_AGAIN


def _clean(request: Request) -> _Step | None:
    """Uncommitted changes have no name: no receipt can be about them."""
    if not request.code.dirty:
        return None
    why = (f"{request.root} has changes that no commit holds; no receipt can be about them",)
    return _Step(missing=Missing("committed code", why, "git add -A && git commit -m 'what changed'"))


def _first(request: Request) -> _Step:
    """The newest receipt of tier 1 that fits."""
    good, bad = local_files(request.root)
    misfits: list[Misfit] = []
    for receipt in good:
        if receipt.tier != 1:
            continue
        found = misfit(receipt, request, exact=request.tier == 3)
        if found is None:
            return _Step(receipt)
        misfits.append(found)
    what = "tier 1, a dry run of exactly this" if request.tier == 3 else "tier 1, a dry run of this"
    nearest = min(misfits, key=lambda each: (len(each.reasons), len(each.differences)), default=None)
    why = [*_unusable(bad), *_told(nearest)] or [f"there is no receipt in {REPOSITORY_FOLDER}/receipts"]
    differences = nearest.differences if nearest else ()
    return _Step(missing=Missing(what, tuple(why), _dry(request.command), differences))


def _small(request: Request, ml: DerivaML | None) -> _Step:
    """The newest receipt of tier 2 that fits: in the catalog, and nowhere else."""
    why: list[str] = []
    back = Reentry(2, ("there is no receipt of tier 2",))
    nearest: Receipt | None = None
    for found in catalog.small_runs(ml, request.root, request.code.script) if ml is not None else ():
        receipt, reasons = found.receipt, found.faults
        if receipt is not None and not reasons:
            again = reentry(receipt, request, changed_files(request.root, receipt.code.commit))
            if again.tier != 2:
                return _Step(receipt)
            reasons = again.reasons
            if nearest is None:
                nearest, back = receipt, again
        if len(why) < SHOWN:
            why.append(f"execution {found.execution_rid} of {found.made[:16]}: {'; '.join(reasons)}")
    claimed = [each for each in local_files(request.root)[0] if each.tier != 1]
    if claimed:
        why.append(
            f"a file in {REPOSITORY_FOLDER}/receipts says it is of tier {claimed[0].tier}; only the catalog's count"
        )
    if not why:
        why.append("no execution in the catalog has one")
    command = _on_small(request, ml, nearest)
    return _Step(missing=Missing("tier 2, a real run on little data", tuple(why), command), back=back)


def _told(found: Misfit | None) -> Iterator[str]:
    if found is not None:
        made = found.receipt.made.astimezone().strftime("%Y-%m-%d %H:%M")
        yield f"the nearest receipt, of {made}: {'; '.join(found.reasons)}"


def _unusable(bad: Sequence[Unusable]) -> Iterator[str]:
    for each in bad[-SHOWN:]:
        yield f"{each.path.name} proves nothing: {each.reason}"


def _lowered(request: Request) -> str | None:
    """That the datasets say more than the tier that was asked for."""
    if request.datasets and request.tier < natural_tier(request.datasets):
        return f"tier 3, since {_too_large(request.datasets)}"
    return None


def _too_large(datasets: Sequence[DatasetInput]) -> str:
    count = sum(each.records or 0 for each in datasets)
    names = ", ".join(each.rid for each in datasets)
    return f"{names} holds {count} records, more than {SMALL_RECORDS}, and is not of type {SMALL_TYPE}"


def _override(request: Request, ml: DerivaML | None, reason: str, missing: Sequence[str]) -> Override:
    who = ml.whoami() if ml is not None else {}
    by = (who or {}).get("display_name") or (who or {}).get("id") or getpass.getuser()
    return Override(
        tier=request.tier, reason=" ".join(reason.split()), by=str(by), at=datetime.now(UTC), missing=tuple(missing)
    )


def _chain(overrides: Sequence[Override]) -> tuple[Override, ...]:
    """Overrides in their order, each once."""
    return tuple(sorted({(each.at, each.reason, each.tier): each for each in overrides}.values(), key=lambda o: o.at))


def _remedy(request: Request, missing: Sequence[Missing]) -> str:
    """The next command, then the others, then the way around."""
    first, *rest = [lack.command for lack in missing]
    run = request.command or "this run"
    around = f'{run} --override-tier "reason"'
    blocks = {"Next:": [first], "Then:": [*rest, run], "Or, told in every later receipt:": [around]}
    return "\n".join("\n  ".join([head, *lines]) for head, lines in blocks.items())


def _is_hydra(command: str | None) -> bool:
    return command is None or "deriva-ml-run" in command


def _dry(command: str | None) -> str:
    """The same command as a dry run."""
    if command is None:
        return "this run with dry_run=true (scripts: --dry-run)"
    return f"{command} dry_run=true" if _is_hydra(command) else f"{command} --dry-run"


def _on_small(request: Request, ml: DerivaML | None, before: Receipt | None) -> str:
    """The same command on little data: on the datasets of the last small run, or on the newest development dataset."""
    if request.command is None:
        return f"this run on a dataset of at most {SMALL_RECORDS} records, or of type {SMALL_TYPE}"
    if not request.datasets or natural_tier(request.datasets) == 2:
        return f"{request.command} tier=2" if _is_hydra(request.command) else f"{request.command} --tier 2"
    named = [(each.role, each.rid, each.version) for each in before.datasets] if before else []
    if len(request.datasets) == 1 and ml is not None and (newest := _development(ml)):
        named = [(request.datasets[0].role, *newest)]
    if not named:
        place = f"--hostname {request.hostname} --catalog-id {request.catalog_id}"
        return (
            f"uv run deriva-ml-kit make-dev-dataset {place} --workflow-type … --element-table … --label …"
            "   # then the same run on it"
        )
    if not _is_hydra(request.command):
        return _with_datasets(request.command, [f"{rid}@{version}" for _, rid, version in named])
    if any(role is None for role, _, _ in named):
        return f"{request.command} datasets=…   # on {', '.join(f'{rid}@{version}' for _, rid, version in named)}"
    overrides = (f"datasets.{role}.rid={rid} datasets.{role}.version={version}" for role, rid, version in named)
    return f"{request.command} {' '.join(overrides)}"


def _with_datasets(command: str, datasets: Sequence[str]) -> str:
    """A script's command with other datasets."""
    kept: list[str] = []
    words = iter(shlex.split(command))
    for word in words:
        if word == "--dataset":
            next(words, None)
        elif not word.startswith("--dataset="):
            kept.append(word)
    return shlex.join([*kept, *(word for each in datasets for word in ("--dataset", each))])


def _described(ml: DerivaML, datasets: Sequence[DatasetSpec]) -> Iterator[DatasetInput]:
    from deriva_ml_kit.mainline.dataset import types  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.counting import record_count  # noqa: PLC0415

    of = types.types_of(ml, [spec.rid for spec in datasets])
    for spec in datasets:
        yield DatasetInput(
            role=None,
            rid=str(spec.rid),
            version=str(spec.version),
            records=record_count(ml, spec),
            types=tuple(sorted(of[spec.rid])),
        )


def _development(ml: DerivaML) -> tuple[str, str] | None:
    """RID and version of the newest development dataset that has a released one."""
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset import periods  # noqa: PLC0415

    links = rows_with(ml.catalog, ml.ml_schema, "Dataset_Dataset_Type", "Dataset_Type", [SMALL_TYPE])
    rids = {row["Dataset"] for row in links}
    alive = rows_with(ml.catalog, ml.ml_schema, "Dataset", "RID", rids)
    newest = sorted((row for row in alive if not row["Deleted"]), key=lambda row: row["RCT"], reverse=True)
    versions = periods.versions(ml, [row["RID"] for row in newest])
    for row in newest:
        if released := versions[row["RID"]].released:
            return row["RID"], str(released[-1])
    return None
