"""How mainline talks over a network that drops, stalls and is overloaded: one policy for catalog and object store.

A request that failed is sent again after a pause that doubles, with jitter, or that the server asked for in Retry-After
— if sending it twice cannot do anything twice:

The server cannot have acted (429, 503, no connection): every request is sent again.
It may have acted (connection lost, silence, 502, 504): what is idempotent is sent again, that is GET, HEAD, DELETE, PUT
without If-Match, and POST with `onconflict=skip`, of an upload job or of an export.

Everything else ends with an error that says so; for rows without a key of their own there is `rows.insert_once`.

`Limits` holds all that can be set. Each field has an environment variable, `DERIVA_ML_` and its name in capitals:
DERIVA_ML_WORKERS, DERIVA_ML_ATTEMPTS, DERIVA_ML_PAUSE_SECONDS, DERIVA_ML_LONGEST_PAUSE_SECONDS,
DERIVA_ML_CONNECT_SECONDS, DERIVA_ML_READ_SECONDS, DERIVA_ML_TOTAL_SECONDS.
"""

from __future__ import annotations

import logging
import os
import random
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import requests
from deriva.core import DEFAULT_SESSION_CONFIG
from deriva.core.hatrac_store import HatracStore
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError

logger = logging.getLogger("deriva_ml_kit")

REFUSED = {429, 503}  # the server says that it has not acted
UNKNOWN = {502, 504}  # something on the way says that it does not know
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
LOCAL_PAUSE_SECONDS = 0.05
UNSURE = "_deriva_ml_unsure"  # attribute of answers


@dataclass(frozen=True)
class Limits:
    """How much is asked of a server at once, and how long it is waited for. The defaults are gentle to a shared one.

    Attributes:
        workers: Transfers at the same time.
        attempts: How often one request is sent at most.
        pause_seconds: Pause after the first attempt; it doubles with each further one.
        longest_pause_seconds: Longest pause, also where the server asks for a longer one.
        connect_seconds: How long to wait for a connection.
        read_seconds: How long a server may be silent.
        total_seconds: How long after its first attempt a request may be sent again.
    """

    workers: int = 4
    attempts: int = 8
    pause_seconds: float = 0.5
    longest_pause_seconds: float = 60.0
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    total_seconds: float = 600.0

    @classmethod
    def from_environment(cls, **defaults: float) -> Limits:
        """The defaults, then what is given here, then what the environment says.

        Raises:
            DerivaMLConfigurationError: A variable is no positive number.
        """
        values: dict[str, Any] = dict(defaults)
        for field in fields(cls):
            variable = f"DERIVA_ML_{field.name.upper()}"
            if text := os.environ.get(variable):
                values[field.name] = _positive(variable, text, type(field.default))
        return cls(**values)

    @property
    def timeout(self) -> tuple[float, float]:
        """As requests takes it."""
        return self.connect_seconds, self.read_seconds

    def pauses(self) -> Iterator[float]:
        """Seconds between attempts, without end."""
        for number in count():
            longest = min(self.pause_seconds * 2**number, self.longest_pause_seconds)
            yield longest * random.uniform(0.5, 1.0)


def _positive(variable: str, text: str, kind: type) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = 0
    if not value > 0:
        what = "a whole number of at least 1" if kind is int else "a number greater than 0"
        raise DerivaMLConfigurationError(f"{variable} is {text!r}; it must be {what}.")
    return value


class PersistentAdapter(HTTPAdapter):
    """Sends the requests of a session as this module's policy says.

    Args:
        limits: How often and how long.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._closed = threading.Event()
        super().__init__(pool_maxsize=max(10, limits.workers), max_retries=0)

    def send(  # noqa: PLR0917  (requests' signature)
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request, again if it fails and that is safe.

        Raises:
            requests.RequestException: No attempt succeeded; the message says how many there were.
        """
        attempts = _Attempts(self.limits, request)
        for pause in self.limits.pauses():
            try:
                answer = super().send(request, stream, timeout or self.limits.timeout, verify, cert, proxies)
                if not stream:
                    _ = answer.content  # a body that breaks off belongs to this attempt
            except BROKEN as error:
                attempts.failed(sure=never_arrived(error))
                if attempts.are_over or is_untrusted(error):
                    raise _given_up(error, attempts) from error
                self._wait(pause, error, attempts)
                continue
            if answer.status_code not in REFUSED | UNKNOWN:
                return attempts.finished(answer)
            attempts.failed(sure=answer.status_code in REFUSED)
            if attempts.are_over:
                answer.reason = f"{answer.reason} ({attempts})"
                return answer
            answer.close()
            asked_for = retry_after(answer.headers.get("Retry-After"))
            self._wait(min(asked_for or pause, self.limits.longest_pause_seconds), answer.status_code, attempts)
        raise AssertionError  # pauses have no end

    def close(self) -> None:
        """Close all connections, and end the pauses of other threads."""
        self._closed.set()
        super().close()

    def _wait(self, seconds: float, why: object, attempts: _Attempts) -> None:
        logger.info("%s (%s): trying again in %.1f s", attempts.what, why, seconds)
        if self._closed.wait(seconds):
            raise requests.ConnectionError(f"{attempts.what}: interrupted while waiting to try again")
        attempts.rewind()


