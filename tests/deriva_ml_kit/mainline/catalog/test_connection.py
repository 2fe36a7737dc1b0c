"""What a person reads when the connection fails; each message names the place and the next command."""

import json
import os
import socket
import subprocess
import sys
import time

import certifi
import pytest

from deriva_ml_kit.mainline import (
    DerivaML,
    DerivaMLAuthenticationError,
    DerivaMLConfigurationError,
    DerivaMLNotFoundError,
)

pytestmark = pytest.mark.catalog


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_host_on_which_nothing_listens_is_told_at_once_with_the_command_that_starts_one(tmp_path) -> None:
    hostname = f"localhost:{free_port()}"
    began = time.monotonic()

    with pytest.raises(DerivaMLConfigurationError, match=f"Nothing answers at {hostname}") as error:
        DerivaML(hostname, 1, working_dir=tmp_path)

    assert "uv run deriva-local start" in str(error.value.remedy)
    assert time.monotonic() - began < 20
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_that_does_not_exist_is_named(lab, tmp_path) -> None:
    with pytest.raises(DerivaMLConfigurationError, match=f"There is no catalog 99999 on {lab.hostname}"):
        DerivaML(lab.hostname, 99999, working_dir=tmp_path)


def test_a_catalog_without_a_schema_of_its_own_is_named(lab, deriva_server, tmp_path) -> None:
    catalog = deriva_server.create_ermrest_catalog()
    with pytest.raises(DerivaMLConfigurationError, match="deriva-ml"):
        DerivaML(lab.hostname, catalog.catalog_id, working_dir=tmp_path)
    catalog.delete_ermrest_catalog(really=True)


def test_wrong_credentials_say_how_to_log_in(lab, tmp_path) -> None:
    with pytest.raises(DerivaMLAuthenticationError, match="Log in") as error:
        DerivaML(lab.hostname, lab.catalog_id, working_dir=tmp_path, credential={"bearer-token": "nonsense"})
    assert "deriva-local login" in str(error.value.remedy)


def test_a_domain_schema_that_does_not_exist_is_named(tmp_path, lab) -> None:
    with pytest.raises(DerivaMLConfigurationError, match="no domain schema 'other'"):
        DerivaML(lab.hostname, lab.catalog_id, domain_schemas={"lab", "other"}, working_dir=tmp_path)


def test_trust_and_login_are_found_in_a_fresh_home(lab, tmp_path) -> None:
    """A new user's first process: no credential file, a CA bundle that does not know us, and an office proxy."""
    code = (
        "import sys, json\nfrom deriva_ml_kit.mainline import DerivaML\n"
        "ml = DerivaML(sys.argv[1], sys.argv[2])\n"
        "print(json.dumps([ml.domain_schema, str(ml.working_dir)]))"
    )
    environment = os.environ | {"HOME": str(tmp_path), "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}
    environment |= dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), certifi.where())
    done = subprocess.run(
        [sys.executable, "-c", code, lab.hostname, lab.catalog_id],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    schema, working_dir = json.loads(done.stdout)
    assert schema == "lab"
    assert working_dir.startswith(str(tmp_path / ".deriva-ml"))


def test_a_dataset_is_an_object_with_its_version_and_members(ml, workflow) -> None:
    with ml.create_execution(description="makes a dataset", workflow=workflow) as exe:
        rid = exe.create_dataset([], "Ten scans")

    dataset = ml.lookup_dataset(rid)

    assert dataset.dataset_rid == rid
    assert str(dataset.current_version) == "0.1.0"
    assert dataset.list_dataset_members()["Image"] == []
    with pytest.raises(DerivaMLNotFoundError, match="no such dataset: 9-ZZZZ"):
        ml.lookup_dataset("9-ZZZZ")
