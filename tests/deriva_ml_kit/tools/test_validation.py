"""Configurations of executions, in the shapes in which people have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.tools.validation.configurations import Configuration, read, version_of

Ask = Callable[..., dict[str, Any]]

RIDS = st.integers(1, 9999).map(lambda number: f"1-{number:04}")
VERSIONS = st.sampled_from(["0.1.0", "1.2.3", None])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | RIDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["rid", "version", "items", "_target_", "training", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def _validate(ask: Ask, config: Any) -> dict[str, Any]:
    return ask("deriva_ml_validate_execution_configuration", config=config)


def _named(found: Configuration) -> list[tuple[str, str | None]]:
    return [(each.rid, each.version) for each in found.datasets]


# Reading


@given(st.lists(st.tuples(RIDS, VERSIONS), max_size=4, unique_by=lambda pair: pair[0]))
def test_every_shape_of_the_same_datasets_is_read_alike(pairs: list[tuple[str, str | None]]) -> None:
    fields = [{"rid": rid, "version": version} for rid, version in pairs]
    pins = [f"{rid}@{version}" if version else rid for rid, version in pairs]
    roles = {f"role{number}": each for number, each in enumerate(fields)}
    built = {"_target_": "deriva_ml_kit.runner.configs.DescribedList", "items": pins, "description": "All"}

    found = [read({"datasets": shape}) for shape in (fields, pins, roles, built)]

    assert [_named(each) for each in found] == [pairs] * 4
    assert [each.problems for each in found] == [[]] * 4
    assert [each.role for each in found[2].datasets] == [*roles]


@given(st.dictionaries(st.sampled_from(["datasets", "assets", "workflow", "dataset", "x", "_target_"]), VALUES))
def test_nothing_that_is_named_is_passed_over_in_silence(document: dict[str, Any]) -> None:
    found = read(document)

    said = [*found.datasets, *found.assets, *found.problems, *found.warnings]
    unset = (None, "", "???", [], {})
    told = [key for key in ("datasets", "assets", "dataset", "x") if key in document]
    for key in told:
        is_empty = document[key] in unset or (isinstance(document[key], dict) and _empty(document[key]))
        assert (key in ("datasets", "assets") and is_empty) or any(each.place.startswith(key) for each in said)


@settings(deadline=None)  # the first example imports what takes seconds
@given(VALUES | st.lists(st.floats() | st.integers(), min_size=3, max_size=3))
def test_whatever_stands_for_a_version_is_one_or_is_told(given_version: Any) -> None:
    version, wrong = version_of(given_version)

    assert (version is None) == bool(wrong)


def _empty(value: dict[str, Any]) -> bool:
    """Whether a mapping names no input, such as a list without any, or what Hydra adds."""
    items = value.get("items", ()) if "rid" not in value else (0,)
    return not [key for key in value if key != "_target_"] or ("items" in value and items in ([], {}, None, "", "???"))


# Asking the catalog


def test_a_configuration_that_could_start_is_valid_in_every_shape(ask: Ask, clinic: Any) -> None:
    left, right = clinic.datasets["left"], clinic.datasets["right"]
    assets, workflow = [clinic.rids["a.txt"]], clinic.rids["Grading"]
    shapes = [
        [{"rid": left.rid, "version": str(left.version)}, f"{right.rid}@{right.version}"],
        {"training": {"rid": left.rid, "version": left.version.to_dict()}, "testing": f"{right.rid}@{right.version}"},
    ]

    answers = [
        _validate(ask, {"datasets": shapes[0], "assets": assets, "workflow": workflow, "description": "Grade"}),
        _validate(
            ask,
            {
                "datasets": shapes[1],
                "assets": [{"rid": assets[0], "cache": True}],
                "workflow": {
                    "_target_": "deriva_ml_kit.mainline.Workflow",
                    "name": "New",
                    "workflow_type": ["Grading"],
                },
                "description": "Grade",
                "model_config": {"epochs": 3},
                "deriva_ml": {"hostname": clinic.ml.host_name, "catalog_id": int(clinic.ml.catalog_id)},
            },
        ),
    ]

    assert [(answer["valid"], answer["problems"], answer["warnings"]) for answer in answers] == [(True, [], [])] * 2
    assert [each["role"] for each in answers[1]["dataset_results"]] == ["training", "testing"]
    assert answers[0]["workflow_result"] == {
        "rid": workflow,
        "valid": True,
        "reasons": [],
        "workflow_name": "Grading",
    }
    assert answers[0]["asset_results"][0]["filename"] == "a.txt"
    assert answers[0]["next_step"].startswith(f'deriva_ml_bag_info(hostname="{clinic.ml.host_name}"')


def test_every_problem_is_named_at_once_with_its_place_and_what_to_do(ask: Ask, clinic: Any) -> None:
    left, right, subject = clinic.datasets["left"], clinic.datasets["right"], clinic.rids["Ann"]
    datasets = {
        "old": {"rid": left.rid, "version": "9.9.9"},
        "bare": right.rid,
        "odd": {"rid": clinic.datasets["images"].rid, "version": 1.0},
        "developing": f"{clinic.datasets['nested'].rid}@0.6.0.post1.dev1",
        "person": {"rid": subject, "version": "0.1.0"},
        "gone": f"9{left.rid[1:]}@0.1.0",
        "open": {"rid": "???", "version": "0.1.0"},
        "typo": {"rid": clinic.datasets["inmost"].rid, "verison": "0.8.0"},
    }
    config = {
        "datasets": datasets,
        "assets": [clinic.rids["Ben"], "9-ZZZZ", "no rid"],
        "workflow": "Gradin",
        "asets": [],
        "deriva_ml": {"hostname": "data.example.org", "catalog_id": "1"},
    }

    answer = _validate(ask, config)

    found = {(each["place"], each["reason"]): each for each in answer["problems"]}
    assert [*found] == [
        ("asets", "unknown_key"),
        ("datasets.open.rid", "rid_missing"),
        ("datasets.typo.verison", "unknown_key"),
        ("assets[2]", "unreadable"),
        ("deriva_ml", "other_catalog"),
        ("datasets.old", "version_not_found"),
        ("datasets.bare", "version_missing"),
        ("datasets.odd", "version_unreadable"),
        ("datasets.developing", "version_in_development"),
        ("datasets.person", "not_a_dataset"),
        ("datasets.gone", "rid_not_found"),
        ("datasets.typo", "version_missing"),
        ("assets[0]", "not_an_asset"),
        ("assets[1]", "rid_not_found"),
        ("workflow", "not_a_rid"),
    ]
    assert not answer["valid"]
    assert found["datasets.old", "version_not_found"]["remedy"] == f'Write "{left.rid}@{left.version}".'
    assert found["datasets.bare", "version_missing"]["candidates"][0] == str(right.version)
    assert f"{subject} is a row of Subject" in found["datasets.person", "not_a_dataset"]["message"]
    assert left.rid in found["datasets.gone", "rid_not_found"]["candidates"]
    assert found["datasets.typo.verison", "unknown_key"]["candidates"] == ["version"]
    assert found["asets", "unknown_key"]["candidates"][0] == "assets"
    assert [each["valid"] for each in answer["dataset_results"]] == [False] * 7


def test_inputs_that_do_not_go_together_are_told_with_all_places(ask: Ask, clinic: Any) -> None:
    pins = {name: f"{spec.rid}@{spec.version}" for name, spec in clinic.datasets.items()}
    left, image = clinic.datasets["left"].rid, clinic.rids["a.txt"]

    roles = _validate(ask, {"datasets": {"training": pins["left"], "testing": pins["left"]}, "description": "x"})
    listed = _validate(
        ask,
        {"datasets": [pins["left"], f"{left}@0.1.0", pins["right"], pins["right"]], "assets": [image, image, left]},
    )

    assert [(each["reason"], each["place"]) for each in roles["problems"]] == [
        ("role_conflict", "datasets.training, datasets.testing")
    ]
    assert [(each["issue"], each["places"]) for each in listed["cross_spec_issues"]] == [
        ("version_conflict", ["datasets[0]", "datasets[1]", "assets[2]"]),
        ("duplicate_rid", ["datasets[2]", "datasets[3]"]),
        ("duplicate_rid", ["assets[0]", "assets[1]"]),
        ("role_conflict", ["datasets[0]", "datasets[1]", "assets[2]"]),
    ]
    assert not roles["valid"]
    assert not listed["valid"]


def test_a_workflow_that_is_not_recorded_yet_needs_a_name_and_known_types(ask: Ask, clinic: Any) -> None:
    nameless = _validate(ask, {"workflow": {"type": "Gradin"}})
    known = _validate(ask, {"workflow": {"name": "Any", "type": "Grading", "url": "https://example.org/g.py"}})
    typeless = _validate(ask, {"workflow": {"name": "Any"}})
    long = _validate(ask, {"workflow": "x" * 5000})
    strange = _validate(ask, {"workflow": clinic.rids["Ann"]})
    by_name = _validate(ask, {"workflow": "Grading"})

    assert nameless["workflow_result"]["reasons"] == ["name_missing", "workflow_type_not_found"]
    assert nameless["problems"][1]["candidates"] == ["Grading"]
    assert (known["valid"], known["workflow_result"]["rid"]) == (True, clinic.rids["Grading"])
    assert typeless["workflow_result"]["reasons"] == ["workflow_type_missing"]
    assert strange["workflow_result"]["reasons"] == ["not_a_workflow"]
    assert long["workflow_result"]["reasons"] == ["not_a_rid"]
    assert by_name["problems"][0]["candidates"] == [clinic.rids["Grading"]]


def test_what_is_missing_but_allowed_is_a_warning(ask: Ask) -> None:
    answer = _validate(ask, {"own_setting": 3})

    assert answer["valid"]
    assert [each["reason"] for each in answer["warnings"]] == ["unknown_key", "no_datasets", "no_description"]
