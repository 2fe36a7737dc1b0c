"""Editing marked regions of a template."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.demo.regions import apply_edits, regions
from deriva_ml_kit.errors import KitError

TEMPLATE = """\
import sys
# >>> edit: load
def load():
    return 1
# <<< edit: load

# >>> edit: run (at most two batches)
def run(): ...
# <<< edit: run
"""


def test_a_region_in_the_edits_replaces_the_templates_and_everything_else_stays():
    edited = apply_edits(TEMPLATE, "# >>> edit: load\ndef load():\n    return 2\n# <<< edit: load\n")

    assert edited == TEMPLATE.replace("return 1", "return 2")


def test_an_edit_for_a_region_that_the_template_lacks_is_refused_by_name():
    with pytest.raises(KitError, match="no region nonsense"):
        apply_edits(TEMPLATE, "# >>> edit: nonsense\n# <<< edit: nonsense\n")


@given(st.text().filter(lambda text: "edit:" not in text))
def test_whatever_stands_in_the_edits_is_what_the_region_holds_afterwards(body):
    body = "".join(f"x{line}\n" for line in body.split("\n"))
    edits = f"# >>> edit: run\n{body}# <<< edit: run\n"

    assert regions(apply_edits(TEMPLATE, edits))["run"] == body
