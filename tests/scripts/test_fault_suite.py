"""The suite of faults itself: one of each kind is caught at its tier. Healthy runs have their test with cycle-zero."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml_kit.project import sources

PROGRAM = Path(__file__).parents[2] / "scripts/fault_suite.py"
ONE_OF_EACH = {
    "version that does not exist": "tier 1",
    "grey levels of 0..255 after 0..1 in tier 1": "tier 2",
    "failed receipt changed by hand": "tier 2",
    "tier 2 left out": "tier 3",
}


def test_every_fault_fits_a_new_project():
    project = sources.texts("faults")
    for fault in runpy.run_path(str(PROGRAM.with_name("fault_catalogue.py")))["FAULTS"]:
        broken = dict(project)
        for name, old, new in fault.edits:
            assert old in broken[name], fault.name
            broken[name] = broken[name].replace(old, new)
        for name in {name for name, _, _ in fault.edits}:
            compile(broken[name], name, "exec")


@pytest.mark.catalog
def test_a_fault_of_each_kind_is_caught_at_its_tier():
    quick = ("--seeds", "1", "--healthy", "0", "--images", "400")
    command = [sys.executable, PROGRAM, *quick, "--json", "--only", ",".join(ONE_OF_EACH)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    figures = json.loads(ran.stdout)

    assert {row["name"]: list(row["steps"]) for row in figures["faults"]} == {
        name: [step] for name, step in ONE_OF_EACH.items()
    }, ran.stdout
    assert ran.returncode == 0
