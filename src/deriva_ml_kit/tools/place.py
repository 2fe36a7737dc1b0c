"""Which catalog a call is about."""

from __future__ import annotations

import json
import re
from pathlib import Path

from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.given import shown

CATALOG_FILE = Path("src/configs/catalog.json")
HOST_PATTERN = re.compile(
    r"([A-Za-z0-9]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
)
CATALOG_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(@[A-Za-z0-9-]{1,30})?")
LAST_PORT = 65_535


def catalog_of(hostname: str | None, catalog_id: str | None, project: Path) -> tuple[str, str]:
    """Host and catalog that a call names, or else the project's own.

    Raises:
        ToolError: Neither names one, or the name is no host's.
    """
    hostname = _host(hostname) if hostname else None
    if not (hostname and catalog_id):
        there = _of_project(project)
        if hostname is None or hostname == there.get("hostname"):  # a number means another catalog on another host
            catalog_id = catalog_id or there.get("catalog_id")
        hostname = hostname or there.get("hostname")
    if not (hostname and catalog_id):
        missing = " and ".join(name for name, value in (("host", hostname), ("catalog", catalog_id)) if not value)
        raise ToolError(
            Code.NO_CATALOG,
            f"Which {missing}? Neither the call nor {CATALOG_FILE} in {project} says.",
            remedy='Give hostname and catalog_id, as in hostname="data.example.org", catalog_id="1"; '
            "local_catalog_status() tells those of a catalog on this machine.",
        )
    if not CATALOG_PATTERN.fullmatch(catalog_id):
        raise ToolError(
            Code.BAD_ARGUMENT,
            f"catalog_id {shown(catalog_id)} is no catalog.",
            remedy="Write its number, such as 1, or its alias; a snapshot as 1@2TA-…",
        )
    return hostname, catalog_id


def _host(text: str) -> str:
    name = text.removeprefix("https://").rstrip("/")
    port = name.rpartition(":")[2] if ":" in name and not name.endswith("]") else ""
    if not HOST_PATTERN.fullmatch(name) or (port and int(port) > LAST_PORT):
        raise ToolError(
            Code.BAD_ARGUMENT,
            f"hostname {shown(text)} is not a host name.",
            remedy="Write data.example.org or localhost:8443.",
        )
    return name


def _of_project(project: Path) -> dict[str, str]:
    file = project / CATALOG_FILE
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
        found = {key: str(there[key]) for key in ("hostname", "catalog_id") if there.get(key)}
        return found | ({"hostname": _host(found["hostname"])} if "hostname" in found else {})
    except OSError:
        return {}
    except (ValueError, AttributeError) as error:
        raise ToolError(
            Code.BAD_ARGUMENT, f"{file} names no catalog: {error}", remedy='Write {"hostname": …, "catalog_id": …}.'
        ) from error
