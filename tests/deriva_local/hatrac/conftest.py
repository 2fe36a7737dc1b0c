"""An object store over HTTPS with two users, on a database and folder of its own."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import uvicorn
from psycopg_pool import ConnectionPool
from starlette.applications import Starlette
from starlette.middleware import Middleware

from deriva_local import tls
from deriva_local.auth import Accounts
from deriva_local.http import hatrac
from deriva_local.http.errors import ErrorMiddleware
from deriva_local.http.session import SessionMiddleware

NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Running:
    """A running object store."""

    authority: str
    folder: Path
    bundle: Path
    accounts: Accounts
    dsn: str

    @property
    def url(self) -> str:
        return f"https://{self.authority}"

    def token(self, user: str) -> str:
        return self.accounts.log_in(self.accounts.user(user))

    def session(self, user: str | None = "ada") -> requests.Session:
        """Plain HTTP as a user, or as nobody."""
        session = requests.Session()
        session.trust_env = False  # the environment may name the bundle of another host
        session.verify = str(self.bundle)
        if user:
            session.headers["Authorization"] = f"Bearer {self.token(user)}"
        return session


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]) -> Iterator[Running]:
    """One object store for all tests of this folder: each works in namespaces of its own."""
    folder, dsn = tmp_path_factory.mktemp("hatrac"), new_database()
    trust = tls.ensure(folder / "tls", {})
    accounts = Accounts(folder / "accounts.sqlite")
    accounts.default_user("root", "The host's owner, and so its administrator")
    accounts.add_user("ada")
    accounts.add_user("ben")
    with ConnectionPool(dsn, open=True) as pool:
        app = Starlette(
            routes=hatrac.routes(pool, folder / "objects"),
            middleware=[Middleware(ErrorMiddleware), Middleware(SessionMiddleware, accounts=accounts)],
        )
        config = uvicorn.Config(app, port=0, log_level="warning", ssl_certfile=trust.certificate, ssl_keyfile=trust.key)
        server = uvicorn.Server(config)
        ready = threading.Event()
        startup = server.startup

        async def watched_startup(sockets: list[object] | None = None) -> None:
            await startup(sockets)
            ready.set()

        server.startup = watched_startup
        thread = threading.Thread(target=server.run)
        thread.start()
        assert ready.wait(10)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(f"localhost:{port}", folder / "objects", trust.bundle, accounts, dsn)
        server.should_exit = server.force_exit = True  # sessions of tests keep their connections open
        thread.join(10)


@pytest.fixture
def http(store: Running) -> requests.Session:
    """Ada's connection."""
    return store.session()


@pytest.fixture
def place(store: Running, http: requests.Session) -> str:
    """The URL of a fresh namespace for one test."""
    url = f"{store.url}/hatrac/test-{next(NUMBERS)}"
    made = http.put(url, headers={"Content-Type": "application/x-hatrac-namespace"})
    assert made.status_code == 201, made.text
    return url
