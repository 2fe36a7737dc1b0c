"""Terms: by name and synonym, changed through their objects, deleted only where nothing refers to them."""

from __future__ import annotations

from typing import Any

import pytest
from deriva_ml import MLVocab
from deriva_ml.core.exceptions import DerivaMLInvalidTerm, DerivaMLTableTypeError

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.errors import DerivaMLValidationError

pytestmark = pytest.mark.catalog


@pytest.fixture
def requests_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Counts what is read from a catalog."""

    def counting(ml: DerivaML) -> list[str]:
        seen: list[str] = []
        get = ml.catalog.get
        monkeypatch.setattr(ml.catalog, "get", lambda path, *a, **o: (seen.append(path), get(path, *a, **o))[1])
        return seen

    return counting


def test_a_term_is_found_by_its_name_and_its_synonyms(ml: DerivaML) -> None:
    ml.add_term("Digit", "nine", "Nine", synonyms=["IX", "neun"])

    assert ml.lookup_term("Digit", "neun").name == ml.lookup_term("Digit", "nine").name == "nine"
    assert ml.lookup_term("Digit", "IX").synonyms == ("IX", "neun")
    assert "nine" in {term.name for term in ml.list_vocabulary_terms(ml.model.name_to_table("Digit"))}
    assert "Training" in {term.name for term in ml.list_vocabulary_terms(MLVocab.workflow_type)}


def test_a_vocabulary_is_read_once(ml: DerivaML, requests_of: Any) -> None:
    """The release reads all terms at each look-up."""
    seen = requests_of(ml)

    for _ in range(20):
        ml.lookup_term("Workflow_Type", "Training")
    assert len(seen) == 1
    ml.clear_vocabulary_cache("Workflow_Type")
    ml.lookup_term("Workflow_Type", "Training")
    assert len(seen) == 2
    ml.clear_vocabulary_cache()
    ml.lookup_term("Workflow_Type", "Training")
    assert len(seen) == 3


def test_a_term_that_somebody_else_adds_is_found(ml: DerivaML, lab: Any, tmp_path: Any) -> None:
    ml.lookup_term("Digit", "seven")
    lab.connect(tmp_path / "other").add_term("Digit", "two", "Two")

    assert ml.lookup_term("Digit", "two").description == "Two"


def test_a_mistyped_term_says_what_was_meant(ml: DerivaML) -> None:
    with pytest.raises(DerivaMLInvalidTerm, match="did you mean 'seven'"):
        ml.lookup_term("Digit", "sevn")
    with pytest.raises(DerivaMLTableTypeError, match="Image is not of type vocabulary"):
        ml.lookup_term("Image", "seven")
    with pytest.raises(DerivaMLTableTypeError):
        ml.list_vocabulary_terms("Image")


def test_adding_what_is_there_changes_nothing(ml: DerivaML) -> None:
    ml.add_term("Digit", "three", "Three")

    assert ml.add_term("Digit", "three", "Another three").description == "Three"
    with pytest.raises(DerivaMLInvalidTerm, match="already exists"):
        ml.add_term("Digit", "three", "Another three", exists_ok=False)


def test_what_is_assigned_is_stored(ml: DerivaML, lab: Any, tmp_path: Any) -> None:
    term = ml.add_term("Digit", "four", "Vier")

    term.description = "Four"
    term.synonyms = ["IV"]

    stored = lab.connect(tmp_path / "other").lookup_term("Digit", "IV")
    assert (stored.name, stored.description, term.synonyms) == ("four", "Four", ("IV",))


def test_a_term_in_use_stays(ml: DerivaML) -> None:
    """The database would delete what refers to it: the types of assets, here."""
    ml.pathBuilder.schemas["deriva-ml"].tables["Workflow"].insert(
        [
            {
                "Name": "W",
                "URL": "https://example.org/w",
                "Workflow_Type": ml.add_term("Workflow_Type", "Odd", "Odd").name,
            }
        ]
    )

    with pytest.raises(DerivaMLValidationError, match="'Odd' is in use: 1 row of Workflow"):
        ml.delete_term("Workflow_Type", "Odd")
    ml.add_term("Digit", "five", "Five")
    ml.delete_term("Digit", "five")
    with pytest.raises(DerivaMLInvalidTerm):
        ml.lookup_term("Digit", "five")


def test_terms_are_read_from_a_snapshot(ml: DerivaML) -> None:
    snapshot = ml.catalog_snapshot(f"{ml.catalog_id}@{ml.catalog.latest_snapshot().snaptime}")

    ml.add_term("Digit", "six", "Six")

    assert snapshot.lookup_term("Digit", "seven").name == "seven"
    with pytest.raises(DerivaMLInvalidTerm):
        snapshot.lookup_term("Digit", "six")
