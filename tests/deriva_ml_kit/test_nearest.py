"""A mistyped name is answered with what was probably meant, or with what there is."""

from __future__ import annotations

import pytest

from deriva_ml_kit.nearest import nearest, remedy, suggestion


def test_the_best_match_comes_first_and_letter_case_does_not_count() -> None:
    assert nearest("glaucma", ["Cataract", "Glaucoma", "Glaucoma_Suspect"])[0] == "Glaucoma"
    assert nearest("IMAGE", ["Image"]) == ["Image"]


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        (["Training", "Testing"], "did you mean 'Training'?"),
        (["Annotation", "Ingest"], "known: Annotation, Ingest."),
        ([f"Kind {n}" for n in range(40)], "nothing similar among the 40 known names."),
        ([], "there are none yet."),
    ],
)
def test_a_suggestion_fits_what_there_is(known: list[str], answer: str) -> None:
    assert suggestion("Trainig", known) == answer
    assert remedy("Trainig", known) == answer[0].upper() + answer[1:]
