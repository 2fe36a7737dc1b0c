"""A plan into the catalog, before anybody has looked."""

from __future__ import annotations

from dataclasses import dataclass

from deriva_ml_kit.design.starting import SLUG
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.ops.abtest.documents import AbTestPlan
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.kinds import MODELS, AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.setup import require

PROGRAM = ("Plan of an A/B test", WorkflowType.AB_TEST, __name__)


@dataclass(frozen=True)
class Registered:
    """A plan in the catalog.

    Attributes:
        plan: The plan.
        rid: RID of its asset; None in a dry run.
        execution_rid: The execution that registered it; None in a dry run.
        is_new: Whether this call did.
    """

    plan: AbTestPlan
    rid: str | None
    execution_rid: str | None
    is_new: bool


def plans(ml: DerivaML) -> list[Stored[AbTestPlan]]:
    """All registered plans, oldest first."""
    found = [fetch(ml, asset.asset_rid, AbTestPlan) for asset in ml.find_assets(MODELS, AssetType.AB_TEST_PLAN)]
    return sorted(found, key=lambda stored: stored.created)


def find_plan(ml: DerivaML, name: str) -> str:
    """RID of the plan of a name.

    Args:
        ml: The catalog.
        name: Its slug, or its RID.

    Raises:
        UsageError: No plan has this slug.
    """
    if not SLUG.fullmatch(name):
        return name
    rows = list(rows_with(ml.catalog, ml.ml_schema, MODELS, "Filename", [file_name(name)], wanted=["RID"]))
    if len(rows) != 1:
        raise UsageError(
            f"Catalog {ml.catalog_id} on {ml.host_name} has {len(rows) or 'no'} plans of the name {name}.",
            remedy="Register it: uv run deriva-ml-ops plan-ab-test PLAN.toml" if not rows else "Give its RID.",
        )
    return str(rows[0]["RID"])


def file_name(slug: str) -> str:
    """Name of a plan's file, by which it is found again."""
    return f"{slug}.ab-test.json"


def register(ml: DerivaML, plan: AbTestPlan, *, dry_run: bool = False) -> Registered:
    """Register a plan; one that is registered already is found again.

    Args:
        ml: The catalog.
        plan: What is to be bound.
        dry_run: Write nothing.

    Raises:
        UsageError: The catalog is not prepared, another plan has its slug or its salt, or an arm's model is none.
    """
    require(ml)
    for stored in plans(ml):
        if stored.document == plan:
            return Registered(plan, stored.rid, stored.execution_rid, is_new=False)
        if stored.document.slug == plan.slug:
            raise UsageError(
                f"Another plan is registered as {plan.slug}: {stored.rid}. What is registered cannot be changed.",
                remedy="Give this one another slug; it is another test.",
            )
        if stored.document.salt == plan.salt:
            raise UsageError(
                f"The salt {plan.salt!r} is that of {stored.document.slug} ({stored.rid}): both tests would put the "
                "same units together.",
                remedy="Give another salt, or leave it out.",
            )
    models = [ml.lookup_asset(arm.model_rid) for arm in plan.arms if arm.model_rid]
    for model in models:
        if AssetType.MODEL_FILE not in model.asset_types:
            raise UsageError(f"{model.asset_rid} ({model.filename}) is no model: {', '.join(model.asset_types)}.")
    file = file_name(plan.slug)
    with operation(ml, f"A/B test {plan.slug}: {plan.question}", program=PROGRAM, dry_run=dry_run) as doing:
        doing.uses(*models)
        doing.keep(plan, file)
    return Registered(plan, doing.rids.get(file), None if dry_run else doing.rid, is_new=not dry_run)
