"""Which catalog a call is about."""

from __future__ import annotations

import json
from pathlib import Path

from deriva_ml_kit.tools.failure import Code, ToolError

CATALOG_FILE = Path("src/configs/catalog.json")


def catalog_of(hostname: str | None, catalog_id: str | None, project: Path) -> tuple[str, str]:
    """Host and catalog that a call names, or else the project's own.

    Raises:
        ToolError: Neither names one, or the name is no host's.
    """
    if not (hostname and catalog_id):
        there = _of_project(project)
        hostname, catalog_id = hostname or there.get("hostname"), catalog_id or there.get("catalog_id")
    if not (hostname and catalog_id):
        raise ToolError(
            Code.NO_CATALOG,
            f"Which catalog? Neither the call nor {CATALOG_FILE} in {project} names one.",
            remedy='Give hostname and catalog_id, as in hostname="data.example.org", catalog_id="1"; '
            "local_catalog_status() tells those of a catalog on this machine.",
        )
    name = hostname.removeprefix("https://").rstrip("/")
    if not name or set(name) & set("/ \t\n@?#\\"):
        raise ToolError(
            Code.BAD_ARGUMENT, f"{hostname!r} is not a host name.", remedy="Write data.example.org or localhost:8443."
        )
    return name, catalog_id


def _of_project(project: Path) -> dict[str, str]:
    file = project / CATALOG_FILE
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
        return {key: str(there[key]) for key in ("hostname", "catalog_id") if there.get(key)}
    except OSError:
        return {}
    except (ValueError, AttributeError) as error:
        raise ToolError(
            Code.BAD_ARGUMENT, f"{file} names no catalog: {error}", remedy='Write {"hostname": …, "catalog_id": …}.'
        ) from error
