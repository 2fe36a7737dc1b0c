"""Why a command does not get at what it needs, told apart, each with the command that helps.

    host unreachable, certificate not trusted, no such catalog       before anybody is asked
    not logged in, no right                                          who asks
    RID missing, RID of another kind, version missing, deleted       what is asked for
    not cached                                                       what is not on this disk, where no host answers

`connect` opens a catalog for a command; `explained` turns what any part of a command raises into one of these, or
leaves it as it is. `deriva-ml-ops` passes every error of its commands through it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from deriva_ml_kit import local
from deriva_ml_kit.errors import Fault, Faults, KitError
from deriva_ml_kit.mainline import DerivaML, DerivaMLException
from deriva_ml_kit.mainline.bag.index import CacheIndex
from deriva_ml_kit.mainline.catalog.connection import CONNECT_SECONDS
from deriva_ml_kit.mainline.catalog.rows import said

RID = re.compile(r"[0-9A-Z]+(?:-[0-9A-Z]+)+")
VERSION = re.compile(r"\b\d+\.\d+\.\d+\b")
RID_AND_VERSION = re.compile(f"({RID.pattern})@({VERSION.pattern})")


class Trouble(StrEnum):
    """What stands in the way."""

    UNREACHABLE = "host unreachable"
    UNTRUSTED = "certificate not trusted"
    NO_CATALOG = "no such catalog"
    NOT_LOGGED_IN = "not logged in"
    NO_RIGHT = "no right"
    RID_MISSING = "RID missing"
    OTHER_KIND = "RID is of another kind"
    VERSION_MISSING = "version missing"
    DELETED = "dataset deleted"
    NOT_CACHED = "not cached"


# Files that cannot be opened are OSErrors, too, and not these.
NO_ANSWER = (requests.ConnectionError, requests.Timeout, ConnectionError, TimeoutError, socket.gaierror)
# What the library says of RIDs and versions; the first that is found counts.
SAID = (
    (re.compile(r"marked as deleted"), Trouble.DELETED),
    (re.compile(r"is a row of"), Trouble.OTHER_KIND),
    (re.compile(r"no such version|has no version"), Trouble.VERSION_MISSING),
    (
        re.compile(r"no such RID|has no RID|RIDs? not found|has no (such )?(dataset|execution|workflow)"),
        Trouble.RID_MISSING,
    ),
)


# What helps on this machine, and elsewhere.
REMEDIES = {
    Trouble.UNREACHABLE: (
        "Start it: uv run deriva-local start\nWhere it runs: uv run deriva-local status",
        "Check name, network and port: curl -sS https://{host}/ermrest/",
    ),
    Trouble.UNTRUSTED: (
        'Trust the catalog on this machine: eval "$(uv run deriva-local env)"',
        "Let REQUESTS_CA_BUNDLE name a file with the host's certificate authority in it.",
    ),
    Trouble.NO_CATALOG: (
        "See which there are: uv run deriva-local status",
        "Check --catalog-id, or who may know of the catalog.",
    ),
    Trouble.NOT_LOGGED_IN: (
        "Log in: uv run deriva-local login",
        "Log in: uv run deriva-globus-auth-utils login --host {host}",
    ),
    Trouble.NO_RIGHT: 2
    * (
        "See what your login may do: uv run deriva-ml-ops check-access {options}\n"
        "Then ask an owner of the catalog for the right.",
    ),
}


# What lists the things of a kind.
LISTED = {
    "dataset": "deriva_ml_list_datasets",
    "asset": "deriva_ml_list_assets",
    "execution": "deriva_ml_list_executions",
    "workflow": "deriva_ml_list_workflows",
}


class AccessError(KitError):
    """A command does not get at what it needs.

    Attributes:
        trouble: What stands in the way.
    """

    exit_code = 2

    def __init__(self, trouble: Trouble, message: str, *, remedy: str | None = None) -> None:
        super().__init__(f"{trouble}: {message}", remedy=remedy)
        self.trouble = trouble

    def as_json(self) -> dict[str, object]:
        """With `trouble`."""
        return {**super().as_json(), "trouble": str(self.trouble)}


class AccessFaults(Faults):
    """Several inputs of a command are not there; each fault begins with what stands in the way.

    Attributes:
        troubles: One of each fault; None for one that is of another sort.
    """

    def __init__(self, faults: list[Fault], troubles: list[Trouble | None], message: str) -> None:
        super().__init__(faults, message=message)
        self.troubles = troubles

    def as_json(self) -> dict[str, object]:
        """With `troubles`."""
        return {**super().as_json(), "troubles": [str(each) if each else None for each in self.troubles]}


@dataclass(frozen=True)
class Where:
    """A catalog, and what of it is asked for.

    Attributes:
        hostname: Host.
        catalog_id: The catalog on it.
        wanted: RID and version of datasets that the command names.
    """

    hostname: str
    catalog_id: str
    wanted: Collection[tuple[str, str]] = ()

    @property
    def options(self) -> str:
        """As they are typed."""
        return f"--hostname {self.hostname} --catalog-id {self.catalog_id}"


def connect(hostname: str, catalog_id: str | int, **options: Any) -> DerivaML:
    """Open a catalog.

    Args:
        hostname: Host, with a port where it is not 443.
        catalog_id: Number or alias.
        **options: Of DerivaML.

    Raises:
        AccessError: It cannot be opened; says why and what to do.
    """
    try:
        local.prepare(hostname)
        # The library tries for a minute where a certificate is not trusted; this says so at once.
        requests.head(f"https://{hostname}/ermrest/", timeout=CONNECT_SECONDS)
        return DerivaML(hostname, catalog_id, **options)
    except Exception as error:
        raise explained(error, Where(hostname, str(catalog_id))) from error


def wanted(values: Collection[Any]) -> list[tuple[str, str]]:
    """The datasets, `RID@VERSION`, among the values of a command line."""
    texts = (str(text) for value in values for text in (value if isinstance(value, list | tuple) else [value]))
    return [found.groups() for text in texts if (found := RID_AND_VERSION.fullmatch(text))]  # type: ignore[misc]


def explained(error: Exception, where: Where) -> Exception:
    """The error as an AccessError, if it is one; else itself."""
    if isinstance(error, AccessError | AccessFaults):
        return error
    if isinstance(error, Faults):
        return _faults(error, where)
    if trouble := _of_network(error, where):
        return trouble
    if isinstance(error, DerivaMLException):
        for pattern, trouble_ in SAID:
            if pattern.search(str(error)):
                remedy = _remedy(trouble_, where, str(error)) or getattr(error, "remedy", None)
                return AccessError(trouble_, getattr(error, "message", str(error)), remedy=remedy)
    return error


def _of_network(error: Exception, where: Where) -> AccessError | None:
    """What the network, or the host, said at the bottom of an error."""
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, requests.exceptions.SSLError):
            return _trouble(Trouble.UNTRUSTED, f"{where.hostname} ({said(cause)})", where)
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            return _of_answer(cause, where)
    for cause in chain:
        if isinstance(cause, NO_ANSWER):
            return _unreachable(cause, where)
    return None


def _of_answer(answered: requests.HTTPError, where: Where) -> AccessError | None:
    status, url = answered.response.status_code, urlsplit(answered.response.url)
    if status == 401 or (status == 404 and url.path.startswith("/authn/")):
        return _trouble(Trouble.NOT_LOGGED_IN, f"nobody is logged in at {where.hostname}, or no longer", where)
    if status == 403:
        method = answered.request.method if answered.request is not None else "?"
        what = f"{said(answered)} ({method} {unquote(url.path)[:120]})"
        return _trouble(Trouble.NO_RIGHT, what, where)
    if status == 404 and re.fullmatch(r"/ermrest/catalog/[^/]+(/schema)?/?", url.path):
        return _trouble(Trouble.NO_CATALOG, f"there is no catalog {where.catalog_id} on {where.hostname}", where)
    return None


def _unreachable(cause: BaseException, where: Where) -> AccessError:
    message = f"nothing answers at {where.hostname} ({said(cause)})"
    remedy = _remedy(Trouble.UNREACHABLE, where)
    there = {each: _cached(where, *each) for each in where.wanted}
    if missing := [f"{rid}@{version}" for (rid, version), bag in there.items() if bag is None]:
        message += f", and not cached on this disk: {', '.join(missing)}"
        return AccessError(Trouble.NOT_CACHED, message, remedy=remedy)
    if there:
        bags = "\n".join(f"  {rid}@{version}: {bag}" for (rid, version), bag in there.items())
        remedy = f"{remedy}\nWhere a bag can be given instead of a dataset, this disk has it:\n{bags}"
    return AccessError(Trouble.UNREACHABLE, message, remedy=remedy)


def _cached(where: Where, rid: str, version: str) -> str | None:
    """The folder of a dataset version on this disk, found without the host."""
    root = Path.home() / ".deriva-ml" / where.hostname.replace(":", "_") / where.catalog_id
    for cache in root.glob("*/deriva-ml/cache"):
        if entry := CacheIndex(cache, where.hostname, where.catalog_id).find(rid, version):
            return str(entry.bag)
    return None


def _trouble(trouble: Trouble, message: str, where: Where) -> AccessError:
    return AccessError(trouble, f"{message}.", remedy=_remedy(trouble, where))


def _faults(faults: Faults, where: Where) -> Exception:
    troubles = [
        next((trouble for pattern, trouble in SAID if pattern.search(fault.message)), None) for fault in faults.faults
    ]
    if not any(troubles):
        return faults
    told = [
        replace(
            fault,
            message=f"{trouble}: {fault.message}",
            remedy=fault.remedy or _remedy(trouble, where, f"{fault.value} {fault.message}", kind=fault.column),
        )
        if trouble
        else fault
        for fault, trouble in zip(faults.faults, troubles, strict=True)
    ]
    return AccessFaults(told, troubles, faults.message)


def _remedy(trouble: Trouble, where: Where, about: str = "", kind: str | None = None) -> str | None:
    """The next thing to type."""
    if trouble in REMEDIES:
        here, elsewhere = REMEDIES[trouble]
        text = here if local.is_local(where.hostname) else elsewhere
        return text.format(host=where.hostname, options=where.options)
    if trouble is Trouble.VERSION_MISSING:
        rid, (_, *there) = RID.search(about), VERSION.findall(about)
        newest = max(there, key=lambda each: [int(part) for part in each.split(".")], default=None)
        return f"There are: {', '.join(there)}. Write {rid.group()}@{newest}" if rid and newest else None
    kinds = (each for each in LISTED if each == kind or f" {each}" in about)
    return f"See what there is: uv run deriva-ml-kit tool {LISTED[next(kinds, 'asset')]} {where.options}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        reason = getattr(error, "reason", None)  # deriva's path expressions keep the cause there
        error = error.__cause__ or error.__context__ or (reason if isinstance(reason, BaseException) else None)
