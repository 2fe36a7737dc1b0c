"""Markdown documents of the plugin: in go their paths, out come frontmatter, fenced blocks, inline code and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
SKILLS = ROOT / "skills"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)
_FRONTMATTER = re.compile(r"\A---\n(?P<head>.*?\n)---\n", re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Span:
    """A piece of a document: a fenced block, an inline code span or a link target."""

    path: Path
    line: int
    text: str
    language: str = ""

    @property
    def where(self) -> str:
        """`path:line`, as editors and test names want it."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Path from the repository's root."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        """The whole file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def head(self) -> str:
        """The frontmatter as it stands in the file; empty when there is none."""
        match = _FRONTMATTER.match(self.text)
        return match["head"] if match else ""

    @cached_property
    def frontmatter(self) -> dict[str, Any]:
        """The frontmatter, parsed by the rules of YAML."""
        loaded = yaml.safe_load(self.head)
        return loaded if isinstance(loaded, dict) else {}

    @cached_property
    def body(self) -> str:
        """All but the frontmatter."""
        return _FRONTMATTER.sub("", self.text)

    @cached_property
    def fences(self) -> list[Span]:
        """The fenced blocks, without the indentation of the fence."""
        return [
            Span(self.path, self._line(m.start("body")), _dedent(m["body"], len(m["indent"])), m["language"].strip())
            for m in _FENCE.finditer(self.text)
        ]

    @cached_property
    def prose(self) -> str:
        """The text with fenced blocks and frontmatter blanked out; line numbers stay."""
        without = _FRONTMATTER.sub(lambda m: "\n" * m[0].count("\n"), self.text)
        return _FENCE.sub(lambda m: "\n" * m[0].count("\n"), without)

    @cached_property
    def inline_code(self) -> list[Span]:
        """The inline code spans outside fenced blocks."""
        return [Span(self.path, _line_of(self.prose, m.start()), m[1]) for m in _INLINE.finditer(self.prose)]

    @cached_property
    def links(self) -> list[Span]:
        """The targets of links and images."""
        return [Span(self.path, _line_of(self.prose, m.start()), m[1] or m[2]) for m in _LINK.finditer(self.prose)]

    def _line(self, offset: int) -> int:
        return _line_of(self.text, offset)


def skills() -> list[Document]:
    """Each skill's SKILL.md."""
    return [Document(path) for path in sorted(SKILLS.glob("*/SKILL.md"))]


def references() -> list[Document]:
    """The reference documents of the skills and of the plugin."""
    return [
        Document(path) for path in sorted([*SKILLS.glob("*/references/*.md"), *(ROOT / "references").glob("**/*.md")])
    ]


def printed() -> list[Document]:
    """Every document whose commands people or agents follow."""
    readmes = (Document(ROOT / "README.md"), Document(ROOT / "src/deriva_local/README.md"))
    return [*skills(), *references(), *readmes]


def fences(language: str) -> Iterator[Span]:
    """All fenced blocks in one language."""
    for document in printed():
        yield from (span for span in document.fences if span.language == language)


def _line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _dedent(text: str, width: int) -> str:
    return "".join(line.removeprefix(" " * width) for line in text.splitlines(keepends=True))
