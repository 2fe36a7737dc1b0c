"""Receipts and requests as runs make them, for tests that then change one thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deriva_ml_kit.tiers.receipt import (
    Check,
    Code,
    DatasetInput,
    Environment,
    Receipt,
    Status,
    config_hash,
    document,
    seal,
    verdict,
)
from deriva_ml_kit.tiers.reentry import Request

COMMIT = "1f" * 20
CONFIG: dict[str, Any] = {
    "workflow": {"name": "Train", "workflow_type": "Training"},
    "model_config": {"_target_": "models.digits.train", "learning_rate": 0.001, "epochs": 3, "seed": 42},
}
DEV = DatasetInput(role="training", rid="2-DEV0", version="0.1.0", records=100, types=("Development",))
FULL = DatasetInput(role="training", rid="2-FULL", version="1.2.0", records=1797, types=("Training",))
CODE = Code(commit=COMMIT, dirty=False, repository="/home/ada/digits", script="src/models/digits.py", version="v0.1.0")


def receipt(**changes: Any) -> Receipt:
    """A sealed receipt of tier 1 that passed, on the development dataset, with some fields changed before the seal."""
    config = changes.get("config", CONFIG)
    checks = changes.get("checks", (Check(id="work", title="The work ran to its end", status=Status.PASS),))
    given: dict[str, Any] = {
        "tier": 1,
        "name": "my_experiment",
        "made": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        "hostname": "localhost:8443",
        "catalog_id": "1",
        "execution_rid": None,
        "config": config,
        "config_hash": config_hash(config),
        "code": CODE,
        "datasets": (DEV,),
        "assets": (),
        "environment": Environment(python="3.12.1", platform="Linux", packages={"numpy": "2.5.5"}),
        "checks": checks,
        "verdict": verdict(checks),
        "profile": {"inputs": {"records": 80}},
        "digest": "",
    }
    return seal(Receipt(**(given | changes)))


def request(tier: int = 2, **changes: Any) -> Request:
    """A run that the receipt lets begin, with some fields changed."""
    given: dict[str, Any] = {
        "tier": tier,
        "name": "my_experiment",
        "hostname": "localhost:8443",
        "catalog_id": "1",
        "config": CONFIG,
        "code": CODE,
        "datasets": (DEV,) if tier < 3 else (FULL,),
        "assets": (),
        "root": Path(CODE.repository),
        "command": "uv run deriva-ml-run +experiment=my_experiment",
    }
    return Request(**(given | changes))


def with_model(**values: Any) -> dict[str, Any]:
    """The configuration with other values of the model."""
    return CONFIG | {"model_config": CONFIG["model_config"] | values}


def edited(made: Receipt, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The text of a receipt after somebody has worked on it."""
    found = json.loads(document(made))
    change(found)
    return json.dumps(found, indent=2).encode()
