"""Exports of a running host: through deriva's own client, and over plain HTTP."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from deriva_local.auth import Accounts

pytestmark = pytest.mark.catalog

CONTENT = b"scan" * 1000


@pytest.fixture
def token(local_host):
    credentials = json.loads((Path.home() / ".deriva" / "credential.json").read_text())
    return credentials[local_host.hostname]["bearer-token"]


@pytest.fixture
def http(local_host, token):
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


@pytest.fixture
def scans(local_host, catalog, http):
    """A catalog with a table of two files; gives its id."""
    from deriva.core.ermrest_model import Column, Schema, Table, builtin_types  # noqa: PLC0415  (reads HOME)

    schema = catalog.getCatalogModel().create_schema(Schema.define("lab"))
    columns = [Column.define(name, builtin_types.text) for name in ("Name", "URL", "MD5")]
    schema.create_table(Table.define("Scan", [*columns, Column.define("Length", builtin_types.int8)]))
    rows = []
    for name in ("a b.png", "é.png"):
        path = f"/hatrac/lab-{catalog.catalog_id}/{name}?parents=true"
        made = http.put(local_host.url + path, data=CONTENT)
        head = http.head(local_host.url + made.text.strip())
        rows.append({"Name": name, "URL": made.text.strip(), "Length": int(head.headers["Content-Length"])})
    catalog.post("/entity/lab:Scan", json=rows)
    return catalog.catalog_id


@pytest.fixture
def spec(local_host, scans):
    """What to export: the rows as CSV, the files by reference."""
    return {
        "env": {"RID": "1-000A"},
        "bag": {
            "bag_name": "Dataset_{RID}",
            "bag_algorithms": ["md5"],
            "bag_archiver": "zip",
            "bag_metadata": {},
            "bag_idempotent": True,
        },
        "catalog": {
            "host": local_host.url,
            "catalog_id": scans,
            "query_processors": [
                {"processor": "csv", "processor_params": {"query_path": "/entity/lab:Scan", "output_path": "Scan"}},
                {
                    "processor": "fetch",
                    "processor_params": {
                        "query_path": "/attribute/lab:Scan/url:=URL,length:=Length,filename:=Name",
                        "output_path": "asset",
                    },
                },
            ],
        },
    }


def files_of(archive: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as bag:
        return {name.partition("/")[2]: bag.read(name).decode() for name in bag.namelist() if not name.endswith("/")}


def test_derivas_own_client_gets_a_bag_with_rows_and_references(local_host, spec, scans, tmp_path):
    from deriva.transfer.download.deriva_export import DerivaExport  # noqa: PLC0415  (reads HOME)

    (tmp_path / "spec.json").write_text(json.dumps(spec | {"env": {"RID": "{RID}"}}))
    client = DerivaExport(
        host=local_host.hostname,
        config_file=tmp_path / "spec.json",
        output_dir=str(tmp_path),
        envars={"RID": "1-000B"},
    )

    bag = Path(client.export())

    assert bag.name == "Dataset_1-000B.zip"
    files = files_of(bag.read_bytes())
    assert files["data/Scan.csv"].count("\n") == 3
    fetch = [line.split("\t") for line in files["fetch.txt"].splitlines()]
    assert {(size, name) for _, size, name in fetch} == {("4000", "data/asset/a b.png"), ("4000", "data/asset/é.png")}
    assert all(url.startswith(f"{local_host.url}/hatrac/lab-{scans}/") for url, _, _ in fetch)


def test_an_export_can_be_fetched_by_who_asked_for_it_and_nobody_else(local_host, http, spec):
    made = http.post(f"{local_host.url}/deriva/export/bdbag", json=spec)
    url = made.text
    accounts = Accounts(local_host.data_dir / "accounts.sqlite")
    ben = accounts.add_user("export-ben")
    other = {"Authorization": f"Bearer {accounts.log_in(ben)}"}

    assert (made.status_code, made.headers["Location"]) == (201, url)
    assert made.headers["Content-Type"].startswith("text/uri-list")
    head, got = http.head(url), http.get(url)
    assert head.headers["Content-Disposition"] == "filename*=UTF-8''Dataset_1-000A.zip"
    assert head.headers["Content-Length"] == str(len(got.content))
    key = url.rpartition("/")[0]
    assert http.get(key).content == got.content
    assert "Created bag archive" in http.get(f"{key}/log").text
    assert http.get(f"{key}/other.zip").status_code == 404
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.get(url, headers=other, timeout=10).status_code == 403
    assert requests.post(f"{local_host.url}/deriva/export/bdbag", json=spec, timeout=10).status_code == 401


def test_the_same_snapshot_gives_the_same_bytes_whatever_happened_since(local_host, http, catalog, spec):
    snapshot = catalog.get("/").json()["snaptime"]
    spec["catalog"]["catalog_id"] = f"{catalog.catalog_id}@{snapshot}"

    def bag() -> bytes:
        return http.get(http.post(f"{local_host.url}/deriva/export/bdbag", json=spec).text).content

    before = bag()
    catalog.delete("/entity/lab:Scan")

    assert bag() == before


def test_several_files_without_a_bag(local_host, http, spec):
    del spec["bag"]
    csv = spec["catalog"]["query_processors"][0]
    other = {"processor": "json", "processor_params": {"query_path": "/entity/lab:Scan", "output_path": "deep/Scan"}}
    spec["catalog"]["query_processors"] = [csv, other]

    urls = http.post(f"{local_host.url}/deriva/export/file", json=spec).text.split("\n")

    assert [url.rpartition("/")[2] for url in urls] == ["Scan.csv", "Scan.json"]
    assert len(http.get(urls[1]).json()) == 2
    assert http.get(urls[0].rpartition("/")[0]).status_code == 400


@pytest.mark.parametrize("output_path", ["../../../evil", "/tmp/evil", "{RID}/../../../evil"])
def test_no_path_leads_out_of_the_result(local_host, http, spec, output_path):
    spec["catalog"]["query_processors"][0]["processor_params"]["output_path"] = output_path

    refused = http.post(f"{local_host.url}/deriva/export/bdbag", json=spec)

    assert (refused.status_code, "leads out" in refused.text) == (400, True)


def test_a_query_that_the_catalog_refuses_is_told_with_the_catalogs_words(local_host, http, spec):
    spec["catalog"]["query_processors"][0]["processor_params"]["query_path"] = "/entity/lab:Scam"

    refused = http.post(f"{local_host.url}/deriva/export/bdbag", json=spec)

    assert (refused.status_code, "Scam" in refused.text) == (400, True)


def test_what_is_no_json_is_refused(local_host, http):
    assert http.post(f"{local_host.url}/deriva/export/bdbag", data=b"{").status_code == 400


def test_eight_clients_at_once_all_get_their_bag_while_the_host_answers_others(local_host, token, spec):
    def bag(_: int) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        made = requests.post(f"{local_host.url}/deriva/export/bdbag", json=spec, headers=headers, timeout=60)
        return requests.get(made.text, headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(8) as clients:
        bags = clients.map(bag, range(8))
        assert requests.get(f"{local_host.url}/ermrest/", timeout=10).status_code < 500
        assert list(bags) == [200] * 8


def test_an_export_leaves_the_users_home_alone(local_host, http, spec):
    home = Path.home()
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    http.post(f"{local_host.url}/deriva/export/bdbag", json=spec)

    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
