"""Splitting datasets takes what main line's functions take, and gives what they give."""

import inspect
from collections import Counter

import pytest
from contract_checks import surface

from deriva_ml_kit.datasets import split


@pytest.mark.parametrize("name", ["random_split", "split_dataset", "stratified_split", "subsample"])
def test_a_call_written_for_main_line_binds_to_ours(name: str, counted: Counter[str]) -> None:
    counted["signatures compared"] += 1
    call = surface.methods()[""][name]

    assert surface.differences(inspect.signature(getattr(split, name)), call, method=False) == []


@pytest.mark.parametrize("name", ["PartitionInfo", "SplitResult", "SubsampleResult"])
def test_a_result_has_main_lines_fields(name: str) -> None:
    assert list(getattr(split, name).model_fields) == surface.fields(name)
