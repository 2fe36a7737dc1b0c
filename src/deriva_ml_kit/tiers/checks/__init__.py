"""Judge the evidence of a run: one `Check` for each rule that its tier has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deriva_ml_kit.tiers.checks import inputs, labels, outcome, training
from deriva_ml_kit.tiers.checks.finding import Finding, Unjudged
from deriva_ml_kit.tiers.checks.material import Material
from deriva_ml_kit.tiers.checks.profile import profile
from deriva_ml_kit.tiers.evidence import Evidence
from deriva_ml_kit.tiers.receipt import Check, Status

__all__ = ["RULES", "Rule", "checks", "profile"]

ALL = (1, 2, 3)
TRAINED = (2, 3)  # two batches cannot answer these


@dataclass(frozen=True)
class Rule:
    """One thing that has to hold.

    Attributes:
        id: Name for programs; never changes.
        title: What holds if it passes.
        judge: Reads the material; raises `Unjudged` where it cannot say pass or fail.
        tiers: Where it is asked.
        required: Whether a run that hands over too little to judge it stays undecided.
    """

    id: str
    title: str
    judge: Callable[[Material], Finding]
    tiers: tuple[int, ...] = ALL
    required: bool = True


RULES = (
    Rule("shapes", "Records have one shape and type", inputs.shapes),
    Rule("inputs_finite", "Inputs are finite numbers", inputs.finite),
    Rule("inputs_vary", "Inputs differ from record to record and are not blank", inputs.vary),
    Rule("input_ranges", "Inputs lie in the ranges that tier 1 saw", inputs.ranges),
    Rule("no_oracle", "No single input column gives the answer away", inputs.oracle),
    Rule("labels_known", "Labels are terms of the vocabulary", labels.known_terms),
    Rule("classes_complete", "Every class of the vocabulary has enough records", labels.complete, TRAINED),
    Rule("disjoint_rids", "No record is both learnt from and judged on", labels.disjoint_rids),
    Rule("disjoint_groups", "No group is both learnt from and judged on", labels.disjoint_groups, required=False),
    Rule("loss_finite", "The loss stays a finite number", training.loss_finite, required=False),
    Rule("loss_fell", "The loss fell by a fifth", training.loss_fell, TRAINED, required=False),
    Rule("overfits", "A new model learns one batch by heart", training.overfits, TRAINED, required=False),
    Rule("repeatable", "The same seed gives the same first epoch", training.repeatable, TRAINED, required=False),
    Rule("predictions_finite", "Every record gets a prediction", outcome.finite),
    Rule("predictions_known", "Predictions are terms of the vocabulary", outcome.known_terms),
    Rule("predictions_vary", "Predictions differ from record to record", outcome.vary, TRAINED),
    Rule("beats_guess", "Predictions are better than the simplest guess", outcome.beats_guess, TRAINED),
    Rule("reload", "The model's file predicts what the model predicted", outcome.reload, required=False),
)


def checks(
    ev: Evidence, *, baseline: Mapping[str, Any] | None = None, find: Callable[[str], Path] | None = None
) -> list[Check]:
    """Judge what a run has shown, by the rules of its tier.

    Args:
        ev: The evidence, after the run. Its trial and reload functions are called here, on at most 200 records.
        baseline: The profile that tier 1 recorded, from its receipt.
        find: Gives the path of a written (or downloaded) output file by its name; for the model to be read back.

    Returns:
        One check a rule, in the order of `RULES`; odd evidence makes checks that fail or are insufficient, no error.
    """
    material = Material(ev, baseline, find)
    with np.errstate(all="ignore"):  # infinities and NaN are what is looked for
        return [_check(rule, material) for rule in RULES if ev.tier in rule.tiers]


def _check(rule: Rule, material: Material) -> Check:
    try:
        if material.recorded.train is None:
            material.unless_without("data")
        finding = rule.judge(material)
    except Unjudged as unjudged:
        finding = unjudged.finding
    except Exception as error:  # evidence comes from any library, so nothing about it is certain
        finding = Finding(
            Status.INSUFFICIENT,
            detail=f"It could not be judged: {type(error).__name__}: {error}",
            remedy="Hand over plain arrays: numbers for inputs, terms or numbers for targets and predictions.",
        )
    return Check(
        id=rule.id,
        title=rule.title,
        status=finding.status,
        value=finding.value,
        limit=finding.limit,
        detail=finding.detail,
        remedy=finding.remedy,
        required=rule.required if finding.required is None else finding.required,
    )
