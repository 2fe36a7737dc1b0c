"""A message to a web address, such as a chat's or a pager's, of which nobody reads more than the host.

Addresses of webhooks are secrets as a rule, and so are tokens: neither is printed, logged, or recorded by an execution.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from deriva_ml_kit.errors import UsageError

ADDRESS, TOKEN = "DERIVA_ML_WEBHOOK", "DERIVA_ML_WEBHOOK_TOKEN"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ATTEMPTS, TIMEOUT_SECONDS, PAUSE_SECONDS = 4, 10.0, 1.0
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Webhook:
    """Where to send, and with what; printed, it shows the host alone.

    Attributes:
        url: The address.
        token: Sent as a bearer token, where there is one.
    """

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError("The address of the webhook is no web address.", remedy="Write it as https://host/…")
        if self.token and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise UsageError(f"A token must not be sent to {self.host} without encryption.", remedy="Use https.")

    @property
    def host(self) -> str:
        """What may be told of the address."""
        return str(urlsplit(self.url).hostname)

    def send(self, message: Mapping[str, Any]) -> str | None:
        """POST a message as JSON; where the host does not answer, or has no time, try again.

        Args:
            message: What is told.

        Returns:
            Why it was not taken; None if it was.
        """
        fault = None
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                # A redirect would carry the message to where nobody has sent it.
                answer = requests.post(
                    self.url, json=message, auth=self._authorize, timeout=TIMEOUT_SECONDS, allow_redirects=False
                )
            except requests.RequestException as error:
                fault = f"{self.host} does not answer ({type(error).__name__})"  # its text names the whole address
                continue
            if answer.ok and not answer.is_redirect:
                return None
            fault = f"{self.host} answers {answer.status_code}"
            if answer.status_code not in TRY_AGAIN:
                break
        return f"{fault}, in {attempt + 1} attempt{'s' if attempt else ''}"

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Without this, requests would take a login for the host from ~/.netrc."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def webhook(url: str | None) -> Webhook | None:
    """The webhook that is given, or else the environment's; from then on, executions cannot record it.

    Args:
        url: As typed.

    Raises:
        UsageError: It is no address.
    """
    # Executions record the command that was typed, and programs that are started get the environment.
    address, token = os.environ.pop(ADDRESS, None), os.environ.pop(TOKEN, None)
    if url:
        sys.argv[:] = [each.replace(url, "(not recorded)") for each in sys.argv]
    wanted = url or address
    return Webhook(wanted, token) if wanted else None
