"""What the parser reads, with lines; whatever a text holds, it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.design.document import (
    KINDS,
    NO_VALUE,
    SECTIONS,
    Line,
    literal,
    parse,
    thresholds,
    with_status,
)
from deriva_ml_kit.design.starting import placeholders, start, template
from deriva_ml_kit.errors import UsageError

FILE = Path("docs/design/model/digit-classifier.md")
TEXT = """\
# Digit classifier

Status: Built (execution 3-WXYZ: accuracy 0.93 (of 360); 2026-01-31)

<!-- Status: Draft -->

## Goal
Which digit a scan shows.

## Requirements
- Architecture: one hidden layer
- Hyperparameters (`+experiment=my_experiment`): `epochs = 40`, `learning_rate` = 0.005, `optimizer.name`=`adam`,
  `shuffle`: true, `layers` = `[64, 32]`, `momentum`. Not `src/train.py`, not `seed` which the data has.
  - `batch_size` 32
- Input features: `Digit` on `Image`

```
## Validation
- Threshold: accuracy >= 0.1
```

## Validation
- Threshold: accuracy >= 0.95 and error rate < 5 %
- Dataset: `testing`

## Upstream designs
- [Digit](../feature/digit.md): the label, and `docs/design/dataset/digits.md`
"""


def test_a_document_says_what_it_is_with_the_lines_where_it_says_so() -> None:
    design = parse(TEXT, FILE)

    assert (design.kind, design.slug, design.title, design.config) == (
        "model",
        "digit-classifier",
        "Digit classifier",
        "+experiment=my_experiment",
    )
    assert design.status is not None
    assert (design.status.word, design.status.evidence, design.status.line) == (
        "Built",
        "execution 3-WXYZ: accuracy 0.93 (of 360); 2026-01-31",
        3,
    )
    assert [(section.title, section.line) for section in design.sections] == [
        ("Goal", 7),
        ("Requirements", 10),
        ("Validation", 22),
        ("Upstream designs", 26),
    ]
    assert [(str(each), each.line) for each in design.thresholds] == [
        ("accuracy >= 0.95", 23),
        ("error rate < 0.05", 23),
    ]
    assert [(link.target, link.line) for link in design.upstream] == [
        ("../feature/digit.md", 27),
        ("docs/design/dataset/digits.md", 27),
    ]


def test_hyperparameters_are_names_in_backquotes_with_the_values_behind_or_within_them() -> None:
    named = parse(TEXT, FILE).hyperparameters

    assert [(each.name, each.value, each.line) for each in named] == [
        ("epochs", 40, 12),
        ("learning_rate", 0.005, 12),
        ("optimizer.name", "adam", 12),
        ("shuffle", True, 13),
        ("layers", [64, 32], 13),
        ("momentum", NO_VALUE, 13),
        ("seed", NO_VALUE, 13),
        ("batch_size", 32, 14),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy >= 0.95", ["accuracy >= 0.95"]),
        ("- Threshold: Balanced accuracy ≥ 90 %.", ["Balanced accuracy >= 0.9"]),
        ("`loss` < `1e-3`", ["loss < 0.001"]),
        ("records > 50, coverage <= .5", ["records > 50", "coverage <= 0.5"]),
        ("as good as possible; version 3", []),
        ("accuracy >= high", []),
    ],
)
def test_thresholds_are_a_metric_a_direction_and_a_number(text: str, expected: list[str]) -> None:
    assert [str(each) for each in thresholds(Line(1, text))] == expected


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [(">=", False, True, True), (">", False, False, True), ("<=", True, True, False), ("<", True, False, False)],
)
def test_a_value_reaches_a_threshold_on_its_side_and_no_number_never_does(
    operator: str, below: bool, at: bool, above: bool
) -> None:
    (threshold,) = thresholds(Line(1, f"m {operator} 0.5"))

    assert [threshold.met_by(value) for value in (0.4, 0.5, 0.6, float("nan"))] == [below, at, above, False]


@pytest.mark.parametrize("line", ["**Status:** Draft", "Status: **Draft**", "**Status**: Draft", "status: Draft"])
def test_a_status_may_be_bold(line: str) -> None:
    design = parse(f"# A\n\n{line}\n", FILE)

    assert design.status is not None
    assert design.status.word == "Draft"
    assert parse(with_status(design, "Approved", ""), FILE).statuses[0].word == "Approved"


def test_a_status_may_be_a_section_of_its_own() -> None:
    text = "# A\n\n## Goal\nx\n\n## Status\n\n- Draft (since May)\n"
    design = parse(text, FILE)

    assert [(each.word, each.evidence, each.line) for each in design.statuses] == [("Draft", "since May", 8)]
    assert with_status(design, "Built", "execution 1-ABCD") == text.replace(
        "Draft (since May)", "Built (execution 1-ABCD)"
    )


def test_a_new_status_changes_its_line_alone_whatever_ends_the_lines() -> None:
    text = TEXT.replace("\n", "\r\n")
    changed = with_status(parse(text, FILE), "Validated", "execution 3-WXYZ")

    assert changed == text.replace(
        "Built (execution 3-WXYZ: accuracy 0.93 (of 360); 2026-01-31)", "Validated (execution 3-WXYZ)"
    )


@given(
    st.text()
    | st.lists(st.sampled_from([*TEXT.splitlines(), "```", "<!--", "-->", "## Status", "- ", "`"])).map("\n".join)
)
def test_every_text_is_read_and_every_line_number_is_a_line_of_it(text: str) -> None:
    design = parse(text, FILE)
    lines = [
        *(each.line for each in design.statuses),
        *(each.line for each in design.sections),
        *(line.number for section in design.sections for line in section.lines),
        *(item.line for section in design.sections for item in section.items),
        *(each.line for each in design.thresholds),
        *(each.line for each in design.hyperparameters),
        *(each.line for each in design.upstream),
    ]

    count = text.count("\n") + text.replace("\r\n", "").count("\r") + 1
    assert all(1 <= line <= count for line in lines)


NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
VALUES = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | NAMES


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5))
def test_hyperparameters_that_are_written_are_read_again(values: dict[str, object]) -> None:
    written = "".join(f"  - `{name}` = `{value}`\n" for name, value in values.items())
    design = parse(f"# A\n\n## Requirements\n- Hyperparameters:\n{written}", FILE)

    expected = {name: literal(str(value)) for name, value in values.items()}
    assert {each.name: each.value for each in design.hyperparameters} == expected
    assert all(expected[name] == value for name, value in values.items() if not isinstance(value, str))


@given(
    st.sampled_from([">=", "<=", ">", "<"]),
    st.floats(min_value=0, max_value=1e9, allow_nan=False),
    st.sampled_from(["accuracy", "macro F1", "error_rate"]),
)
def test_thresholds_that_are_written_are_read_again(operator: str, limit: float, metric: str) -> None:
    (first,) = thresholds(Line(7, f"- Threshold: {metric} {operator} {limit!r}"))

    assert (first.metric, first.operator, first.limit, first.line) == (metric, operator, limit, 7)
    assert next(thresholds(Line(7, str(first)))).operator == operator


@pytest.mark.parametrize("kind", KINDS)
def test_each_template_has_all_sections_and_begins_as_a_draft(kind: str, tmp_path: Path) -> None:
    file = start(tmp_path, kind, "my-first-one")
    design = parse(file.read_text(), file)

    assert file == tmp_path / f"docs/design/{kind}/my-first-one.md"
    assert (design.kind, design.title) == (kind, "My first one")
    assert [section.title for section in design.sections] == list(SECTIONS)
    assert [status.word for status in design.statuses] == ["Draft"]
    assert all(text in template(kind) for text in placeholders(kind))


def test_a_document_is_not_begun_twice_nor_under_a_name_that_is_no_slug(tmp_path: Path) -> None:
    start(tmp_path, "model", "digits")
    for kind, slug, told in (
        ("model", "digits", "exists"),
        ("model", "My Model", "Write my-model"),
        ("modle", "digits", "did you mean 'model'"),
    ):
        with pytest.raises(UsageError, match=told):
            start(tmp_path, kind, slug)
