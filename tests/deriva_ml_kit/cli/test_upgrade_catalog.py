"""`deriva-ml-kit upgrade-catalog` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deriva_ml.schema import create_ml_catalog as released_create_ml_catalog

from deriva_local.auth.accounts import Accounts

pytestmark = pytest.mark.catalog
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(local_host: Any) -> Run:
    def run_(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deriva_ml_kit.cli.main", *arguments]
        env = local_host.env | environment
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return run_


@pytest.fixture(scope="module")
def old(local_host: Any) -> Iterator[Any]:
    catalog = released_create_ml_catalog(local_host.hostname, project_name="old")
    yield catalog
    catalog.delete_ermrest_catalog(really=True)


def test_the_changes_are_listed_then_made_then_there_is_nothing_to_do(run: Run, old: Any, local_host: Any) -> None:
    where = ("--hostname", local_host.hostname, "--catalog-id", str(old.catalog_id))

    would = run("upgrade-catalog", *where, "--dry-run")
    assert would.returncode == 0, would.stderr
    assert "44 changes would be made" in would.stdout
    assert "table Dataset_Dev" in would.stdout
    assert "Dataset_Dev" not in old.getCatalogModel().schemas["deriva-ml"].tables

    did = run("upgrade-catalog", *where, "--json")
    result = json.loads(did.stdout)
    assert did.returncode == 0, did.stderr
    assert (result["status"], result["change_count"]) == ("44 changes made", 44)
    assert "foreign key Execution.Status" in result["changes"]

    again = run("upgrade-catalog", *where)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout


def test_somebody_without_the_rights_is_told_which(run: Run, local_host: Any, tmp_path: Path) -> None:
    catalog = released_create_ml_catalog(local_host.hostname, project_name="theirs")
    accounts = Accounts(local_host.data_dir / "accounts.sqlite")
    reader = accounts.add_user("reader", groups=["https://auth.globus.org/176baec4-ed26-11e5-8e88-22000ab4b42b"])
    credentials = tmp_path / ".deriva" / "credential.json"
    credentials.parent.mkdir()
    credentials.write_text(json.dumps({local_host.hostname: {"bearer-token": accounts.log_in(reader)}}))

    done = run(
        "upgrade-catalog",
        *("--hostname", local_host.hostname, "--catalog-id", str(catalog.catalog_id), "--json"),
        HOME=str(tmp_path),
    )

    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "DerivaMLAuthenticationError"
    assert "to change table deriva-ml:Execution (ACL owner)" in error["message"]
    assert "Traceback" not in done.stderr
    assert "Dataset_Dev" not in catalog.getCatalogModel().schemas["deriva-ml"].tables


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "upgrade-catalog"),
        (["upgrade-catalog", "--help"], "Programs that use deriva-ml alone go on working"),
    ],
)
def test_help_teaches(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)

    assert done.returncode == 0
    assert said in done.stdout


def test_wrong_usage_is_json_where_asked_for(run: Run) -> None:
    done = run("upgrade-catalog", "--json")

    assert done.returncode == 2
    assert "--hostname" in json.loads(done.stdout)["error"]["message"]


def test_a_catalog_that_is_not_there_is_named(run: Run, local_host: Any) -> None:
    done = run("upgrade-catalog", "--hostname", local_host.hostname, "--catalog-id", "99999")

    assert done.returncode == 2
    assert "There is no catalog 99999" in done.stderr
    assert "Traceback" not in done.stderr
