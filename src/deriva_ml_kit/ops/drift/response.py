"""What follows from a verdict: somebody is told, and a drift can start the retraining.

Both happen when the report is in the catalog, so that they can name it; what came of them is added to its execution.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops import child
from deriva_ml_kit.ops.documents import fetch
from deriva_ml_kit.ops.drift.documents import DriftReport, DriftResponse, Retraining, summary
from deriva_ml_kit.ops.drift.lookup import outputs
from deriva_ml_kit.ops.drift.monitor import Monitored
from deriva_ml_kit.ops.drift.webhook import Webhook
from deriva_ml_kit.ops.kinds import AssetType
from deriva_ml_kit.runner.outputs import attach
from deriva_ml_kit.script import Verdict

RESPONSE_FILE = "drift-response.json"
TOLD = ("investigate", "drift", "insufficient", "no_data")  # "ok" is no news


def respond(
    ml: DerivaML, found: Monitored, *, webhook: Webhook | None = None, on_drift: str | None = None
) -> DriftResponse | None:
    """Tell, start, and keep what came of it; nothing where it has come off for this report before.

    Args:
        ml: The catalog.
        found: What the monitoring came to.
        webhook: Who is told of anything but `ok`.
        on_drift: Command for the shell that a drift starts. It finds `DERIVA_ML_DRIFT_REPORT` and
            `DERIVA_ML_DRIFT_EXECUTION` in its environment.

    Returns:
        What was done, now or before; None where there was nothing to do.
    """
    verdict = found.report.result.verdict
    starts = on_drift if verdict == "drift" else None
    tells = webhook if verdict in TOLD else None
    if found.report_rid is None or found.execution_rid is None or not (starts or tells):
        return None
    if not found.is_new:  # this or another run has made it, and may have been interrupted
        done = _done(ml, found.execution_rid, told=tells is not None, started=starts is not None)
        if done:
            return done
    fault = tells.send(message(ml, found)) if tells else None
    made = DriftResponse(
        report_rid=found.report_rid,
        verdict=verdict,
        webhook=tells.host if tells else None,
        delivered=None if tells is None else fault is None,
        fault=fault,
        retraining=start(starts, found) if starts else None,
    )
    attach(ml, found.execution_rid, RESPONSE_FILE, made.text(), AssetType.DRIFT_RESPONSE)
    return made


def outcome(found: Monitored, response: DriftResponse | None = None) -> Verdict:
    """What a command or a script prints, and its exit code: a message that nobody took is a failure."""
    exit_code = found.report.result.exit_code
    result = summary(found.report) | {
        "report": found.report_rid or "not written: dry run",
        "execution": found.execution_rid,
        "new": found.is_new,
    }
    if not found.is_new:
        result["note"] = "this report was there; --again makes another"
    if response and response.webhook:
        result["told"] = response.webhook if response.delivered else f"nobody: {response.fault}"
        exit_code = exit_code if response.delivered else max(exit_code, 1)
    if response and response.retraining:
        done = response.retraining
        result["started"] = f"{done.command}: exit code {done.exit_code}"
    return Verdict(result, exit_code)


def message(ml: DerivaML, found: Monitored) -> dict[str, Any]:
    """What is told: the summary of the report, where it is, and a line for people."""
    report: DriftReport = found.report
    return {
        "text": f"Drift monitoring: {report.result.verdict}. {report.result.reason} Batch {report.batch.name}, "
        f"report {found.report_rid} in catalog {ml.catalog_id} on {ml.host_name}.",
        **summary(report),
        "report_rid": found.report_rid,
        "execution_rid": found.execution_rid,
        "models": list(report.models),
        "hostname": ml.host_name,
        "catalog_id": str(ml.catalog_id),
    }


def start(command: str, found: Monitored) -> Retraining:
    """Run a command of the shell until its end; what it prints goes to our stderr."""
    began = datetime.now(UTC)
    known = {
        "DERIVA_ML_DRIFT_REPORT": str(found.report_rid),
        "DERIVA_ML_DRIFT_EXECUTION": str(found.execution_rid),
    }
    exit_code = child.run(["sh", "-c", command], Path.cwd(), known)
    return Retraining(command=command, started=began, ended=datetime.now(UTC), exit_code=exit_code)


def _done(ml: DerivaML, execution_rid: str, *, told: bool, started: bool) -> DriftResponse | None:
    """What was done before, if all that is asked for has come off."""
    for each in outputs(ml, execution_rid):
        if AssetType.DRIFT_RESPONSE in each.asset_types:
            before = fetch(ml, each.asset_rid, DriftResponse).document
            retrained = before.retraining is not None and before.retraining.exit_code == 0
            if (before.delivered or not told) and (retrained or not started):
                return before
    return None
