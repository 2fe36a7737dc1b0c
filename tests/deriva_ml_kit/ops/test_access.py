"""What stands in the way is told apart, against a real host, each with the command that helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deriva_local.auth import Accounts
from deriva_ml_kit.ops import access
from deriva_ml_kit.ops.access import AccessError, AccessFaults, Trouble, Where

pytestmark = pytest.mark.catalog
PIN = "0-0000@1.2.3"
STAFF = "https://auth.globus.org/176baec4-ed26-11e5-8e88-22000ab4b42b"  # may read, says the release's policy


@pytest.fixture(scope="module")
def login(local_host: Any) -> Callable[[str], dict[str, str]]:
    """Credentials of somebody who may read, and nothing more."""
    accounts = Accounts(local_host.data_dir / "accounts.sqlite")
    return lambda name: {"bearer-token": accounts.log_in(accounts.add_user(name, groups=[STAFF]))}


@pytest.fixture(scope="module")
def place(local_host: Any) -> Where:
    from deriva_ml_kit.mainline import create_ml_catalog  # noqa: PLC0415  (reads HOME)

    return Where(local_host.hostname, str(create_ml_catalog(local_host.hostname, project_name="access").catalog_id))


@pytest.fixture(scope="module")
def ml(place: Where) -> Any:
    return access.connect(place.hostname, place.catalog_id, working_dir=Path.home() / "access")


@pytest.fixture(scope="module")
def rids(ml: Any) -> dict[str, str]:
    """A dataset, one that is deleted, and an execution."""
    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415  (reads HOME)

    url = "https://github.com/example/lab/blob/0123456789abcdef0123456789abcdef01234567/access.py"
    workflow = Workflow(name="access", workflow_type="Ingest", url=url, checksum="a" * 40)
    with ml.create_execution(workflow=workflow, description="For access") as execution:
        dataset, gone = (execution.create_dataset(dataset_types=[], description=name) for name in ("here", "gone"))
        dataset.mark_dev("As it is")
        dataset.release(bump="minor", description="Some")
    execution.commit_output_assets()
    ml.delete_dataset(gone.dataset_rid)
    return {"dataset": dataset.dataset_rid, "gone": gone.dataset_rid, "execution": execution.execution_rid}


@pytest.mark.parametrize(
    ("asked", "trouble", "remedy"),
    [
        ({"hostname": "localhost:1"}, Trouble.UNREACHABLE, "uv run deriva-local start"),
        ({"hostname": "no.invalid"}, Trouble.UNREACHABLE, "curl -sS https://no.invalid/ermrest/"),
        ({"catalog_id": "4711"}, Trouble.NO_CATALOG, "uv run deriva-local status"),
        ({"credential": {"bearer-token": "ended"}}, Trouble.NOT_LOGGED_IN, "uv run deriva-local login"),
    ],
)
def test_a_catalog_that_cannot_be_opened(place: Where, asked: dict[str, Any], trouble: Trouble, remedy: str) -> None:
    with pytest.raises(AccessError) as refused:
        access.connect(**{"hostname": place.hostname, "catalog_id": place.catalog_id} | asked)
    assert refused.value.trouble is trouble
    assert remedy in str(refused.value.remedy)
    assert refused.value.as_json()["trouble"] == str(trouble)


def test_a_certificate_that_nobody_trusts(place: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    import certifi  # noqa: PLC0415

    from deriva_ml_kit import local  # noqa: PLC0415

    monkeypatch.setattr(local, "prepare", lambda hostname: None)  # a person's host elsewhere is not prepared either
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with pytest.raises(AccessError, match="certificate not trusted") as refused:
        access.connect(place.hostname, place.catalog_id)
    assert "deriva-local env" in str(refused.value.remedy)


def test_a_right_that_is_missing(place: Where, login: Any) -> None:
    reader = access.connect(place.hostname, place.catalog_id, credential=login("reader of access"))
    workflow = reader.list_workflows()[0].workflow_rid if reader.list_workflows() else None
    with pytest.raises(Exception) as refused:
        reader.pathBuilder.schemas["deriva-ml"].tables["Execution"].insert([{"Workflow": workflow}])
    error = access.explained(refused.value, place)
    assert isinstance(error, AccessError)
    assert error.trouble is Trouble.NO_RIGHT
    assert "reader of access may not insert into table deriva-ml:Execution" in error.message
    assert f"check-access --hostname {place.hostname} --catalog-id {place.catalog_id}" in str(error.remedy)


def told(place: Where, work: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as refused:
        work()
    return access.explained(refused.value, place)


def test_what_is_asked_for_and_is_not_there(ml: Any, rids: dict[str, str], place: Where) -> None:
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415  (reads HOME)

    here, gone, execution = rids["dataset"], rids["gone"], rids["execution"]
    bag = lambda rid, version: ml.download_dataset_bag(DatasetSpec(rid=rid, version=version))  # noqa: E731
    for work, trouble, remedy in [
        (lambda: ml.lookup_dataset("9-ZZZZ"), Trouble.RID_MISSING, "deriva_ml_list_datasets"),
        (lambda: ml.lookup_asset("9-ZZZZ"), Trouble.RID_MISSING, "deriva_ml_list_assets"),
        (lambda: ml.lookup_execution("9-ZZZZ"), Trouble.RID_MISSING, "deriva_ml_list_executions"),
        (lambda: bag("9-ZZZZ", "0.1.0"), Trouble.RID_MISSING, "deriva_ml_list_datasets"),
        (lambda: ml.lookup_dataset(execution), Trouble.OTHER_KIND, "deriva_ml_list_datasets"),
        (lambda: ml.lookup_asset(here), Trouble.OTHER_KIND, "deriva_ml_list_assets"),
        (lambda: bag(execution, "0.1.0"), Trouble.OTHER_KIND, "deriva_ml_list_datasets"),
        (lambda: bag(here, "7.0.0"), Trouble.VERSION_MISSING, f"0.1.0. Write {here}@0.2.0"),
        (lambda: ml.lookup_dataset(gone), Trouble.DELETED, "deriva_ml_list_datasets"),
        (lambda: bag(gone, "0.1.0"), Trouble.DELETED, "deriva_ml_list_datasets"),
    ]:
        error = told(place, work)
        assert isinstance(error, AccessError), error
        assert (error.trouble, remedy in str(error.remedy)) == (trouble, True), error


def test_inputs_that_are_not_there_are_told_apart_and_all_at_once(ml: Any, rids: dict[str, str], place: Where) -> None:
    workflow = ml.lookup_execution(rids["execution"]).workflow_rid
    datasets = ["9-ZZZZ@0.1.0", f"{rids['dataset']}@7.0.0", f"{rids['execution']}@0.1.0"]
    error = told(place, lambda: ml.create_execution(datasets=datasets, assets=[rids["dataset"]], workflow=workflow))
    assert isinstance(error, AccessFaults)
    kinds = [Trouble.RID_MISSING, Trouble.VERSION_MISSING, Trouble.OTHER_KIND, Trouble.OTHER_KIND]
    assert error.troubles == kinds
    assert f"Write {rids['dataset']}@0.2.0" in str(error)
    assert error.as_json()["troubles"] == [str(kind) for kind in kinds]


def test_an_error_of_another_sort_stays_as_it_is(place: Where) -> None:
    for error in (ValueError("no such version"), FileNotFoundError(2, "No such file", "a.csv")):
        assert access.explained(error, place) is error


def test_a_command_without_a_host_says_what_of_its_datasets_is_on_this_disk(
    ops: Any, rids: dict[str, str], ml: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bag of the same dataset lies in the cache of a host that does not answer."""
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415  (reads HOME)
    from deriva_ml_kit.mainline.bag.index import CacheIndex  # noqa: PLC0415

    pin = f"{rids['dataset']}@0.2.0"
    ml.cache_dataset(DatasetSpec.from_shorthand(pin))
    from deriva_ml_kit.mainline.bag.cache import index_of  # noqa: PLC0415

    entry = index_of(ml).find(rids["dataset"], "0.2.0")
    home = Path.home() / ".deriva-ml" / "localhost_1" / "1" / "somebody" / "deriva-ml" / "cache"
    CacheIndex(home, "localhost:1", "1").record(entry)
    where = ("--hostname", "localhost:1", "--catalog-id", "1")

    code, said = ops("check-access", *where, "--dataset", pin)
    assert (code, said["checks"][0]["trouble"]) == (2, "host unreachable")
    found = access.explained(ConnectionRefusedError(111, "refused"), Where("localhost:1", "1", access.wanted([pin])))
    assert isinstance(found, AccessError)
    assert (found.trouble, entry.bag in str(found.remedy)) == (Trouble.UNREACHABLE, True)
    found = access.explained(ConnectionRefusedError(111, "refused"), Where("localhost:1", "1", access.wanted([PIN])))
    assert isinstance(found, AccessError)
    assert (found.trouble, PIN in found.message) == (Trouble.NOT_CACHED, True)


