"""A new design document, from the template of its kind."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from deriva_ml_kit.design.document import FOLDER, KINDS
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.nearest import suggestion

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TEMPLATES = Path(__file__).parent / "templates"
_PLACEHOLDER = re.compile(r"<[^<>]+>")


@cache
def template(kind: str) -> str:
    """The template of a kind."""
    return (_TEMPLATES / f"{kind}.md").read_text(encoding="utf-8")


@cache
def placeholders(kind: str) -> frozenset[str]:
    """What a writer has to replace in the template of a kind."""
    return frozenset(_PLACEHOLDER.findall(template(kind)))


def start(root: Path, kind: str, slug: str) -> Path:
    """Write the template of a kind to its place below a project's folder.

    Raises:
        UsageError: There is no such kind, the slug cannot be one, or the document exists.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of design; {suggestion(kind, KINDS)}")
    if not SLUG.fullmatch(slug):
        better = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-") or "digit-classifier"
        raise UsageError(f"{slug!r} is no slug: lower-case words with hyphens between.", remedy=f"Write {better}.")
    file = root / FOLDER / kind / f"{slug}.md"
    if file.exists():
        raise UsageError(f"{file} exists.", remedy="Edit it, or give another slug.")
    file.parent.mkdir(parents=True, exist_ok=True)
    name = slug.replace("-", " ").capitalize()
    file.write_text(re.sub(r"\A# .*", f"# {name}", template(kind), count=1), encoding="utf-8")
    return file
