import pytest

from deriva_ml_kit.errors import Fault, Faults, KitError, Undecidable, UsageError


def test_an_error_shows_what_is_wrong_and_then_what_to_do() -> None:
    assert str(KitError("Nothing answers.", remedy="Start it.")) == "Nothing answers.\nStart it."
    assert str(KitError("Nothing answers.")) == "Nothing answers."


def test_failure_and_indecision_and_wrong_usage_end_with_different_exit_codes() -> None:
    assert [error("x").exit_code for error in (KitError, UsageError, Undecidable)] == [1, 2, 2]


def test_a_fault_names_its_place_and_the_value_found() -> None:
    fault = Fault("no such term", file="labels.csv", line=7, column="Digit", value="sevn", remedy="did you mean seven?")

    assert str(fault) == "labels.csv:7: column Digit: no such term (found 'sevn'); did you mean seven?"


def test_a_fault_shows_an_empty_value_and_leaves_out_what_is_unknown() -> None:
    assert str(Fault("is required", column="RID", value="")) == "column RID: is required (found '')"


def test_all_faults_are_told_at_once_and_long_lists_are_cut_in_text_only() -> None:
    faults = Faults([Fault(f"fault {n}", line=n) for n in range(1, 6)], shown=2)

    assert str(faults).splitlines() == [
        "5 faults found, nothing was written",
        "  1: fault 1",
        "  2: fault 2",
        "  … and 3 more (--json lists them all)",
    ]
    assert faults.as_json()["faults"] == [{"message": f"fault {n}", "line": n} for n in range(1, 6)]


def test_faults_without_a_fault_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Faults([])
