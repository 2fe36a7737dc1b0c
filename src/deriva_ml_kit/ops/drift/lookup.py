"""Which baseline belongs to a model, to an execution, to what is in service now."""

from __future__ import annotations

import re
from collections.abc import Collection

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import Asset, DerivaML
from deriva_ml_kit.mainline.asset.links import execution_link
from deriva_ml_kit.mainline.asset.listing import assets
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.errors import DerivaMLNotFoundError
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.drift.documents import Baseline
from deriva_ml_kit.ops.kinds import MODELS, AssetType

RID = re.compile(r"[0-9A-Z]{1,4}(-[0-9A-Z]{4})+")


def find_baseline(ml: DerivaML, of: str) -> Stored[Baseline]:
    """The baseline that is meant by a RID or a name.

    Args:
        ml: The catalog.
        of: RID of a profile, of a model's asset, of an execution; or the name of a model: the one in Production.

    Raises:
        UsageError: There is no such model, or it has no baseline.
        DerivaMLNotFoundError: There is no such RID.
    """
    if not RID.fullmatch(of):
        return baseline_in_service(ml, of)
    table = tables_of(ml, [of]).get(of)
    if table is None:
        raise DerivaMLNotFoundError(f"Catalog {ml.catalog_id} on {ml.host_name} has no RID {of}.")
    if table.name == "Execution":
        return baseline_of_execution(ml, of)
    if table.name != MODELS:
        raise UsageError(f"{of} is a row of {table.name}, and neither a model, a baseline nor an execution.")
    asset = ml.lookup_asset(of)
    if AssetType.BASELINE_PROFILE in asset.asset_types:
        return fetch(ml, of, Baseline)
    return baseline_of_model(ml, of)


def baseline_of_model(ml: DerivaML, model_rid: str) -> Stored[Baseline]:
    """The baseline among the outputs of the execution that made a model.

    Raises:
        UsageError: It is no model, or has none.
    """
    asset = ml.lookup_asset(model_rid)
    if AssetType.MODEL_FILE not in asset.asset_types or asset.execution_rid is None:
        raise UsageError(f"{model_rid} ({asset.filename}) is no {AssetType.MODEL_FILE} that an execution has made.")
    return baseline_of_execution(ml, asset.execution_rid)


def baseline_of_execution(ml: DerivaML, execution_rid: str) -> Stored[Baseline]:
    """The baseline among the outputs of an execution; of several, the newest.

    Raises:
        UsageError: It has none.
    """
    found = fetch_newest(ml, outputs(ml, execution_rid))
    if found is None:
        raise UsageError(
            f"Execution {execution_rid} has no {AssetType.BASELINE_PROFILE} among its outputs.",
            remedy=f"Make one of its training dataset: uv run deriva-ml-ops baseline --execution {execution_rid}",
        )
    return found


def baseline_in_service(ml: DerivaML, name: str) -> Stored[Baseline]:
    """The baseline of the model of a name that is in Production.

    Raises:
        UsageError: None is, or it has none.
    """
    from deriva_ml_kit.ops.registry import serving  # noqa: PLC0415  (only names need the registry)

    served = serving(ml, name)
    if served is None:
        raise UsageError(f"No model {name} is in Production.", remedy="Name a model by its RID.")
    # The same bytes may have been trained several times; the registry knows which training counts.
    return (
        baseline_of_execution(ml, served.training_rid)
        if served.training_rid
        else baseline_of_model(ml, served.model_rid)
    )


def outputs(ml: DerivaML, execution_rid: str) -> list[Asset]:
    """The output files of an execution that operations know: three requests."""
    link = execution_link(ml.model.name_to_table(MODELS))
    assert link is not None  # every catalog of DerivaML has it
    return list(assets(ml, link.asset_table, link.assets_of(execution_rid, "&Asset_Role=Output")))


def fetch_newest(ml: DerivaML, outputs: Collection[Asset]) -> Stored[Baseline] | None:
    """The newest baseline among some files."""
    profiles = [each for each in outputs if AssetType.BASELINE_PROFILE in each.asset_types]
    stored = [fetch(ml, each.asset_rid, Baseline) for each in profiles]
    return max(stored, key=lambda each: (each.created, each.rid), default=None)
