"""`deriva-ml-kit record-verdict`: judge a tier 3 execution by the threshold of its design, and write that down."""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.design.document import FOLDER, read
from deriva_ml_kit.design.journal import JOURNAL
from deriva_ml_kit.errors import Undecidable, UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.design.verdict import Tiered
    from deriva_ml_kit.mainline import DerivaML

RECEIPT = re.compile(r"receipt-tier[0-9]+\.json")
DESCRIPTION = """\
Compare what an execution reached with the threshold that its design document stated before it ran. The metric comes
from the catalog: computed again from the predictions that the execution wrote as feature values and from the labels of
the designed dataset (Validation: Dataset, Predictions, Labels), and read from its output metrics.json; where both are
there they must agree.

Sets `Status: Validated` or `Status: Built` with the evidence in the document, and adds one line to tacit-knowledge.md.
The same call again changes nothing. Refused, with nothing written: executions that are not finished, are not of tier 3,
did not pass their checks or hide an override; designs that nobody approved; thresholds that were changed after the run.
"""
EPILOG = """\
examples:
  uv run record-verdict --execution 3-WXYZ
  uv run record-verdict --execution 3-WXYZ --design docs/design/model/digit-classifier.md --metric accuracy
  uv run record-verdict --execution 3-WXYZ --note "the first full run, learning rate as in the paper"

metrics that are computed again: accuracy, balanced_accuracy, error_rate, macro_f1; others come from metrics.json alone

exit codes: 0 the threshold is met, 1 it is missed (recorded, too) or the sources do not agree,
            2 there can be no verdict, or the call is wrong
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "record-verdict",
        main,
        help_="judge a full run by its design, and write the verdict down",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    place.options(made)
    made.add_argument("--execution", required=True, metavar="RID", help="the execution to judge")
    made.add_argument(
        "--design", type=Path, metavar="PATH", help="design document; the only one of a model if not given"
    )
    made.add_argument("--metric", metavar="NAME", help="which threshold, where the document states several")
    made.add_argument(
        "--note", metavar="TEXT", help="what the run was for, for the journal; its description if not given"
    )


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Judge, and record it.

    Raises:
        Missed: The threshold was missed; that is recorded.
        UsageError: There can be no verdict on this.
        Undecidable: The catalog does not hold what is needed.
    """
    root = place.root()
    where = place.required(args, root)
    file = place.near(_design(args.design, root))
    try:
        design = read(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error

    from deriva_ml_kit.design import verdict  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415

    ml = DerivaML(where.hostname, where.catalog_id)
    execution = ml.lookup_execution(args.execution)
    tiered = _tiered(ml, args.execution)
    found = verdict.judge(ml, design, args.execution, tiered, metric=args.metric, pins=root / place.PINS)
    # What the runner has put into brackets behind the description is told by the execution itself.
    described = re.sub(r"\s*\[[^\]]*\]", "", execution.description or "")
    note = args.note if args.note is not None else (described or design.title)
    recorded = verdict.record(design, found, place.near(root / JOURNAL), note=note, ml=ml)
    result = {**found.as_json(), "design": str(design.file), **recorded}
    if not found.met:
        raise verdict.Missed(found, result)
    return result


def _design(given: Path | None, root: Path) -> Path:
    """The document that is named, or the only one of a model.

    Raises:
        UsageError: It is not there, or there are several.
    """
    if given is not None:
        return given.absolute()
    found = sorted((root / FOLDER / "model").glob("*.md"))
    if len(found) != 1:
        names = ", ".join(str(place.near(file)) for file in found)
        raise UsageError(
            f"Which design? {'There are ' + names if found else f'There is none below {FOLDER}/model'}.",
            remedy="Name it with --design." if found else "Begin one: uv run lint-design --new model <slug>",
        )
    return found[0]


def _tiered(ml: DerivaML, execution: str) -> Tiered:
    """What the execution's own receipt says.

    Raises:
        Undecidable: It has none.
        UsageError: It was edited, or is another's.
    """
    from deriva_ml_kit.design.measure import Used  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.design.verdict import Tiered  # noqa: PLC0415
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415
    from deriva_ml_kit.tiers.receipt import Status, parse  # noqa: PLC0415

    outputs = ml.list_execution_assets(execution, asset_role="Output")
    receipts = []
    with tempfile.TemporaryDirectory() as folder:
        for asset in outputs:
            if RECEIPT.fullmatch(asset.filename):
                content = asset.download(Path(folder) / asset.asset_rid).read_bytes()
                receipts.append((asset, parse(content, f"{asset.filename} of execution {execution}")))
    own = [(asset, receipt) for asset, receipt in receipts if receipt.execution_rid == execution]
    if not own:
        raise Undecidable(
            f"Execution {execution} has no receipt of its own among its outputs, so nobody can tell its tier.",
            remedy="Judge a run of deriva-ml-run, or of a script made from basic_execution.py.",
        )
    if len(own) > 1:
        tiers = ", ".join(sorted(str(each.tier) for _, each in own))
        raise UsageError(
            f"Execution {execution} has receipts of tiers {tiers}, and can have one: the others were added."
        )
    ((asset, receipt),) = own
    (row,) = rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", [execution], wanted=["RCB"])
    if asset.get_metadata().get("RCB") != row["RCB"]:
        raise UsageError(f"The receipt of execution {execution} was stored by somebody else than the execution.")
    if (receipt.hostname, receipt.catalog_id) != (ml.host_name, str(ml.catalog_id)):
        raise UsageError(f"The receipt of execution {execution} is about {receipt.catalog_id} on {receipt.hostname}.")
    return Tiered(
        tier=receipt.tier,
        passed=receipt.verdict is Status.PASS,
        commit=receipt.code.commit,
        overrides=tuple(each.reason for each in receipt.overrides),
        datasets=tuple(Used(each.rid, each.version) for each in receipt.datasets),
    )
