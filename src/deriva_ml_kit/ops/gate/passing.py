"""The gate that a candidate has passed, for whoever promotes it."""

from __future__ import annotations

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.documents import Stored, fetch
from deriva_ml_kit.ops.gate.documents import GateReport
from deriva_ml_kit.ops.kinds import MODELS, AssetType


def passing_gate(ml: DerivaML, candidate_rid: str, incumbent_rid: str | None) -> Stored[GateReport] | None:
    """The newest gate of a candidate against an incumbent, if it passed.

    What counts is an output of an execution that had the candidate, with the checksum that it has now, as an input.

    Args:
        ml: The catalog.
        candidate_rid: Asset of the candidate.
        incumbent_rid: Asset of the incumbent; None for a gate without one.

    Returns:
        The report; None where there is none, or the newest did not pass.

    Raises:
        DerivaMLNotFoundError: There is no such candidate.
    """
    candidate = ml.lookup_asset(candidate_rid)
    used = {record.execution_rid for record in ml.list_asset_executions(candidate_rid, "Input")}
    reports = [each for each in ml.find_assets(MODELS, AssetType.GATE_REPORT) if each.execution_rid in used]
    for report in sorted(reports, key=lambda each: str(each.get_metadata().get("RCT")), reverse=True):
        stored = fetch(ml, report.asset_rid, GateReport)
        found = stored.document
        if (found.candidate_rid, found.incumbent_rid) == (candidate_rid, incumbent_rid):
            return stored if (found.verdict, found.candidate_md5) == ("pass", candidate.md5) else None
    return None
