"""The manifests that Claude Code reads agree with each other and with the distribution."""

import json
import re
import stat
import tomllib
from typing import Any

from plugin_checks.documents import ROOT

MANIFEST = ROOT / ".claude-plugin/plugin.json"
MARKETPLACE = ROOT / ".claude-plugin/marketplace.json"


def manifest() -> dict[str, Any]:
    return json.loads(MANIFEST.read_text())


def listed() -> dict[str, Any]:
    (plugin,) = json.loads(MARKETPLACE.read_text())["plugins"]
    return plugin


def test_the_top_level_manifest_is_a_byte_equal_copy_and_no_link():
    copy = ROOT / "plugin.json"

    assert copy.read_bytes() == MANIFEST.read_bytes()
    assert not copy.is_symlink()


def test_one_version_stands_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert manifest()["version"] == listed()["version"] == project["version"]


def test_the_plugins_name_gives_the_namespace_of_the_skills():
    assert manifest()["name"] == listed()["name"] == "deriva-ml"


def test_the_readme_installs_the_plugin_by_its_marketplaces_name():
    marketplace = json.loads(MARKETPLACE.read_text())["name"]

    assert f"claude plugin install deriva-ml@{marketplace}" in (ROOT / "README.md").read_text()
    assert f"claude plugin install deriva-ml@{marketplace}" in (ROOT / ".ci/run").read_text()


def test_the_marketplace_offers_this_repository_itself():
    assert listed()["source"] == "./"
    assert listed()["description"] == manifest()["description"]


def test_the_manifest_says_what_a_listing_needs():
    assert manifest().keys() >= {"name", "version", "description", "author", "license", "keywords"}
    assert manifest()["license"] == "Apache-2.0"
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_nothing_lies_about_that_claude_code_would_read_wrongly():
    assert not (ROOT / "CLAUDE.md").exists()
    assert not (ROOT / ".claude").exists()


def test_no_link_leads_out_of_the_plugin():
    links = [path for folder in (".claude-plugin", "skills", "references") for path in (ROOT / folder).rglob("*")]

    assert [path for path in links if path.is_symlink()] == []


def test_ci_runs_the_readmes_test_command():
    ci = ROOT / ".ci/run"
    commands = re.findall(r"^pip install uv && uv run (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert commands == ["cycle-zero", "pytest"]
    assert "pip install uv && uv run pytest" in ci.read_text()
    assert ci.stat().st_mode & stat.S_IXUSR


def test_ci_expects_exactly_the_skills_that_are_there():
    (line,) = re.findall(r"^SKILLS=\((.+)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)

    assert line.split() == sorted(path.parent.name for path in (ROOT / "skills").glob("*/SKILL.md"))
