"""The search tools on the clinic."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.catalog


def test_finds_a_feature_by_a_synonym_of_one_of_its_terms(ask: Any) -> None:
    found = ask("rag_search", query="low grade")
    assert "Diagnosis of Image" in [hit["title"] for hit in found["hits"]]
