"""Documents of the plugin's own pages: skills and their references, a document for each section."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from deriva_ml_kit.tools.index.documents import Document, Kind
from deriva_ml_kit.tools.index.store import Store
from deriva_ml_kit.tools.index.updates import Refreshed, replace

SOURCE = "references"
PAGES = ("skills/*/SKILL.md", "skills/*/references/*.md", "references/*.md")
_HEADING = re.compile(r"(#{1,6})\s+(.*\S)")


def root() -> Path | None:
    """The plugin's folder; None where the package runs from a wheel and nobody says where the plugin is."""
    named = os.environ.get("CLAUDE_PLUGIN_ROOT")
    candidates = [Path(__file__).parents[4], *([Path(named)] if named else [])]
    return next((folder for folder in candidates if (folder / "plugin.json").is_file()), None)


def pages(folder: Path | None) -> list[Path]:
    """The pages of the plugin in a folder."""
    return sorted({page for pattern in PAGES for page in folder.glob(pattern)}) if folder else []


def stamp(found: list[Path]) -> str:
    """What changes when a page does."""
    states = [(str(page), (state := page.stat()).st_mtime_ns, state.st_size) for page in found]
    return hashlib.sha256(repr(states).encode()).hexdigest()


def refresh(store: Store, check: Callable[[], None], done: Refreshed, *, wait: bool) -> None:
    """Bring the pages in an index up to date; if another process is writing it, wait for it or leave it to that."""
    found = pages(folder := root())
    if store.state(SOURCE) == (now := stamp(found)):
        return
    with store.writing(check, wait=wait) as mine:
        if mine:
            replace(store, SOURCE, (each for page in found for each in sections(folder, page)) if folder else (), done)
            store.note(SOURCE, now)


def sections(folder: Path, page: Path) -> Iterator[Document]:
    """A page's sections; the text before the first heading is one."""
    place = page.relative_to(folder)
    about = place.parts[1] if place.name == "SKILL.md" else place.stem
    trail: list[str] = []
    lines: list[str] = []
    start, fenced = 1, False
    for number, line in enumerate(page.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and (heading := _HEADING.fullmatch(line)):
            yield from _section(place, about, trail, start, lines)
            trail = [*trail[: len(heading[1]) - 1], heading[2]]
            start, lines = number, []
        else:
            lines.append(line)
    yield from _section(place, about, trail, start, lines)


def _section(place: Path, about: str, trail: list[str], start: int, lines: list[str]) -> Iterator[Document]:
    body = "\n".join(lines).strip()
    if body:
        title = ": ".join(dict.fromkeys([about, *trail[-1:]]))
        names = " ".join([*trail, *place.with_suffix("").parts])
        yield Document(f"{SOURCE}:{place}:{start}", SOURCE, Kind.REFERENCE, title, names, body, name=f"{place}:{start}")
