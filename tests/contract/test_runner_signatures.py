"""What users' config files call in main line's runner, they can call in ours."""

import inspect
from collections import Counter

import pytest
from contract_checks import surface

from deriva_ml_kit import runner

MODULES = {"deriva_ml.execution.base_config", "deriva_ml.execution.multirun_config", "deriva_ml.execution.runner"}
MISSING = {"reset_multirun_state": "main line's state of a sweep is in its process; ours is in the catalog"}
FUNCTIONS = sorted(
    (call for call in surface.methods()[""].values() if call.module in MODULES and call.name not in MISSING),
    key=lambda call: call.name,
)


def test_main_lines_functions_are_found() -> None:
    assert {"run_model", "create_model_config", "multirun_config", "run_notebook"} <= {call.name for call in FUNCTIONS}


@pytest.mark.parametrize("call", FUNCTIONS, ids=lambda call: call.name)
def test_a_function_of_main_lines_runner_is_ours_too(call: surface.Call, counted: Counter[str]) -> None:
    counted["signatures compared"] += 1

    assert surface.differences(inspect.signature(getattr(runner, call.name)), call, method=False) == []
