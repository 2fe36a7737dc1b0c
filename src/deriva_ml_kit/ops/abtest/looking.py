"""A look at a running A/B test, as an execution that has the plan as an input: the catalog counts it, whoever looks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from deriva_ml_kit import script
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.ops.abtest import pages
from deriva_ml_kit.ops.abtest.documents import AbTestLook, AbTestPlan, Earlier
from deriva_ml_kit.ops.abtest.judging import Survey, judge
from deriva_ml_kit.ops.abtest.rows import Rows
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.frames import Origin
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation

PROGRAM = ("Look at an A/B test", WorkflowType.AB_TEST, __name__)
LOOK, PAGE = "look.json", "ab-test.html"


@dataclass(frozen=True)
class Looked:
    """What a look came to.

    Attributes:
        look: What it found.
        execution_rid: Its execution.
        rids: File name to RID of its outputs.
        page: The page.
    """

    look: AbTestLook
    execution_rid: str
    rids: dict[str, str]
    page: str


def earlier_looks(ml: DerivaML, plan_rid: str, *, before: str | None = None) -> list[Earlier]:
    """The executions that had a plan as an input, oldest first, with what they left.

    Args:
        ml: The catalog.
        plan_rid: RID of the plan.
        before: Only those that were created before this execution.
    """
    rids = [each.execution_rid for each in ml.list_asset_executions(plan_rid, "Input")]
    created = {
        row["RID"]: str(row["RCT"])
        for row in rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", rids, wanted=["RID", "RCT"])
    }
    ordered = sorted(created, key=lambda rid: (datetime.fromisoformat(created[rid]), rid))
    if before is not None:
        ordered = ordered[: ordered.index(before)]
    return [_left_by(ml, rid, created[rid], plan_rid) for rid in ordered]


def _left_by(ml: DerivaML, execution: str, created: str, plan_rid: str) -> Earlier:
    for asset in ml.list_execution_assets(execution, "Output"):
        if AssetType.AB_TEST_LOOK in asset.asset_types:
            look = fetch(ml, asset.asset_rid, AbTestLook).document
            if look.plan_rid == plan_rid:
                seen = look.primary
                return Earlier(
                    execution_rid=execution,
                    created=created,
                    documented=True,
                    units=sum(look.units.values()),
                    information=seen.information if seen else None,
                    z=seen.z if seen else None,
                    boundary=seen.boundary if seen else None,
                    verdict=look.verdict,
                )
    return Earlier(execution_rid=execution, created=created, documented=False)


def open_plan(ml: DerivaML, plan_rid: str) -> Stored[AbTestPlan]:
    """A plan that may be looked at.

    Raises:
        UsageError: It is none, or its test has ended.
    """
    stored = fetch(ml, plan_rid, AbTestPlan)
    for each in earlier_looks(ml, plan_rid):
        if each.verdict and each.verdict.ends:
            raise UsageError(
                f"The test {stored.document.slug} has ended: {each.verdict}, by execution {each.execution_rid}.",
                remedy="A new question is a new test, with a plan of its own.",
            )
    return stored


def look(
    ml: DerivaML,
    stored: Stored[AbTestPlan],
    rows: Rows,
    *,
    workflow: Workflow | None = None,
) -> Looked:
    """Look, and keep what was found.

    Args:
        ml: The catalog.
        stored: The plan, see `open_plan`.
        rows: All rows since the start, see `rows.prepared`.
        workflow: Of a script in the project's repository; this program where not given.
    """
    plan = stored.document
    datasets, assets = _inputs(rows.origins)
    # The execution is there before anything is computed, so that also a look that breaks off is counted.
    with operation(
        ml,
        f"Look at the A/B test {plan.slug}",
        workflow=workflow,
        program=None if workflow else PROGRAM,
        datasets=datasets,
        assets=[stored.rid, *assets],
    ) as doing:
        earlier = earlier_looks(ml, stored.rid, before=doing.rid)
        (row,) = rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", [doing.rid], wanted=["RCT"])
        judged = judge(plan, rows, earlier, datetime.fromisoformat(row["RCT"]))
        found = AbTestLook(
            plan_rid=stored.rid,
            slug=plan.slug,
            registered=stored.created,
            number=len(earlier) + 1,
            earlier=tuple(earlier),
            data=rows.origins,
            units=judged.survey.units,
            left_out=judged.survey.left_out,
            days=judged.survey.days,
            checks=judged.checks,
            guardrails=judged.guardrails,
            primary=judged.primary,
            verdict=judged.verdict,
            reason=judged.reason,
        )
        page = pages.page(plan, found)
        doing.keep(found, LOOK)
        doing.file(PAGE, AssetType.PAGE).write_text(page, encoding="utf-8")
    return Looked(found, doing.rid, doing.rids, page)


def told(found: Looked) -> script.Verdict:
    """What a look found, as people read it, with the exit code of its verdict."""
    at = found.look
    result = {
        "verdict": str(at.verdict),
        "reason": at.reason,
        "look": at.number,
        "units": at.units,
        "days": at.days,
        **({"metric": at.primary.model_dump(mode="json")} if at.primary else {}),
        "guardrails": [f"{each.name}: {'harm' if each.breached else 'no harm shown'}" for each in at.guardrails],
        "failed_checks": [f"{check.name}: {check.told}" for check in at.checks if not check.passed],
        "execution_rid": found.execution_rid,
        "files": found.rids,
    }
    return script.Verdict(result, at.verdict.exit_code)


def told_of_survey(seen: Survey) -> script.Verdict:
    """Whether rows can be judged; 2 if not. What they say is for a look, which is counted."""
    failed = [check for check in seen.checks if not check.passed]
    result = {
        "dry_run": "the rows were checked; no metric was looked at",
        "units": seen.units,
        "days": seen.days,
        "checks": [f"{check.name}: {check.told}" for check in seen.checks],
        "failed": len(failed),
    }
    return script.Verdict(result, 2 if failed else 0)


def _inputs(origins: Collection[Origin]) -> tuple[list[str], list[str]]:
    """Datasets (`RID@VERSION`) and files of the catalog (RIDs) among the origins of rows: inputs of the execution."""
    datasets = [each.name for each in origins if each.kind == "dataset"]
    return datasets, [each.rid for each in origins if each.kind == "asset" and each.rid]
