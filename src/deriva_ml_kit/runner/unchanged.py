"""That a dry run writes nothing: writing is refused while it lasts, and the catalog is compared before and after.

In: a host and a catalog. Out: `read_only`, within which no request of this process can change them, and `fingerprint`,
which is the same twice if nobody has changed them.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from deriva_ml_kit import local
from deriva_ml_kit.errors import KitError

if TYPE_CHECKING:
    from deriva.core import HatracStore

    from deriva_ml_kit.mainline import DerivaML

_OBJECT = re.compile(r"[0-9a-f]{32}\.")
_READING = ("GET", "HEAD", "OPTIONS")
_SERVICES = ("/ermrest/", "/hatrac/")

_lock = threading.Lock()
_guarded: Counter[str] = Counter()
_send = requests.Session.send


class WroteInDryRun(KitError):
    """The code of a dry run tried to change the catalog or the object store."""


@dataclass(frozen=True)
class Fingerprint:
    """The snapshot time of a catalog, and how many objects its object store holds (None where that is not counted)."""

    snaptime: str
    objects: int | None


def fingerprint(ml: DerivaML) -> Fingerprint:
    """Ask the catalog for its latest snapshot, and count the objects of a host on this machine.

    The object store of a shared host can hold millions of objects in folders of other people; it is not walked.
    """
    from deriva.core import HatracStore  # noqa: PLC0415  (takes seconds)

    snaptime = str(ml.catalog.get("/").json()["snaptime"])
    if not local.is_local(ml.host_name):
        return Fingerprint(snaptime, None)
    return Fingerprint(snaptime, _count(HatracStore("https", ml.host_name, credentials=ml.credential), "/hatrac"))


@contextmanager
def read_only(hostname: str) -> Iterator[None]:
    """Refuse every request of this process that would change a catalog or an object of a host.

    It holds for all connections, those that user code opens by itself included, but not for other processes.

    Raises:
        WroteInDryRun: In the code that tried it.
    """
    with _lock:
        _guarded[hostname] += 1
        setattr(requests.Session, "send", _guarded_send)  # noqa: B010  (mypy takes methods for constants)
    try:
        yield
    finally:
        with _lock:
            _guarded[hostname] -= 1
            if not any(_guarded.values()):
                setattr(requests.Session, "send", _send)  # noqa: B010


def _guarded_send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
    url = urlsplit(str(request.url))
    if request.method not in _READING and _guarded[url.netloc] and url.path.startswith(_SERVICES):
        raise WroteInDryRun(
            f"A dry run writes nothing, but the code tried to: {request.method} {url.path[:120]}",
            remedy="Write results through the run's own outputs, or only when it is no dry run: "
            "if not evidence.dry_run: …",
        )
    return _send(session, request, **options)


NO_VERSION_LEFT = 409  # what Hatrac says of an object whose versions were deleted


def _count(store: HatracStore, namespace: str) -> int:
    """Objects below a namespace."""
    return sum(1 if _is_object(store, child) else _count(store, child) for child in store.retrieve_namespace(namespace))


def _is_object(store: HatracStore, name: str) -> bool:
    """deriva-ml names an object `<MD5>.<file name>`; of any other we ask for the version, which a namespace has not."""
    if _OBJECT.match(name.rpartition("/")[2]):
        return True
    try:
        return ":" in store.head(name).headers.get("Content-Location", "")
    except requests.HTTPError as error:
        if error.response.status_code != NO_VERSION_LEFT:
            raise
        return True
