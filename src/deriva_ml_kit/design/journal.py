"""`tacit-knowledge.md`: one line for each run that taught something, anchored by the execution's RID alone.

Inputs, outputs and the commit hang off the execution; lists of assets' RIDs beside it go stale, so none are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Set
from datetime import date
from pathlib import Path

from deriva_ml_kit.errors import UsageError

JOURNAL = Path("tacit-knowledge.md")
HEADING = """\
# Tacit knowledge

What was learned on the way, newest last. An execution's RID is the anchor: inputs, outputs and the commit hang off it.

"""
# RIDs are groups of four of these from the right; letters that look like digits are not among them.
_GROUP = "[0-9A-HJKMNP-TV-Z]"
_RID = re.compile(rf"(?<![\w-]){_GROUP}{{1,4}}(?:-{_GROUP}{{4}})+(?![\w-])")
_SHORT = re.compile(rf"(?<![\w-])(?=\w*[0-9])(?=\w*[A-Z]){_GROUP}{{2,4}}(?![\w-])")


def entry(execution: str, text: str, *, assets_among: Callable[[Collection[str]], Set[str]] | None = None) -> str:
    """The line for an execution, without date.

    Args:
        execution: Its RID.
        text: What there is to know of it; line breaks become spaces.
        assets_among: Tells which of some texts are RIDs of assets in the catalog; without it, whatever looks like a
            RID counts as one.

    Raises:
        UsageError: The text is empty, or names assets.
    """
    line = " ".join(text.split())
    if not line.strip(" .-*"):
        raise UsageError("The journal takes no empty line.", remedy="Say in a few words what the run was for.")
    looks = set(_RID.findall(line)) | (set(_SHORT.findall(line)) if assets_among else set())
    others = looks - {execution}
    named = sorted(assets_among(others) if assets_among and others else others)
    if named:
        raise UsageError(
            f"The journal takes no RIDs of assets: {', '.join(named)}.",
            remedy=f"Leave them out: all outputs hang off execution {execution}, and the catalog has them linked.",
        )
    return f"execution {execution}: {line}"


def with_entry(text: str, line: str, day: date) -> str:
    """The journal with a line at its end; as it is, if it has the line already, of whatever day."""
    text = text or HEADING
    if any(known.rstrip().endswith(f" {line}") for known in text.splitlines()):
        return text
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}- {day.isoformat()} {line}\n"
