"""Each skill is found, listed in full and read in one piece: frontmatter, sizes, references."""

import re

import pytest
from plugin_checks.documents import ROOT, SKILLS, Document, references, skills

KEYS = {"name", "description", "license", "allowed-tools", "metadata", "compatibility"}
GENERATED = "tools.md"  # its parts are looked up, not read through
LISTING = 4_500  # characters that all descriptions of the plugin may take of a session's skill listing

every_skill = pytest.mark.parametrize("skill", skills(), ids=lambda skill: skill.path.parent.name)


def test_every_folder_of_skills_is_a_skill():
    assert [path.name for path in sorted(SKILLS.iterdir())] == [skill.path.parent.name for skill in skills()]


@every_skill
def test_the_frontmatter_is_strict_yaml_with_keys_of_the_open_format(skill: Document):
    assert skill.frontmatter.keys() >= {"name", "description"}
    assert skill.frontmatter.keys() <= KEYS


@every_skill
def test_the_name_is_the_folders_and_well_formed(skill: Document):
    name = skill.frontmatter["name"]

    assert name == skill.path.parent.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 64
    assert not {"claude", "anthropic"} & set(name.split("-"))


@every_skill
def test_the_description_says_when_in_quotes_and_within_the_limit(skill: Document):
    description = skill.frontmatter["description"]

    assert re.search(r'^description: ".*"$', skill.head, re.MULTILINE)
    assert description.startswith("Use when ")
    assert len(description) <= 1_024
    assert not set("<>") & set(description)


def test_all_descriptions_together_leave_room_for_other_plugins():
    assert sum(len(skill.frontmatter["description"]) for skill in skills()) <= LISTING


@every_skill
def test_the_body_is_at_most_300_lines(skill: Document):
    assert len(skill.body.splitlines()) <= 300


@every_skill
def test_each_reference_is_linked_with_when_to_read_it(skill: Document):
    folder = skill.path.parent / "references"
    linked = {link.text.partition("#")[0] for link in skill.links}
    for path in sorted(folder.glob("**/*")):
        assert path.parent == folder, f"{path} is more than one level deep"
        assert f"references/{path.name}" in linked, f"{path.name} is not linked"
    for line in skill.prose.splitlines():
        if "](references/" in line:
            assert re.search(r"\b(when|before|if|for)\b", line, re.IGNORECASE), f"no 'read when': {line}"


@pytest.mark.parametrize("document", references(), ids=lambda document: document.name)
def test_a_long_reference_begins_with_its_contents(document: Document):
    lines = document.text.splitlines()

    assert len(lines) <= (700 if document.path.name == GENERATED else 300)
    assert len(lines) <= 100 or "## Contents" in lines[:15]


@pytest.mark.parametrize("document", references(), ids=lambda document: document.name)
def test_a_reference_prints_no_variable_that_only_a_skill_knows(document: Document):
    assert "${CLAUDE_" not in document.text


@every_skill
def test_scripts_are_never_printed_as_if_they_lay_in_the_users_project(skill: Document):
    assert re.findall(r"(?<!\}/)\bskills/[\w-]+/scripts/", skill.text) == []


def test_the_readme_is_more_than_a_title():
    assert len((ROOT / "README.md").read_text().split()) >= 40
