"""The source document of operations, line by line: each demand has a home here, and each home is there."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plugin_checks.commands import parser_of_program
from plugin_checks.documents import ROOT, Document

from deriva_ml_kit.numerics.drift import BaselineProfile, compare, profile
from deriva_ml_kit.numerics.power.units import units_for_rates
from deriva_ml_kit.ops.features import FeatureStore
from deriva_ml_kit.ops.pipeline.definition import read
from deriva_ml_kit.ops.tracking.record import Run

WALK = json.loads((ROOT / "tests/data/seed-ml-ops.json").read_text())
DEMANDS = WALK["demands"]
PROGRAM = "deriva-ml-ops "


def lines_of(entries: list[dict[str, Any]]) -> set[int]:
    return {line for entry in entries for line in range(entry["lines"][0], entry["lines"][1] + 1)}


def test_every_line_is_a_demand_or_noise():
    demanded, noise = lines_of(DEMANDS), lines_of(WALK["noise"])

    assert demanded | noise == set(range(1, WALK["lines"] + 1))
    assert demanded & noise == set()
    assert (len(DEMANDS), len(demanded), len(noise)) == (84, 134, 15)


def test_demands_are_named_in_few_words_and_have_homes():
    assert [d["demand"] for d in DEMANDS if len(d["demand"].split()) > 8 or not d["homes"]] == []
    assert len({d["demand"] for d in DEMANDS}) == len(DEMANDS)


@pytest.mark.parametrize("home", sorted({home for demand in DEMANDS for home in demand["homes"]}))
def test_every_home_is_there(home: str):
    if home.startswith(PROGRAM):
        assert_command(home.removeprefix(PROGRAM).split())
        return
    path, _, test = home.partition("::")
    path, _, heading = path.partition("#")
    assert (ROOT / path).is_file()
    if test:
        assert test in functions(ROOT / path)
    if heading:
        assert heading in headings(ROOT / path)


def test_every_command_of_operations_is_demanded_or_prepares():
    demanded = {home.split()[1] for d in DEMANDS for home in d["homes"] if home.startswith(PROGRAM)}

    assert subparsers(parser_of_program("deriva-ml-ops")).keys() - demanded == {"setup", "upload-predictions"}


def test_the_monitoring_loop_of_the_example_works():
    rng = np.random.default_rng(20)
    train = pd.DataFrame({"age": rng.normal(50, 9, 5_000), "ward": rng.choice(["a", "b"], 5_000)})
    batch = pd.DataFrame({"age": rng.normal(59, 9, 2_000), "ward": rng.choice(["a", "b"], 2_000)})
    baseline = BaselineProfile.model_validate_json(profile(train).model_dump_json())  # as the training left it

    gauges, alerts = {}, []
    for column in compare(baseline, batch).columns:
        gauges[f"drift.psi.{column.name}"] = column.training.psi
        if column.status == "drift":
            alerts.append(column.name)

    assert alerts == ["age"]
    assert gauges["drift.psi.age"] > 0.2
    assert gauges["drift.psi.ward"] < 0.1


def test_features_are_asked_for_as_in_the_example():
    asked = inspect.signature(FeatureStore.get_historical_features).bind(
        None, entity_df=pd.DataFrame(), feature_refs=["user:age", "user:30d_spend", "user:country"]
    )

    assert {"entity_df", "feature_refs"} <= asked.arguments.keys()


def test_the_pipeline_of_the_template_has_the_stages_and_proposes_what_passed_its_gate():
    stages = [stage.name for stage in read(ROOT / "skills/ml-ops/scripts/pipeline.toml").stages]

    wanted = ["ingest", "validate", "train", "evaluate", "register", "gate", "propose"]
    assert [stage for stage in stages if stage in wanted] == wanted


def test_a_run_is_tracked_as_the_example_wants():
    run = Run()
    run.value("loss", 0.7, step=0)
    run.metrics({"auc_roc": 0.91}, precision_at_k=0.4)

    assert run._metrics == {"auc_roc": 0.91, "precision_at_k": 0.4}


def test_the_size_of_an_a_b_test_is_the_one_that_the_document_names():
    said = (ROOT / "skills/ml-ops/references/rollout-and-ab-tests.md").read_text()

    assert f"0.10 against 0.11 takes {math.ceil(units_for_rates(0.10, 0.01)):,} units" in said


def assert_command(words: list[str]) -> None:
    parser = parser_of_program("deriva-ml-ops")
    for word in words:
        if word.startswith("--"):
            assert word in parser._option_string_actions
        else:
            parser = subparsers(parser)[word]


def subparsers(parser: argparse.ArgumentParser | None) -> dict[str, argparse.ArgumentParser]:
    assert parser is not None
    (action,) = (found for found in parser._actions if isinstance(found, argparse._SubParsersAction))
    return action.choices


@cache
def functions(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


@cache
def headings(path: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", Document(path).prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in found}
