"""Receipts of the tiers as a list: those in the repository, then those in the catalog; which still hold.

A cursor is `local:N`, behind the N-th receipt in the repository, or `catalog:MADE,RID`, behind that asset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import BaseModel, Field

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.tools.answers import Page
from deriva_ml_kit.tools.paging import no_cursor
from deriva_ml_kit.tools.place import catalog_of

if TYPE_CHECKING:
    from deriva_ml_kit.tiers.receipt import Receipt
    from deriva_ml_kit.tools.call import Call

AT_ONCE = 20  # receipts of the catalog that one call fetches, each a file
_CURSOR = re.compile(r"local:(?P<number>\d{1,9})|catalog:(?P<made>[^,]+),(?P<asset>[0-9A-Z-]+)")


class FailedCheck(BaseModel):
    """A check that did not pass."""

    id: str
    title: str
    status: str
    value: Any = None
    limit: Any = None
    detail: str | None = None
    remedy: str | None = None


class ReceiptRow(BaseModel):
    """What a run of a tier has shown."""

    tier: int | None = None
    verdict: str | None = Field(default=None, description="pass, fail or insufficient; none if it cannot be read")
    name: str | None = None
    made: str
    holds: bool = Field(description="Whether it counts for the code that is checked out, all else being the same")
    why_not: list[str] = Field(default_factory=list, description="Why it does not")
    place: str = Field(description="File in the repository, or RID of the asset in the catalog")
    execution_rid: str | None = None
    commit: str | None = None
    script: str | None = None
    config_hash: str | None = None
    catalog: str | None = None
    datasets: list[str] = Field(default_factory=list, description="role=rid@version (records)")
    failing: list[FailedCheck] = Field(default_factory=list, description="Checks that did not pass, and what to do")
    overrides: list[str] = Field(default_factory=list, description="Reasons why it ran without what its tier asks for")


class ReceiptPage(Page):
    """Receipts, those in the repository first."""

    ROWS: ClassVar[str] = "receipts"

    receipts: list[ReceiptRow]
    catalog: str | None = Field(default=None, description="The catalog that was asked as well")
    catalog_problem: str | None = Field(default=None, description="Why the catalog's receipts are not listed")


class Asked(NamedTuple):
    """Which receipts are asked for: those of a tier, those with a verdict, of this catalog; None is any."""

    tier: int | None = None
    verdict: str | None = None
    hostname: str | None = None
    catalog_id: str | None = None


class Listed(NamedTuple):
    """A receipt, and the cursor that goes on behind it."""

    cursor: str
    row: ReceiptRow


def page(call: Call, asked: Asked, limit: int, cursor: str | None) -> ReceiptPage:
    """A page of receipts; see `deriva_ml_list_receipts`."""
    behind, after = _start(cursor)
    judge = _Judge(call.project)
    listed: list[Listed] = []
    if after is None:
        listed = [each for each in _local(judge, behind) if _fits(each.row, asked)][:limit]
    more = listed[-1].cursor if len(listed) == limit else None
    catalog, problem = None, None
    if more is None:
        try:
            call.hostname, call.catalog_id = catalog_of(asked.hostname, asked.catalog_id, call.project)
            catalog = f"{call.catalog_id} on {call.hostname}"
            found, more = _of_catalog(call, judge, asked, limit - len(listed), after)
            listed += found
        except KitError as error:
            call.check()  # who has lost interest wants no part of it
            problem = f"{error.message} {error.remedy or ''}".strip()
    answer = ReceiptPage.of(
        [each.row for each in listed],
        total=None,
        cursor=lambda n: listed[n].cursor,
        more=more is not None,
        catalog=catalog,
        catalog_problem=problem,
    )
    answer.next_cursor = more
    answer.next_step = "deriva_ml_bootstrap_status() tells which run is next."
    if not listed and more is None:
        answer.next_step = f"There is no receipt yet. {answer.next_step}"
    return answer


def _start(cursor: str | None) -> tuple[int, tuple[str, str] | None]:
    """Behind how many receipts of the repository to go on; or behind which of the catalog, by time and RID."""
    found = _CURSOR.fullmatch(cursor or "local:0")
    if found and found["number"]:
        return int(found["number"]), None
    try:
        if found and datetime.fromisoformat(found["made"]):
            return 0, (found["made"], found["asset"])
    except ValueError:
        pass
    raise no_cursor(str(cursor))


def _fits(row: ReceiptRow, asked: Asked) -> bool:
    return asked.tier in {None, row.tier} and asked.verdict in {None, row.verdict}


def _local(judge: _Judge, behind: int) -> Iterator[Listed]:
    """Receipts in the repository, the newest first, then the files that prove nothing."""
    from deriva_ml_kit.tiers.receipt import local_files, receipts_folder  # noqa: PLC0415

    good, bad = local_files(judge.root)
    folder = receipts_folder(judge.root) if good or bad else judge.root
    for number, receipt in enumerate(good[behind:], behind + 1):
        file = next(folder.glob(f"*-{receipt.digest[:12]}.json"), folder)
        yield Listed(f"local:{number}", _row(receipt, str(file.relative_to(judge.root)), judge.faults(receipt)))
    for number, each in enumerate(bad[max(behind - len(good), 0) :], max(behind, len(good)) + 1):
        made = datetime.fromtimestamp(each.path.stat().st_mtime, UTC).isoformat()
        place = str(each.path.relative_to(judge.root))
        yield Listed(f"local:{number}", ReceiptRow(made=made, place=place, holds=False, why_not=[each.reason]))


def _of_catalog(
    call: Call, judge: _Judge, asked: Asked, limit: int, after: tuple[str, str] | None
) -> tuple[list[Listed], str | None]:
    """Receipts of real runs, and the cursor behind them if there are more."""
    from deriva_ml_kit.tiers.catalog import REAL, real_runs  # noqa: PLC0415  (takes seconds)

    tiers = [tier for tier in REAL if asked.tier in {None, tier}]
    if not tiers:
        return [], None
    fetched = AT_ONCE if asked.verdict else min(AT_ONCE, limit)
    listed: list[Listed] = []
    cursor, number = None, 0
    for number, found in enumerate(real_runs(call.ml, judge.root, tiers, limit=fetched, after=after), 1):
        call.progress(number, fetched, "Reading receipts from the catalog")
        cursor = f"catalog:{found.made},{found.asset_rid}"
        if found.receipt is None:
            row = ReceiptRow(made=found.made, place=found.asset_rid, holds=False, why_not=list(found.faults))
            row.execution_rid = found.execution_rid
        else:
            row = _row(found.receipt, found.asset_rid, [*found.faults, *judge.faults(found.receipt)])
        if asked.verdict in {None, row.verdict}:
            listed.append(Listed(cursor, row))
        if len(listed) == limit:
            return listed, cursor
    return listed, cursor if number == fetched else None


def _row(receipt: Receipt, place: str, faults: list[str]) -> ReceiptRow:
    return ReceiptRow(
        tier=receipt.tier,
        verdict=str(receipt.verdict),
        name=receipt.name,
        made=receipt.made.isoformat(),
        holds=not faults,
        why_not=list(dict.fromkeys(faults)),
        place=place,
        execution_rid=receipt.execution_rid,
        commit=receipt.code.commit,
        script=receipt.code.script,
        config_hash=receipt.config_hash,
        catalog=f"{receipt.catalog_id} on {receipt.hostname}",
        datasets=[
            f"{each.role or 'dataset'}={each.rid}@{each.version} ({each.records} records)" for each in receipt.datasets
        ],
        failing=[
            FailedCheck.model_validate(check.model_dump(include=set(FailedCheck.model_fields)))
            for check in receipt.checks
            if check.status in ("fail", "insufficient")
        ],
        overrides=[f"tier {each.tier}: {each.reason} ({each.by})" for each in receipt.overrides],
    )


class _Judge:
    """Judges receipts by the code that is checked out in a folder's repository."""

    def __init__(self, folder: Path) -> None:
        from deriva_ml_kit.project.survey import survey  # noqa: PLC0415

        self._seen = survey(folder)
        self.root = self._seen.root

    def faults(self, receipt: Receipt) -> list[str]:
        """Why a receipt does not count for it, if configuration and data are the same."""
        from deriva_ml_kit.tiers.receipt import Status  # noqa: PLC0415
        from deriva_ml_kit.tiers.reentry import Request, misfit, reentry  # noqa: PLC0415

        if self._seen.commit is None:
            return [f"{self.root} is in no git repository with a commit"]
        code = receipt.code.model_copy(
            update={"commit": self._seen.commit, "dirty": bool(self._seen.uncommitted), "repository": str(self.root)}
        )
        request = Request(
            tier=3,
            name=receipt.name,
            hostname=receipt.hostname,
            catalog_id=receipt.catalog_id,
            config=receipt.config,
            code=code,
            datasets=receipt.datasets,
            assets=receipt.assets,
            root=self.root,
        )
        if receipt.tier == 1:
            found = misfit(receipt, request, exact=True)
            return list(found.reasons) if found else []
        again = reentry(receipt, request, self._seen.changed_since(receipt.code.commit))
        failed = [f"it did not pass: {receipt.verdict}"] if receipt.verdict is not Status.PASS else []
        return failed + (list(again.reasons) if again.tier == 2 else [])
