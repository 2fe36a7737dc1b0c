"""The asset files of a bag: fetched several at a time, each whole and verified or not there at all.

A file arrives in a folder beside the bag, is checked while it arrives, and is moved to its place. Whatever ends the
work, the next call goes on where it stopped: files that are there stay, one that was begun is continued.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from deriva.core import get_credential

from deriva_ml_kit import local
from deriva_ml_kit.mainline.bag.made import RemoteFile
from deriva_ml_kit.mainline.bag.verify import manifest_sums, remote_files
from deriva_ml_kit.mainline.catalog.transport import BROKEN, Limits, object_store
from deriva_ml_kit.mainline.errors import DerivaMLDataError
from deriva_ml_kit.progress import progress

FOLDER = "arriving"
CHUNK_BYTES = 1 << 16  # of one that is cut short nothing is kept
REDIRECTS = 5
SHOWN = 10


def fetch_files(bag: Path, limits: Limits, logins: Mapping[str, Any] | None = None) -> None:
    """Fetch the files that a bag refers to and that are not there yet.

    Args:
        bag: Folder of the bag.
        limits: How many at a time, how often and how long is tried.
        logins: Host to credential; a host that is not there gets what `deriva` has stored for it, if anything.

    Raises:
        DerivaMLDataError: Files are gone, or are not what the bag says; the others are there.
        requests.RequestException: A server does not answer.
    """
    wanted = list(_missing(bag))
    if not wanted:
        return
    arriving = bag.parent / FOLDER
    arriving.mkdir(exist_ok=True)
    faults: list[str] = []
    hosts = _Hosts(limits, logins or {})
    with progress(len(wanted), "Fetching files") as advance:
        pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="fetch")
        try:
            for done in as_completed(pool.submit(_fetch, hosts, bag, file) for file in wanted):
                if fault := done.result():
                    faults.append(fault)
                advance(1)
        finally:  # an error or Ctrl-C: what waits is dropped, what runs ends with its chunk
            hosts.stop.set()
            hosts.close()
            pool.shutdown(cancel_futures=True)
    if faults:
        shown = "".join(f"\n  {fault}" for fault in sorted(faults)[:SHOWN])
        raise DerivaMLDataError(
            f"{len(faults)} of {len(wanted)} files of {bag} could not be fetched:{shown}",
            remedy="Are they still in the catalog's object store, as they were? materialize=False does without them.",
        )
    arriving.rmdir()


def _missing(bag: Path) -> Iterator[RemoteFile]:
    sums = manifest_sums(bag, "md5")
    for url, length, place in remote_files(bag):
        file = bag / place
        if not file.is_file() or file.stat().st_size != length:
            if length is None or place not in sums:
                raise DerivaMLDataError(f"The bag {bag} does not state length and MD5 of {place}.")
            yield RemoteFile(url, length, sums[place], place)


class _Hosts:
    """Connections that are kept open, and for each host the login that is meant for it."""

    def __init__(self, limits: Limits, logins: Mapping[str, Any]) -> None:
        self.limits = limits
        self.stop = threading.Event()
        self._logins = logins
        self._known: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        for host in self._known.values():
            host.session.close()

    def get(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Ask for a file; gives an answer whose body is still to be read."""
        for _ in range(REDIRECTS):
            answer = self._host(url).get(url, headers)
            if not answer.is_redirect:
                return answer
            answer.close()
            url = urljoin(url, answer.headers["Location"])
        raise requests.TooManyRedirects(f"The server sends from place to place: {url}")

    def _host(self, url: str) -> _Host:
        start = "/".join(url.split("/", 3)[:3])
        with self._lock:
            if start not in self._known:
                name = urlsplit(start).netloc
                if name not in self._logins and local.is_local(name):
                    local.prepare(name)
                self._known[start] = _Host(start, self._logins.get(name) or get_credential(name), self.limits)
            return self._known[start]


class _Host:
    """A host that files lie on. To work out trust, proxies and login takes longer than a small file: once for all."""

    def __init__(self, start: str, credential: Any, limits: Limits) -> None:
        self._store = object_store(urlsplit(start).netloc, credential, limits)  # which closes its session when it goes
        self.session = self._store._session
        self._request = self.session.prepare_request(requests.Request("GET", f"{start}/"))
        self._settings = self.session.merge_environment_settings(start, {}, True, None, None)

    def get(self, url: str, headers: dict[str, str]) -> requests.Response:
        request = self._request.copy()
        request.prepare_url(url, None)
        request.headers.update(headers)
        answer: requests.Response = self.session.get_adapter(url).send(request, **self._settings)
        return answer


def _fetch(hosts: _Hosts, bag: Path, file: RemoteFile) -> str | None:
    """Fetch a file; gives what is wrong with it, if something is."""
    target = bag / file.place
    part = bag.parent / FOLDER / hashlib.sha256(file.place.encode()).hexdigest()
    try:
        _receive(hosts, file, part)
    except requests.HTTPError as error:
        if error.response.status_code >= 500:  # so it will be with all others
            raise
        return f"{file.place}: {error}"
    except _Changed as error:
        return f"{file.place} {error}"
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)
    return None


class _Changed(Exception):
    """What came is not what the bag says."""


def _receive(hosts: _Hosts, file: RemoteFile, part: Path) -> None:
    """Receive a file, going on after what is there of it; a continued one that is wrong is fetched once more."""
    begun = part.exists()
    for attempt, pause in enumerate(hosts.limits.pauses(), start=1):
        start = part.stat().st_size if part.exists() else 0
        answer = hosts.get(file.url, {"Range": f"bytes={start}-"} if start else {})
        with answer:
            if start and answer.status_code == 416:  # there is no more: all has come, or more than that
                pass
            else:
                answer.raise_for_status()
                try:
                    _append(hosts, answer, part, start if answer.status_code == 206 else 0)
                except BROKEN:
                    if attempt >= hosts.limits.attempts or hosts.stop.is_set():
                        raise
                    begun = True
                    hosts.stop.wait(pause)
                    continue
        size, md5 = _measured(part)
        if md5 == file.md5 and size == file.length:
            return
        part.unlink()
        if not begun:
            raise _Changed(f"has {size} bytes and MD5 {md5}, not {file.length} and {file.md5}")
        begun = False
    raise AssertionError  # pauses have no end


def _append(hosts: _Hosts, answer: requests.Response, part: Path, start: int) -> None:
    with part.open("ab" if start else "wb") as target:
        for chunk in answer.iter_content(CHUNK_BYTES):
            target.write(chunk)
            if hosts.stop.is_set():
                raise requests.ConnectionError("interrupted")


def _measured(part: Path) -> tuple[int, str]:
    with part.open("rb") as content:
        md5 = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return part.stat().st_size, md5
