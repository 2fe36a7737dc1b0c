"""Register criteria: before the training that they are for, and checked as far as they can be by then."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deriva_ml_kit.errors import Fault, Faults, Undecidable, UsageError
from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.numerics.paired.compare import LEAST_GROUPS
from deriva_ml_kit.ops.evaluation.records import read_records
from deriva_ml_kit.ops.gate.documents import GateCriteria
from deriva_ml_kit.ops.kinds import WorkflowType
from deriva_ml_kit.ops.operation import operation

NAME = "criteria.json"
PROGRAM = ("Registration of criteria", WorkflowType.PROMOTION, __name__)
EXAMPLE = """\
# What a candidate has to reach, all of it. Bounds of confidence intervals are compared, not values.
dataset = "2-B4C8@1.0.0"     # the test dataset, released
table = "Image"              # whose rows are its records
label = "Diagnosis"          # column, feature, or Feature.Column
cluster = "Subject"          # column, or table that the records refer to: what belongs together
alpha = 0.05                 # how often a candidate that is no better may pass
max_bytes = 50_000_000
max_latency_ms = 100
reason = "Doctors overrule it in one of ten cases today."

[[requirements]]             # the first one is what the model is for
metric = "balanced_accuracy"
direction = "higher"
minimum = 0.85
min_gain = 0.0               # over the incumbent; below 0 it is what may be lost

[[requirements]]
metric = "log_loss"
direction = "lower"
maximum = 0.5
min_gain = -0.02
"""


def read_criteria(file: Path) -> GateCriteria:
    """Read criteria from a TOML file.

    Raises:
        UsageError: It cannot be read, or is no TOML.
        Faults: Everything that is wrong with it.
    """
    try:
        content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    try:
        return GateCriteria.model_validate(content)
    except ValidationError as error:
        raise Faults(
            [
                Fault(
                    each["msg"].removeprefix("Value error, "),
                    file=str(file),
                    column=".".join(map(str, each["loc"])) or None,
                    value=None if isinstance(each["input"], dict) else str(each["input"])[:80],
                )
                for each in error.errors()
            ],
            message=f"{file} holds no valid criteria; nothing was written.",
            remedy="See one: uv run deriva-ml-ops register-criteria --example",
        ) from error


def register_criteria(
    ml: DerivaML, criteria: GateCriteria, *, workflow: Workflow | None = None, dry_run: bool = False
) -> str | None:
    """Make criteria an asset of the catalog.

    Args:
        ml: The catalog.
        criteria: What a candidate has to reach.
        workflow: Of a script of the project.
        dry_run: Check, but write nothing.

    Returns:
        RID of the asset, to be given to the training as an input; None in a dry run.

    Raises:
        UsageError: There is no such dataset, version, table or column.
        Faults: Test records without label or group.
        Undecidable: There are too few of them for any gate to decide.
    """
    records = read_records(ml, criteria.dataset, table=criteria.table, label=criteria.label, cluster=criteria.cluster)
    count = len(records.truth) if records.clusters is None else len(set(records.clusters.values()))
    if count < LEAST_GROUPS:
        raise Undecidable(
            f"{criteria.dataset} has {count} {f'groups by {criteria.cluster}' if criteria.cluster else 'records'}: "
            f"fewer than {LEAST_GROUPS} cannot show which model is better.",
            remedy="Release a larger test dataset first.",
        )
    what = f"Criteria on {criteria.dataset}: " + ", ".join(each.metric for each in criteria.requirements)
    with operation(ml, what, workflow=workflow, program=PROGRAM, dry_run=dry_run) as doing:
        doing.keep(criteria, NAME)
    return None if dry_run else doing.rids[NAME]
