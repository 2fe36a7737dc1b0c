"""Every DerivaML call that we make or print is one that main line takes, and one that runs on what is installed."""

from collections import Counter
from collections.abc import Iterator

import pytest
from contract_checks.calls import Bound, bound_calls
from plugin_checks.documents import ROOT, fences

from deriva_ml_kit import mainline

# What documents call things without saying where they come from.
CUSTOMARY = {"ml": "DerivaML", "exe": "Execution", "execution": "Execution", "bag": "DatasetBag", "dataset": "Dataset"}
# Not main line's: what pydantic gives to all of its classes, and what only the runner calls, which hands over to main
# line's where that is installed.
OWN = {("DatasetSpec", "model_validate"), ("DerivaML", "add_workflow"), ("Workflow", "model_copy")}
# The layer that supplies main line's names never runs on main line; its calls of its own classes are mypy's to check.
LAYER = "src/deriva_ml_kit/mainline/"


def sources() -> Iterator[tuple[str, list[Bound]]]:
    """Every Python source of ours, by name, with its calls."""
    for folder in ("src/deriva_ml_kit", "skills", "scripts"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith(LAYER):
                yield name, bound_calls(path.read_text(encoding="utf-8"))
    for span in fences("python"):
        yield span.where, bound_calls(span.text, CUSTOMARY)


@pytest.mark.parametrize(("name", "found"), [pytest.param(*source, id=source[0]) for source in sources() if source[1]])
def test_main_line_takes_every_call(name: str, found: list[Bound], counted: Counter[str]) -> None:
    counted["calls bound"] += sum(bound.known for bound in found)
    own = {bound for bound in found if not bound.known and (bound.owner, bound.name) not in OWN}

    assert [f"{name}:{b.line}: {b.owner}.{b.name}: {b.complaint}" for b in found if b.complaint] == []
    assert [f"{name}:{b.line}: main line has no {b.owner}.{b.name}" for b in own] == []


@pytest.mark.parametrize(("name", "found"), [pytest.param(*source, id=source[0]) for source in sources() if source[1]])
def test_every_call_is_there_on_the_release(name: str, found: list[Bound]) -> None:
    ours = {bound: getattr(mainline, bound.owner, None) for bound in found if bound.owner}

    assert [f"{name}:{b.line}: {b.owner}.{b.name}" for b, cls in ours.items() if not hasattr(cls, b.name)] == []


@pytest.mark.parametrize(
    ("code", "lacking"),
    [
        ("ml = DerivaML('h')", "catalog_id"),
        ("ml = DerivaML('h', '1')\nml.lookup_dataset()", "dataset"),
        ("def f(ml: DerivaML):\n    ml.lookup_dataset('1').release(part='minor')", "bump"),
        ("def f(ml: DerivaML):\n    [d.mark_dev() for d in ml.find_datasets()]", "description"),
        ("class M(DerivaML):\n    def f(self):\n        self.lookup_asset()", "asset_rid"),
        (
            "def f(ml: DerivaML):\n    with ml.create_execution() as exe:\n        exe.add_features(records=[])",
            "features",
        ),
    ],
)
def test_a_call_that_main_line_does_not_take_is_found(code: str, lacking: str) -> None:
    found = bound_calls(f"from deriva_ml_kit import DerivaML\n{code}")

    complaints = [bound.complaint for bound in found if bound.complaint]
    assert complaints == [f"missing a required argument: {lacking!r}"]


def test_a_method_that_main_line_lacks_is_found() -> None:
    found = bound_calls("from deriva_ml_kit import DerivaML\nml = DerivaML('h', '1')\nml.no_such_thing()")

    assert [(bound.name, bound.known) for bound in found] == [("__init__", True), ("no_such_thing", False)]
