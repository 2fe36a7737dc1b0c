"""The plugin's own pages, section by section."""

from __future__ import annotations

from pathlib import Path

import pytest

from deriva_ml_kit.tools.index import ranking, references
from deriva_ml_kit.tools.index.store import Store
from deriva_ml_kit.tools.index.updates import Refreshed

PAGE = """---
name: look-after-eyes
---
# Look after eyes
## Clean
Gently.
```bash
# not a heading
wipe
```
## Empty
## Rest
Close them.
"""


def nobody_waits() -> None:
    """A check that never ends the work."""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugin"
    (folder / "skills/look-after-eyes").mkdir(parents=True)
    (folder / "skills/look-after-eyes/SKILL.md").write_text(PAGE)
    (folder / "plugin.json").write_text("{}")
    monkeypatch.setattr(references, "__file__", str(tmp_path / "site-packages/deriva_ml_kit/tools/index/references.py"))
    monkeypatch.setenv("CLAUDE_PLUGIN_ROOT", str(folder))
    return folder


def test_each_section_is_a_document_at_its_line(plugin: Path) -> None:
    (page,) = references.pages(plugin)
    found = {document.title: (document.name, document.body) for document in references.sections(plugin, page)}
    place = "skills/look-after-eyes/SKILL.md"
    assert found == {
        "look-after-eyes": (f"{place}:1", "---\nname: look-after-eyes\n---"),
        "look-after-eyes: Clean": (f"{place}:5", "Gently.\n```bash\n# not a heading\nwipe\n```"),
        "look-after-eyes: Rest": (f"{place}:12", "Close them."),
    }


def test_an_installed_package_finds_the_plugin_by_its_variable(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert references.root() == plugin
    monkeypatch.delenv("CLAUDE_PLUGIN_ROOT")
    assert references.root() is None
    assert references.pages(None) == []


def test_a_package_that_runs_from_the_plugin_finds_all_its_pages() -> None:
    names = {page.name for page in references.pages(references.root())}
    assert {"SKILL.md", "troubleshooting.md", "launchers.md"} <= names


def test_pages_are_read_again_only_when_one_has_changed(plugin: Path, tmp_path: Path) -> None:
    def refreshed(store: Store) -> tuple[int, int, int]:
        references.refresh(store, nobody_waits, done := Refreshed(), wait=True)
        return done.added.total(), done.changed.total(), done.removed.total()

    with Store(tmp_path / "index.sqlite") as store:
        assert refreshed(store) == (3, 0, 0)
        assert refreshed(store) == (0, 0, 0)
        page = plugin / "skills/look-after-eyes/SKILL.md"
        page.write_text(PAGE.replace("Gently.", "Gently, with lukewarm water."))
        assert refreshed(store) == (0, 1, 0)
        assert [hit.document.title for hit in ranking.find(store, "lukewarm").hits] == ["look-after-eyes: Clean"]
        page.unlink()
        assert refreshed(store) == (0, 0, 3)