class _Attempts:
    """The attempts at one request."""

    def __init__(self, limits: Limits, request: requests.PreparedRequest) -> None:
        self._limits = limits
        self._request = request
        self._start = time.monotonic()
        self._count = 0
        self.unsure = False  # one of them may have taken effect

    @property
    def what(self) -> str:
        """Which request, for a person."""
        url = urlsplit(str(self._request.url))
        return f"{self._request.method} https://{url.netloc}{url.path[:200]}"

    @property
    def are_over(self) -> bool:
        """Whether there must not be another one."""
        seconds = time.monotonic() - self._start
        spent = self._count >= self._limits.attempts or seconds >= self._limits.total_seconds
        return spent or (self.unsure and not self.repeatable)

    @property
    def repeatable(self) -> bool:
        """Whether the request can be sent again although it may have taken effect."""
        return is_idempotent(str(self._request.method), str(self._request.url), self._request.headers)

    def failed(self, *, sure: bool) -> None:
        """Count one that failed; `sure` means that nothing came of it."""
        self._count += 1
        self.unsure = self.unsure or not sure

    def rewind(self) -> None:
        """Put a body that is a file back to its start."""
        if getattr(self._request, "_body_position", None) is not None:
            requests.utils.rewind_body(self._request)

    def finished(self, answer: requests.Response) -> requests.Response:
        """The answer; where an earlier attempt may have deleted something, that it is gone is no error."""
        setattr(answer, UNSURE, self.unsure)
        if self.unsure and self._request.method == "DELETE" and answer.status_code == 404:
            answer.status_code, answer.reason = 204, "No Content"
        return answer

    def __str__(self) -> str:
        seconds = time.monotonic() - self._start
        if self.unsure and not self.repeatable:
            return "it may have taken effect, so it was not sent again"
        return f"given up after {self._count} attempt{'s' if self._count > 1 else ''} in {seconds:.0f} s"


def is_idempotent(method: str, url: str, headers: Any = ()) -> bool:
    """Whether a request that may have taken effect can be sent again without doing anything twice."""
    parts = urlsplit(url)
    if method == "POST":
        return (
            "onconflict=skip" in parts.query.split("&")
            or ";upload" in parts.path
            or parts.path.startswith("/deriva/export/")
        )
    return method in ("GET", "HEAD", "OPTIONS", "DELETE") or (method == "PUT" and "If-Match" not in headers)


def is_second_answer(answer: requests.Response) -> bool:
    """Whether an earlier attempt at the same request may have taken effect, without its answer having arrived."""
    return bool(getattr(answer, UNSURE, False))


def never_arrived(error: Exception) -> bool:
    """Whether there was no connection that the request could have taken."""
    reasons = [error, *error.args, *(getattr(argument, "reason", None) for argument in error.args)]
    return any(isinstance(reason, NewConnectionError | ConnectTimeoutError) for reason in reasons)


def is_untrusted(error: Exception) -> bool:
    """Whether the certificate is the problem, which no patience heals."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def retry_after(header: str | None) -> float | None:
    """Seconds that a server asks to wait, in whichever way it says so; None where it does not."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _given_up(error: requests.RequestException, attempts: _Attempts) -> requests.RequestException:
    """What is told in the end: what was tried; the error of a certificate as it is."""
    if is_untrusted(error):
        return error
    return requests.ConnectionError(f"{attempts.what}: {_plain(error)}; {attempts}", request=error.request)


def _plain(error: Exception) -> str:
    if never_arrived(error):
        return "there is no connection"
    return "the server did not answer in time" if isinstance(error, requests.Timeout) else "the connection was lost"


def install(binding: Any, limits: Limits) -> None:
    """Let a client of deriva (catalog, server, object store) send all its requests by this policy."""
    adapter = PersistentAdapter(limits)
    for prefix in ("https://", "http://"):
        binding._session.mount(prefix, adapter)
    binding._cache = _SchemaCache()


def object_store(hostname: str, credential: Any, limits: Limits) -> HatracStore:
    """A client of a host's object store that sends its requests by this policy."""
    store = HatracStore("https", hostname, credential, session_config=session_config(limits))
    install(store, limits)
    # What the environment says of proxies and certificates is asked once, not for every one of thousands of objects.
    settings = store._session.merge_environment_settings(f"https://{hostname}/", {}, None, None, None)
    store._session.verify, store._session.proxies = settings["verify"], settings["proxies"]
    store._session.trust_env = False
    return store


def session_config(limits: Limits) -> dict[str, Any]:
    """The policy as far as deriva's own sessions can follow it, for those that are not ours."""
    config: dict[str, Any] = DEFAULT_SESSION_CONFIG | {
        "timeout": limits.timeout,
        "retry_connect": limits.attempts - 1,
        "retry_read": limits.attempts - 1,
        "retry_backoff_factor": limits.pause_seconds,
        "retry_status_forcelist": sorted(REFUSED | UNKNOWN),
        # The release lets all methods be repeated, which doubles rows when an answer is lost.
        "allow_retry_on_all_methods": False,
    }
    return config


class _SchemaCache(dict[str, Any]):
    """Keeps what is asked for again and again; deriva would keep every row that was ever read."""

    def __setitem__(self, url: str, answer: Any) -> None:
        if url.endswith("/schema"):
            super().__setitem__(url, answer)
