"""The catalog on this machine."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import Annotated, Any

from pydantic import BaseModel, Field

from deriva_ml_kit import local
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.types import DryRun

NAMED = 10  # catalogs whose schemas are looked at
START_SECONDS = 150.0  # the program gives up after 90
TICK_SECONDS = 0.5
INSTALL = f'uv pip install --python "{sys.executable}" "deriva-ml-kit[local]"'

Port = Annotated[int, Field(ge=1, le=65535, description="Port; that of last time where not given, at first 8443")]


class LocalCatalog(BaseModel):
    """A catalog on this machine.

    Attributes:
        catalog_id: Its number.
        domain_schemas: The schemas of projects in it; None where they were not looked at.
    """

    catalog_id: str
    domain_schemas: list[str] | None = None


class LocalCatalogStatus(Answer):
    """The DERIVA host on this machine, and the catalogs on it."""

    installed: bool
    running: bool
    hostname: str | None = Field(default=None, description="What to give as hostname, port included")
    logged_in: bool = False
    catalogs: list[LocalCatalog] = Field(default_factory=list, description="Newest first")
    catalog_count: int = 0
    data_dir: str | None = None
    log: str | None = None


class LocalCatalogStarted(LocalCatalogStatus):
    """The same, after it was started."""

    dry_run: bool = False
    started: bool = Field(default=False, description="Whether this call started it; false if it was running already")
    would_start: bool = Field(default=False, description="In a dry run: whether a call without dry_run would start it")


@tool("Is there a catalog on this machine?", Effect.READ, catalog=False)
def local_catalog_status(call: Call) -> LocalCatalogStatus:
    """Whether a DERIVA host runs on this machine, the hostname to give to other tools, and its catalogs with the
    schemas in them. Call it when no catalog was named, or when localhost does not answer.
    """
    return LocalCatalogStatus(**_told(call))


@tool("Start the catalog on this machine", Effect.WRITE, catalog=False, idempotent=True, seconds=START_SECONDS)
def local_catalog_start(call: Call, port: Port | None = None, dry_run: DryRun = False) -> LocalCatalogStarted:
    """Start the DERIVA host on this machine and log the current user in; one that runs already is left as it is. It
    takes seconds, the first time up to a minute, and goes on running when this session ends.
    """
    before = _told(call)
    if not before["installed"]:
        raise ToolError(
            Code.FAILED,
            "The program deriva-local, which is the catalog for this machine, is not installed.",
            remedy=f"Install it: {INSTALL}",
        )
    if before["running"]:
        _same_port(before["hostname"], port)
        return LocalCatalogStarted(**before, dry_run=dry_run)
    if dry_run:
        return LocalCatalogStarted(**before, dry_run=True, would_start=True)
    _start(call, port)
    return LocalCatalogStarted(**_told(call), started=True)


def _told(call: Call) -> dict[str, Any]:
    try:
        found = local.told()
    except FileNotFoundError:
        return {"installed": False, "running": False, "next_step": f"Install the catalog for this machine: {INSTALL}"}
    except (ValueError, subprocess.TimeoutExpired) as error:
        raise ToolError(
            Code.FAILED, f"deriva-local does not say whether it runs: {error}", remedy="Try: uv run deriva-local status"
        ) from error
    said: dict[str, Any] = {"installed": True, "data_dir": found["data_dir"], "log": found["log"]}
    hostname = found["hostname"]
    if not found["running"]:
        return said | {"running": False, "next_step": "local_catalog_start()"}
    catalogs = _catalogs(call, hostname, sorted(found["catalogs"] or [], key=_number, reverse=True))
    said |= {"running": True, "hostname": hostname, "logged_in": local.has_login(hostname)}
    return said | {
        "catalogs": catalogs,
        "catalog_count": len(catalogs),
        "next_step": _next(hostname, found["catalogs"], catalogs),
    }


def _number(catalog_id: str) -> tuple[int, str]:
    return (int(catalog_id) if catalog_id.isdigit() else 0, catalog_id)


def _next(hostname: str, known: list[str] | None, catalogs: list[LocalCatalog]) -> str:
    if known is None:
        return "The host does not answer: uv run deriva-local stop, then local_catalog_start()"
    if not local.has_login(hostname):
        return "Nobody is logged in there: uv run deriva-local login"
    if not catalogs:
        return f"There is no catalog yet: uv run python src/scripts/make_schema.py --hostname {hostname}"
    return f'list_schemas(hostname="{hostname}", catalog_id="{catalogs[0].catalog_id}")'


def _catalogs(call: Call, hostname: str, numbers: list[str]) -> list[LocalCatalog]:
    """The catalogs, the newest with the schemas in them: numbers alone say little."""
    known: dict[str, list[str]] = {}
    if local.has_login(hostname):
        with contextlib.suppress(KitError, OSError):
            local.prepare(hostname)
            for number in numbers[:NAMED]:
                call.check()
                known[number] = _domain_schemas(hostname, number)
    return [LocalCatalog(catalog_id=number, domain_schemas=known.get(number)) for number in numbers]


def _domain_schemas(hostname: str, catalog_id: str) -> list[str]:
    from deriva.core import ErmrestCatalog, get_credential  # noqa: PLC0415  (takes seconds)

    catalog = ErmrestCatalog("https", hostname, catalog_id, get_credential(hostname))
    schemas = catalog.get("/schema").json()["schemas"]
    return sorted(set(schemas) - {"public", "deriva-ml", "www", "WWW"})


def _same_port(hostname: str, port: int | None) -> None:
    if port is not None and local.split(hostname)[1] != port:
        raise ToolError(
            Code.CONFLICT,
            f"The catalog on this machine runs already, at {hostname}, not on port {port}.",
            remedy=f'Use hostname="{hostname}"; or move it: uv run deriva-local stop, then '
            f"local_catalog_start(port={port}). Catalogs stay, but addresses that hold the old port do not.",
        )


def _start(call: Call, port: int | None) -> None:
    """Run the program, telling how long it takes; whoever loses interest leaves a start that ends by itself."""
    begun = time.monotonic()
    process = local.starting(port)
    while True:
        try:
            out, problem = process.communicate(timeout=TICK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            call.progress(time.monotonic() - begun, None, "Starting the catalog on this machine")
    if process.returncode:
        raise _refused(_message(out) or problem.strip() or f"it ended with {process.returncode}")


def _message(out: str) -> str | None:
    try:
        return str(json.loads(out.splitlines()[-1])["error"]["message"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _refused(message: str) -> ToolError:
    if "deriva-ml-kit[local]" in message:
        return ToolError(Code.FAILED, message, remedy=f"Install it: {INSTALL}")
    if "port" in message.lower():
        return ToolError(Code.CONFLICT, message, remedy="Take another: local_catalog_start(port=…)")
    return ToolError(Code.FAILED, f"The catalog does not start: {message}", remedy="uv run deriva-local start")
