"""What is recorded about the machine and the Python of a run, without secrets.

The release records every environment variable as it is, tokens and keys included, in a file that all readers of the
catalog can fetch.
"""

from __future__ import annotations

import re
from typing import Any

from deriva_ml.execution.environment import get_execution_environment

SECRET = re.compile(r"TOKEN|SECRET|PASS|PWD$|CREDENTIAL|COOKIE|AUTH|KEY|PRIVATE|SESSION|DSN|WEBHOOK", re.IGNORECASE)


def environment() -> dict[str, Any]:
    """What the release records about the machine, without values of environment variables that may be secret."""
    found: dict[str, Any] = get_execution_environment()
    variables: dict[str, str] = found["os"]["environ"]
    found["os"]["environ"] = {
        name: "(not recorded)" if SECRET.search(name) else re.sub(r"://[^/@\s]*@", "://", value)
        for name, value in variables.items()
    }
    return found
