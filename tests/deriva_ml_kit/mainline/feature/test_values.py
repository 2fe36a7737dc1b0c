import pytest
from deriva_ml.core.exceptions import DerivaMLException

from deriva_ml_kit.mainline.errors import (
    DerivaMLFeatureNotFound,
    DerivaMLMaterializeLimitExceeded,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml_kit.mainline.feature import values
from deriva_ml_kit.mainline.feature.records import FeatureRecord
from deriva_ml_kit.mainline.feature.values import CatalogValues, feature_values

pytestmark = pytest.mark.catalog


@pytest.fixture
def asked(art, monkeypatch) -> list[str]:
    """Paths that the catalog is asked for."""
    paths: list[str] = []
    get = art.catalog.get

    def recorded(path, *args, **kwargs):
        paths.append(path)
        return get(path, *args, **kwargs)

    monkeypatch.setattr(art.catalog, "get", recorded)
    return paths


@pytest.fixture
def judged(art, new_pictures, new_execution, give) -> tuple[list[str], list[str]]:
    """Five pictures, of which two executions of different workflows have given looks to all but the last."""
    pictures, executions = new_pictures(5), [new_execution(), new_execution()]
    give(executions[0], *({"Picture": picture, "Style": "cubism", "Sure": False} for picture in pictures[:4]))
    give(executions[1], *({"Picture": picture, "Style": "realism", "Sure": True} for picture in pictures[:3]))
    return pictures, executions


def test_values_are_records_with_their_time_and_execution(art, judged) -> None:
    pictures, executions = judged
    found = list(art.feature_values("Picture", "Look", execution_rids=executions[:1]))

    assert {record.Picture for record in found} == set(pictures[:4])
    assert all(isinstance(record, FeatureRecord) and record.Execution == executions[0] for record in found)
    assert {(r.Style, r.Sure, r.Count, r.Feature_Name) for r in found} == {("cubism", False, None, "Look")}
    assert all(record.RCT.endswith("+00:00") or "T" in record.RCT for record in found)


def test_a_selector_leaves_one_value_for_a_target(art, judged) -> None:
    pictures, executions = judged

    def style_of(selector) -> list[str | None]:
        found = {r.Picture: r.Style for r in art.feature_values("Picture", "Look", selector, execution_rids=executions)}
        return [found.get(picture) for picture in pictures]

    look = art.feature_record_class("Picture", "Look")
    between = min(record.RCT for record in art.feature_values("Picture", "Look", execution_rids=executions[1:]))
    before = max(record.RCT for record in art.feature_values("Picture", "Look", execution_rids=executions[:1]))

    assert style_of(look.select_newest) == ["realism"] * 3 + ["cubism", None]
    assert style_of(look.select_first) == ["cubism"] * 4 + [None]
    assert style_of(look.select_by_execution(executions[1])) == ["realism"] * 3 + [None, None]
    assert style_of(look.select_majority_vote()) == ["realism"] * 3 + ["cubism", None]
    assert style_of(look.select_as_of(between)) == ["realism"] * 3 + ["cubism", None]
    assert style_of(look.select_as_of(before)) == ["cubism"] * 4 + [None]
    assert style_of(look.select_as_of("2020-01-01T00:00:00Z")) == [None] * 5


def test_values_of_a_workflow(art, judged) -> None:
    _, executions = judged
    (row,) = art.catalog.get(f"/entity/deriva-ml:Execution/RID={executions[1]}").json()
    assert art.list_workflow_executions(row["Workflow"]) == [executions[1]]
    assert set(executions) <= set(art.list_workflow_executions("Labelling"))

    selector = FeatureRecord.select_by_workflow(row["Workflow"], container=art)
    found = art.feature_values("Picture", "Look", selector=selector)
    assert {record.Execution for record in found} == {executions[1]}
    with pytest.raises(DerivaMLNotFoundError, match="'Nothing' is neither the RID of a workflow, nor a workflow type"):
        FeatureRecord.select_by_workflow("Nothing", container=art)


def test_values_are_read_in_pages_as_they_are_asked_for(art, judged, asked) -> None:
    feature = art.lookup_feature("Picture", "Look")
    _, executions = judged
    source = CatalogValues(art.catalog, page_rows=2)

    found = feature_values(feature, source, execution_rids=executions)
    assert asked == []
    next(found)
    assert len(asked) == 1
    assert len([None, *found]) == 7
    assert len(asked) == 4

    asked.clear()
    newest = feature_values(feature, source, FeatureRecord.select_newest, execution_rids=executions)
    next(newest)
    assert len(asked) <= 2
    assert len([None, *newest]) == 4


def test_the_server_selects_executions_and_targets_in_as_few_requests_as_paths_allow(
    art, judged, asked, monkeypatch
) -> None:
    pictures, executions = judged
    feature = art.lookup_feature("Picture", "Look")
    unknown = [f"9-{number:04}" for number in range(600)]
    wanted = list(feature_values(feature, CatalogValues(art.catalog), execution_rids=[*executions, *unknown]))
    assert len(wanted) == 7
    assert len(asked) == 3
    assert all(len(path) < 8000 for path in asked)

    monkeypatch.setattr(values, "PART", 1)  # every target and every execution has a request of its own
    source = CatalogValues(art.catalog, targets=pictures[2:])
    assert {(r.Picture, r.Execution) for r in feature_values(feature, source, execution_rids=executions)} == {
        (pictures[2], executions[0]),
        (pictures[2], executions[1]),
        (pictures[3], executions[0]),
    }
    newest = feature_values(feature, source, FeatureRecord.select_newest, execution_rids=executions)
    assert {record.Picture: record.Style for record in newest} == {pictures[2]: "realism", pictures[3]: "cubism"}
    with pytest.raises(DerivaMLMaterializeLimitExceeded, match="There are 3 values"):
        feature_values(feature, source, materialize_limit=2, execution_rids=executions)


def test_a_limit_is_kept_without_reading_the_values(art, judged, asked) -> None:
    _, executions = judged
    with pytest.raises(DerivaMLMaterializeLimitExceeded) as caught:
        art.feature_values("Picture", "Look", materialize_limit=6, execution_rids=executions)
    assert (caught.value.actual_count, caught.value.limit) == (7, 6)
    assert [path for path in asked if "/aggregate/" not in path] == []
    assert len(list(art.feature_values("Picture", "Look", None, 7, executions))) == 7


def test_no_executions_have_no_values(art, judged, asked) -> None:
    assert list(art.feature_values("Picture", "Look", execution_rids=[])) == []
    assert asked == []


def test_arguments_of_the_wrong_kind_are_refused(art) -> None:
    with pytest.raises(DerivaMLValidationError, match="'newest' is no selector"):
        art.feature_values("Picture", "Look", selector="newest")
    with pytest.raises(DerivaMLValidationError, match=r"\['1-AAAA'\]"):
        art.feature_values("Picture", "Look", execution_rids="1-AAAA")
    with pytest.raises(DerivaMLFeatureNotFound):
        art.feature_values("Picture", "Lok")


def test_a_snapshot_gives_the_values_of_then(art, judged, give, new_execution) -> None:
    pictures, executions = judged
    snapshot = art.catalog_snapshot(f"{art.catalog_id}@{art.catalog.get('/').json()['snaptime']}")
    later = new_execution()
    give(later, {"Picture": pictures[4], "Style": "cubism"})

    assert list(snapshot.feature_values("Picture", "Look", execution_rids=[later])) == []
    assert len(list(snapshot.feature_values("Picture", "Look", execution_rids=executions))) == 7
    assert len(list(art.feature_values("Picture", "Look", execution_rids=[later]))) == 1


def test_the_releases_rows_are_still_there_and_it_has_no_records(art, released, judged) -> None:
    assert not hasattr(released, "feature_values")  # of 1.17.10
    ours = {row["RID"] for row in art.list_feature_values("Picture", "Look")}
    assert ours == {row["RID"] for row in released.list_feature_values("Picture", "Look")}
    assert len(ours) >= 7


def test_values_belong_to_an_execution(art) -> None:
    with pytest.raises(DerivaMLException, match=r"exe\.add_features\(records\)"):
        art.add_features([])
