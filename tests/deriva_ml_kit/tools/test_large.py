"""Every reading tool on a catalog with many rows and long texts: `scripts/large_catalog.py`, smaller."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.catalog

SCRIPTS = Path(__file__).parents[3] / "scripts"
ROWS = 200


@pytest.fixture(scope="module")
def script() -> Any:
    """The program, as a module."""
    sys.path.append(str(SCRIPTS))
    return importlib.import_module("large_catalog")


def test_answers_are_small_and_say_how_to_go_on(local_host: Any, script: Any, tmp_path: Path) -> None:
    answers = list(script.examined(script.make(local_host.hostname, ROWS), tmp_path))

    assert [script.line(answer) for answer in answers if answer.faults] == []
    paged = {answer.tool for answer in answers if answer.page == script.PAGES}
    assert {"get_entities", "list_vocabulary_terms", "deriva_ml_list_executions"} < paged
    assert {"deriva_ml_list_dataset_members", "deriva_ml_denormalize_dataset", "deriva_ml_list_assets"} < paged


def test_what_is_wrong_with_an_answer_is_said(script: Any) -> None:
    judge = script.faults_of

    assert judge("x", {"shortened": []}, 1.0, 25_000) == []
    assert judge("x", {"truncated": True}, 1.0, 1) == ["no way on"]
    assert judge("x", {"shortened": ["rows: cut"], "next_step": "get_table(…)"}, 1.0, 1) == []
    assert judge("x", {"error": {"message": "gone"}}, 11.0, 25_001) == ["error: gone", "too large", "too slow"]