def test_check_access_looks_at_everything(
    ops: Any, place: Where, rids: dict[str, str], login: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--hostname", place.hostname, "--catalog-id", place.catalog_id)
    pin = f"{rids['dataset']}@0.2.0"
    code, said = ops("check-access", *where, "--dataset", f"{rids['dataset']}@7.0.0", "--dataset", "9-ZZZZ@0.1.0")
    troubles = {check["name"]: check.get("trouble") for check in said["checks"]}
    assert code == 1
    assert troubles[f"dataset {rids['dataset']}@7.0.0"] == "version missing"
    assert troubles["dataset 9-ZZZZ@0.1.0"] == "RID missing"
    assert troubles["write"] is None

    from deriva.core import get_credential  # noqa: PLC0415  (reads HOME)

    file = Path.home() / ".deriva" / "credential.json"
    mine = file.read_text(encoding="utf-8")
    assert get_credential(place.hostname)
    try:
        file.write_text(json.dumps({place.hostname: login("second reader")}), encoding="utf-8")
        code, said = ops("check-access", *where, "--dataset", pin)
        write = next(check for check in said["checks"] if check["name"] == "write")
        assert (code, write["trouble"]) == (1, "no right")
        assert "deriva-ml:Execution" in write["found"]
        code, said = ops("setup", *where)
        assert (code, said["error"]["trouble"]) == (2, "no right")
        file.write_text(json.dumps({place.hostname: {"bearer-token": "ended"}}), encoding="utf-8")
        code, said = ops("what-served", *where)
        assert (code, said["error"]["trouble"]) == (2, "not logged in")
    finally:
        file.write_text(mine, encoding="utf-8")


def test_a_catalog_that_was_not_prepared_is_told_so(ops: Any, place: Where) -> None:
    where = ("--hostname", place.hostname, "--catalog-id", place.catalog_id)
    code, said = ops("what-served", *where)
    assert (code, "keeps no stages" in said["error"]["message"]) == (2, True)
    assert "deriva-ml-ops setup" in said["error"]["remedy"]
