"""Catalogs as the release makes them, and somebody who may only read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from deriva.core import DerivaServer
from deriva_ml.schema import create_ml_catalog as released_create_ml_catalog

from deriva_local.auth.accounts import Accounts


@pytest.fixture
def released(local_host: Any) -> Iterator[Any]:
    """A catalog of this test's own, made by the release, with one run in it that ended with a word of its own."""
    catalog = released_create_ml_catalog(local_host.hostname, project_name="old")
    tables = catalog.getPathBuilder().schemas["deriva-ml"].tables
    tables["Execution"].insert([{"Description": "An old run", "Status": "Half done"}, {"Status": None}])
    yield catalog
    catalog.delete_ermrest_catalog(really=True)


@pytest.fixture(scope="session")
def guest(local_host: Any) -> Callable[[str], Any]:
    """A catalog as somebody sees it who may read it and nothing more."""
    accounts = Accounts(local_host.data_dir / "accounts.sqlite")
    staff = "https://auth.globus.org/176baec4-ed26-11e5-8e88-22000ab4b42b"  # may read, says the release's policy
    token = accounts.log_in(accounts.add_user("guest", groups=[staff]))
    server = DerivaServer("https", local_host.hostname, credentials={"bearer-token": token})
    return server.connect_ermrest
