"""Wiring only: which parts make up the service.

In: the data directory and a connection string. Out: the Starlette application, whose shutdown closes what it opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from deriva_local.auth import Accounts
from deriva_local.export.service import Exporter
from deriva_local.http import authn, ermrest, errors, export, hatrac
from deriva_local.http.session import OWN_NAMES, SessionMiddleware
from deriva_local.paths import STATUS_URL_PATH, Paths
from deriva_local.store import Store


@dataclass(frozen=True)
class Settings:
    """What distinguishes one service from another. `dsn` may name any database; `ca_bundle` is what clients trust."""

    paths: Paths
    dsn: str
    port: int
    ca_bundle: Path

    @property
    def authorities(self) -> list[str]:
        """What may stand in this service's URLs: `localhost:8443` and its synonyms."""
        return [f"{name}:{self.port}" for name in OWN_NAMES]


def build_app(settings: Settings) -> Starlette:
    """The whole service on one PostgreSQL server and one data directory."""
    paths = settings.paths
    store = Store(settings.dsn)
    accounts = Accounts(paths.accounts)
    exporter = Exporter.over(paths.exports, settings.authorities, settings.ca_bundle)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(exporter.engine.close)
        await run_in_threadpool(store.close)

    routes = [
        *authn.routes(accounts),
        *ermrest.routes(store),
        *hatrac.routes(store.service.pool, paths.objects),
        *export.routes(exporter),
        *_status(store),
    ]
    middleware = [Middleware(errors.ErrorMiddleware), Middleware(SessionMiddleware, accounts=accounts)]
    return Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={HTTPException: errors.answer},
        lifespan=lifespan,
    )


def _status(store: Store) -> list[BaseRoute]:
    """What `deriva-local status` asks a running server."""

    def show(request: Request) -> Response:
        return JSONResponse({"catalogs": [record.id for record in store.records() if not record.is_alias]})

    return [Route(STATUS_URL_PATH, show)]
