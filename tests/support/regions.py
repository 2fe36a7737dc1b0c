"""The places of a template that people edit: what stands between `# >>> edit: NAME` and `# <<< edit: NAME`."""

from __future__ import annotations

import re

_REGION = re.compile(
    r"^[ \t]*# >>> edit: (?P<name>\w+)[^\n]*\n(?P<body>.*?)^[ \t]*# <<< edit: (?P=name)[^\n]*$",
    re.MULTILINE | re.DOTALL,
)


def regions(text: str) -> dict[str, str]:
    """The body of each region by its name."""
    return {match["name"]: match["body"] for match in _REGION.finditer(text)}
