"""Rows that are inserted once, whatever happens to the answer."""

import pytest
import requests

from deriva_ml_kit.mainline.catalog.rows import LEASES, insert_once

pytestmark = pytest.mark.catalog


def stored(ml, column: str, value: str) -> list[dict]:
    return ml.catalog.get(f"/entity/deriva-ml:Dataset/{column}={value}").json()


def leases(ml) -> list[dict]:
    return ml.catalog.get("/entity/{}:{}".format(*LEASES)).json()


def test_rows_come_back_in_the_order_given_with_rids_that_resolve(ml) -> None:
    rows = insert_once(ml.catalog, "deriva-ml", "Dataset", [{"Description": f"ordered {n}"} for n in range(3)])

    assert [row["Description"] for row in rows] == [f"ordered {n}" for n in range(3)]
    assert all(ml.resolve_rid(row["RID"]).table.name == "Dataset" for row in rows)
    assert not {row["RID"] for row in rows} & {lease["RID"] for lease in leases(ml)}


def test_no_rows_are_no_request(ml) -> None:
    assert insert_once(None, "deriva-ml", "Dataset", []) == []


def test_rows_that_the_server_refuses_are_not_stored(ml) -> None:
    with pytest.raises(requests.HTTPError, match="409"):
        insert_once(ml.catalog, "deriva-ml", "Execution", [{"Workflow": "NONE", "Description": "refused"}])
    assert ml.catalog.get("/entity/deriva-ml:Execution/Description=refused").json() == []


def test_where_nothing_can_be_leased_rows_are_inserted_all_the_same(ml, monkeypatch) -> None:
    post = ml.catalog.post

    def without_leases(path: str, **options):
        if "ERMrest_RID_Lease" in path:
            answer = requests.Response()
            answer.status_code = 403
            raise requests.HTTPError("403", response=answer)
        return post(path, **options)

    monkeypatch.setattr(ml.catalog, "post", without_leases)
    (row,) = insert_once(ml.catalog, "deriva-ml", "Dataset", [{"Description": "no lease"}])

    assert stored(ml, "RID", row["RID"])[0]["Description"] == "no lease"


def test_a_server_that_ends_leases_by_itself_may_refuse_the_repetition(ml, monkeypatch) -> None:
    post = ml.catalog.post

    def answer_lost_then_refused(path: str, **options):
        answer = post(path, **options)
        if "nondefaults=RID" in path:
            answer.status_code = 403
            raise requests.HTTPError("403 not leased", response=answer)
        return answer

    monkeypatch.setattr(ml.catalog, "post", answer_lost_then_refused)
    rows = insert_once(ml.catalog, "deriva-ml", "Dataset", [{"Description": "claimed before"}] * 2)

    assert len({row["RID"] for row in rows}) == 2
    assert {row["RID"] for row in stored(ml, "Description", "claimed%20before")} == {row["RID"] for row in rows}
