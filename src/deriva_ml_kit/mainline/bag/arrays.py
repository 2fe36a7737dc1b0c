"""PostgreSQL's text of an array, as in a bag's CSV, as JSON."""

from __future__ import annotations

import json
import re

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)')


def as_json(text: str) -> str:
    """`{a,"b c",NULL}` as `["a", "b c", null]`; what is JSON already stays as it is."""
    if text.startswith("["):
        return text
    elements = (
        re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else None if found[2] == "NULL" else found[2]
        for found in _ELEMENT.finditer(text[1:-1])
    )
    return json.dumps(list(elements))
