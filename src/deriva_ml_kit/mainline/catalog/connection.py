"""What went wrong while connecting, as one sentence and one remedy."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

import requests

from deriva_ml_kit import local
from deriva_ml_kit.mainline.catalog.rows import said
from deriva_ml_kit.mainline.errors import DerivaMLAuthenticationError, DerivaMLConfigurationError, MainlineError

CONNECT_SECONDS = 10.0


def reachable(hostname: str) -> None:
    """Make sure that something listens at a host; the library would try again for minutes.

    Raises:
        DerivaMLConfigurationError: Nothing does.
    """
    if requests.utils.get_environ_proxies(f"https://{hostname}/"):
        return  # the proxy reaches hosts that we cannot
    host, port = local.split(hostname)
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise unreachable(hostname, str(error)) from error


def unreachable(hostname: str, why: str) -> DerivaMLConfigurationError:
    """Nothing listens at a host."""
    remedy = (
        "Start the catalog on this machine, it prints its host:port:\n  uv run deriva-local start\n"
        "If it runs, `uv run deriva-local status` says where."
        if local.is_local(hostname)
        else "Check the name, the network and whether the host is up; a port other than 443 is written host:port."
    )
    return DerivaMLConfigurationError(f"Nothing answers at {hostname} ({why}).", remedy=remedy)


def not_for_ml(hostname: str, catalog_id: str | int, ml_schema: str) -> DerivaMLConfigurationError:
    """The catalog has no DerivaML tables."""
    return DerivaMLConfigurationError(
        f"Catalog {catalog_id} on {hostname} has no schema {ml_schema}, so it is no DerivaML catalog.",
        remedy="Name another catalog, or make one: python -c 'from deriva_ml_kit.mainline import create_ml_catalog; "
        f'print(create_ml_catalog("{hostname}", "my-project").catalog_id)\'',
    )


def explained(error: Exception, hostname: str, catalog_id: str | int) -> Exception:
    """An error of the library while it connected, as this layer's error; one that has no explanation as it is."""
    for cause in _chain(error):
        if isinstance(cause, MainlineError):
            return cause
        if isinstance(cause, requests.exceptions.SSLError):
            return _untrusted(hostname, cause)
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            return _refused(cause, hostname, catalog_id)
        if isinstance(cause, requests.ConnectionError):
            return unreachable(hostname, said(cause))
    return error


def no_default_schema(hostname: str, catalog_id: str | int, found: Iterable[str]) -> DerivaMLConfigurationError:
    """Nobody said which schema the domain's own tables are in."""
    names = ", ".join(sorted(found))
    if not names:
        return DerivaMLConfigurationError(
            f"Catalog {catalog_id} on {hostname} has no schema for tables of your own yet.",
            remedy="Make one with deriva: catalog.getCatalogModel().create_schema(Schema.define('my-project'))",
        )
    return DerivaMLConfigurationError(
        f"Catalog {catalog_id} on {hostname} has several schemas that are not DerivaML's: {names}.",
        remedy="Say which holds your own tables: DerivaML(hostname, catalog_id, default_schema='…')",
    )


def no_such_schema(
    hostname: str, catalog_id: str | int, missing: Iterable[str], found: Iterable[str]
) -> DerivaMLConfigurationError:
    """Schemas are named that are none of the domain's."""
    return DerivaMLConfigurationError(
        f"Catalog {catalog_id} on {hostname} has no domain schema {', '.join(map(repr, sorted(missing)))}.",
        remedy=f"Domain schemas: {', '.join(sorted(found)) or 'none'}.",
    )


def _untrusted(hostname: str, cause: Exception) -> DerivaMLConfigurationError:
    remedy = (
        'Trust the catalog on this machine: eval "$(uv run deriva-local env)"'
        if local.is_local(hostname)
        else "Point REQUESTS_CA_BUNDLE at a file that holds the certificate authority of the host."
    )
    return DerivaMLConfigurationError(f"The certificate of {hostname} is not trusted ({said(cause)}).", remedy=remedy)


def _refused(error: requests.HTTPError, hostname: str, catalog_id: str | int) -> MainlineError:
    status = error.response.status_code
    nobody = status == 404 and "/authn/session" in error.response.url  # no session: nobody is logged in
    if nobody or status in (401, 403):
        login = (
            "deriva-local login" if local.is_local(hostname) else f"deriva-globus-auth-utils login --host {hostname}"
        )
        return DerivaMLAuthenticationError(
            f"{hostname} does not let you into catalog {catalog_id} ({status}: {said(error)}).",
            remedy=f"Log in, or ask its owners for the right: uv run {login}",
        )
    if status == 404:
        return DerivaMLConfigurationError(
            f"There is no catalog {catalog_id} on {hostname}.", remedy="Check --catalog-id and --hostname."
        )
    return DerivaMLConfigurationError(f"{hostname} answered {status} for catalog {catalog_id}: {said(error)}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
