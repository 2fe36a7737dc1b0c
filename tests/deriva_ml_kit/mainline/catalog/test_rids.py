"""Many RIDs, few questions; and what is said about RIDs that are not there."""

import contextlib
import re

import pytest

from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.single import row_of
from deriva_ml_kit.mainline.errors import DerivaMLNotFoundError, DerivaMLRidsNotFound

pytestmark = pytest.mark.catalog


@contextlib.contextmanager
def requests_of(ml, monkeypatch):
    """The paths that are asked for."""
    asked: list[str] = []
    get = ml.catalog.get
    with monkeypatch.context() as patched:
        patched.setattr(ml.catalog, "get", lambda path, *a, **k: (asked.append(path), get(path, *a, **k))[1])
        yield asked


@pytest.fixture(scope="module")
def made(lab, tmp_path_factory) -> dict[str, list[str]]:
    ml = lab.connect(tmp_path_factory.mktemp("work"))
    files = [{"URL": f"/hatrac/rids/{n}", "Filename": "x", "Length": 1, "MD5": f"{n}"} for n in range(1200)]
    images = [row["RID"] for row in ml.pathBuilder.schemas["lab"].Image.insert(files)]
    digits = [row["RID"] for row in ml.catalog.get("/entity/lab:Digit").json()]
    return {"Image": images, "Digit": digits}


def test_many_rids_of_two_tables_cost_two_probes_and_a_few_requests(ml, made, monkeypatch) -> None:
    rids = made["Image"] + made["Digit"]
    with requests_of(ml, monkeypatch) as asked:
        found = ml.resolve_rids(rids)
    assert len(found) == len(rids)
    assert {found[rid].table_name for rid in made["Image"]} == {"Image"}
    assert {(found[rid].schema_name, found[rid].table.name, found[rid].rid == rid) for rid in made["Digit"]} == {
        ("lab", "Digit", True)
    }
    assert len([path for path in asked if path.startswith("/entity_rid")]) == 2
    assert len(asked) < 20


def test_rids_that_do_not_exist_are_all_named(ml, made) -> None:
    with pytest.raises(DerivaMLRidsNotFound) as caught:
        ml.resolve_rids([made["Image"][0], "ZZZ9", "no RID at all", "a/b"])
    assert caught.value.missing_rids == {"ZZZ9", "no RID at all", "a/b"}
    assert tables_of(ml, []) == {}


def test_hundreds_of_wrong_rids_do_not_cost_a_request_each(ml, made, monkeypatch) -> None:
    wrong = [f"9-{n:04d}" for n in range(400)]
    with requests_of(ml, monkeypatch) as asked:
        found = tables_of(ml, [*made["Image"][:5], *wrong])
    assert sorted(found) == sorted(made["Image"][:5])
    assert len(asked) < 120


def test_candidate_tables_are_the_only_ones_asked(ml, made, monkeypatch) -> None:
    image = ml.model.name_to_table("Image")
    with requests_of(ml, monkeypatch) as asked:
        assert tables_of(ml, made["Image"][:3] + made["Digit"], [image]).keys() == set(made["Image"][:3])
    assert [re.sub(r"any.*?/", "…/", path) for path in asked] == ["/attribute/lab:Image/RID=…/RID"]


def test_the_table_is_named_where_something_else_was_expected(ml, made) -> None:
    with pytest.raises(DerivaMLNotFoundError, match=f"no execution {made['Digit'][0]}: .* is a row of Digit"):
        row_of(ml, "Execution", made["Digit"][0])
