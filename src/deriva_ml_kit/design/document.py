"""A design document as values, each with the line that it stands on.

In: Markdown of the form of `templates/`: a title, a line `Status: …`, sections `## …`, items `- Key: value` in them.
Out: `Design`. Whatever the text holds, it is read; what is wrong with it is for `lint` to say.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("model", "experiment", "dataset", "feature")
FOLDER = Path("docs/design")
GOAL, REQUIREMENTS, VALIDATION, UPSTREAM = SECTIONS = ("Goal", "Requirements", "Validation", "Upstream designs")
NO_VALUE = object()

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_STATUS = re.compile(r"(?i:\**Status\**:)\**[ \t]*\**([A-Za-z]*)\**[ \t]*(.*)")
_BEFORE_STATUS = re.compile(r"\s*(?:[-*]\s+)?(?:(?i:\**Status\**:)\**)?[ \t]*")
_ITEM = re.compile(r"([ \t]*)[-*+][ \t]+(.*)")
_KEY = re.compile(r"\**([A-Z][A-Za-z ]*?)\**(?:[ \t]*\(([^)]*)\))?\**:\**(?:\s+|$)(.*)", re.DOTALL)
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_WORD = r"(?!(?:and|or)\b)[A-Za-z][\w.]*"
_THRESHOLD = re.compile(rf"(\b{_WORD}(?:[ -]{_WORD})*)`?\s*(>=|<=|≥|≤|>|<)\s*`?({_NUMBER})(\s*%)?")
_CODE = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_SET = re.compile(rf"({_NAME.pattern})\s*(?:[=:]\s*(.+))?", re.DOTALL)
_VALUE_AFTER = re.compile(rf"\s*[=:]\s*`([^`]+)`|\s*=\s*([^\s,;`]+)|\s*:?\s*({_NUMBER}|true|false)(?![\w.]*\w)")
_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)>\s]+)>?[^)]*\)")
_PATH = re.compile(r"`([^`\s]+\.md)`")
_FILES = (".toml", ".py", ".yaml", ".yml", ".json", ".md")


@dataclass(frozen=True)
class Line:
    """A line of the file that is neither comment nor code block; counted from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Item:
    """A list item `- Key (source): text`, with what is indented below it; no key for an item without one."""

    line: int
    key: str
    source: str
    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Section:
    """What stands below a heading `## Title`, without headings of its own rank."""

    title: str
    line: int
    lines: tuple[Line, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """Its list items of the first rank, in order."""
        return tuple(_items(self.lines))

    def item(self, key: str) -> Item | None:
        """The first item of a key, whatever its letter case."""
        return next((item for item in self.items if item.key.casefold() == key.casefold()), None)


@dataclass(frozen=True)
class Status:
    """The line `Status: Word (evidence)`."""

    word: str
    evidence: str
    line: int


@dataclass(frozen=True)
class Threshold:
    """A number that a metric must reach."""

    metric: str
    operator: str
    limit: float
    line: int

    def met_by(self, value: float) -> bool:
        """Whether a measured value reaches it; a value that is no number does not."""
        match self.operator:
            case ">=":
                return value >= self.limit
            case "<=":
                return value <= self.limit
            case ">":
                return value > self.limit
            case _:
                return value < self.limit

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {self.limit:.15g}"


@dataclass(frozen=True)
class Hyperparameter:
    """A key of the configuration, and its value where the document gives one (else `NO_VALUE`)."""

    name: str
    value: Any
    line: int


@dataclass(frozen=True)
class Link:
    """A reference to another document, as it is written."""

    target: str
    line: int


@dataclass(frozen=True)
class Design:
    """A design document.

    Attributes:
        file: Where it was read from.
        text: The whole text.
        title: The heading of the first rank.
        statuses: Its status lines; a good document has one.
        sections: In the order of the file.
    """

    file: Path
    text: str
    title: str
    statuses: tuple[Status, ...]
    sections: tuple[Section, ...]

    @property
    def kind(self) -> str:
        """What it is the design of: the name of its folder."""
        return self.file.absolute().parent.name

    @property
    def slug(self) -> str:
        """Its name: the file's, without suffix."""
        return self.file.stem

    @property
    def status(self) -> Status | None:
        """Its status, where it has one."""
        return self.statuses[0] if self.statuses else None

    def section(self, title: str) -> Section | None:
        """The first section of a title, whatever its letter case."""
        return next((each for each in self.sections if each.title.casefold() == title.casefold()), None)

    def item(self, section: str, key: str) -> Item | None:
        """An item of a section."""
        found = self.section(section)
        return found.item(key) if found else None

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The numbers in Validation that decide."""
        section = self.section(VALIDATION)
        return tuple(each for line in section.lines for each in thresholds(line)) if section else ()

    @property
    def hyperparameters(self) -> tuple[Hyperparameter, ...]:
        """The keys that the item Hyperparameters of Requirements names."""
        item = self.item(REQUIREMENTS, "Hyperparameters")
        return tuple(_hyperparameters(item)) if item else ()

    @property
    def config(self) -> str | None:
        """Where the hyperparameters stand: what is in brackets behind the word, a file or an override of Hydra."""
        item = self.item(REQUIREMENTS, "Hyperparameters")
        return item.source.strip("` \t") or None if item else None

    @property
    def upstream(self) -> tuple[Link, ...]:
        """The documents that it builds on."""
        section = self.section(UPSTREAM)
        lines = section.lines if section else ()
        return tuple(
            Link(match[1], line.number)
            for line in lines
            for pattern in (_LINK, _PATH)
            for match in pattern.finditer(line.text)
        )


def read(file: Path) -> Design:
    """Read a document.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is no text.
    """
    return parse(file.read_bytes().decode("utf-8-sig"), file)


def parse(text: str, file: Path) -> Design:
    """Take a text apart; never fails."""
    title = ""
    statuses: list[Status] = []
    sections: list[Section] = []
    lines: list[Line] = []
    for line in _prose(text):
        heading = _HEADING.fullmatch(line.text)
        rank = len(heading[1]) if heading else 0
        if heading and rank == 1 and not title:
            title = heading[2]
        elif heading and rank == 2:
            lines = []
            sections.append(Section(heading[2].rstrip(":"), line.number, ()))
        elif not sections:
            statuses += _status(line)
        else:
            lines.append(line)
            sections[-1] = Section(sections[-1].title, sections[-1].line, tuple(lines))
    statuses += [found for section in sections if section.title == "Status" for found in _status_section(section)]
    return Design(file, text, title, tuple(statuses), tuple(sections))


def with_status(design: Design, word: str, evidence: str) -> str:
    """The text with another status; everything else, line ends too, stays as it is.

    Raises:
        ValueError: It has no status line.
    """
    if design.status is None:
        raise ValueError("The document has no status line.")
    lines = _lines(design.text)
    old = lines[design.status.line - 1]
    before = _BEFORE_STATUS.match(old)
    lead = before[0].rstrip() if before else ""
    end = old[len(old.rstrip("\r\n")) :]
    lines[design.status.line - 1] = f"{lead}{' ' if lead else ''}{word}{f' ({evidence})' if evidence else ''}{end}"
    return "".join(lines)


def thresholds(line: Line) -> Iterator[Threshold]:
    """The thresholds that a line states, such as `accuracy >= 0.95` or `error rate < 5 %`."""
    for metric, operator, number, percent in _THRESHOLD.findall(line.text):
        limit = float(number) / 100 if percent else float(number)
        yield Threshold(metric, {"≥": ">=", "≤": "<="}.get(operator, operator), limit, line.number)


def literal(text: str) -> Any:
    """A value as a document writes it: a number, true, a list; any other text is itself."""
    plain = text.strip().strip("`")
    constants = {"true": True, "false": False, "none": None, "null": None}
    if plain.lower() in constants:
        return constants[plain.lower()]
    try:
        return ast.literal_eval(plain)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return plain


def _prose(text: str) -> Iterator[Line]:
    """The lines outside of code blocks and comments; a comment within a line is blanked."""
    fence, comment = "", False
    for number, ended in enumerate(_lines(text), start=1):
        raw = ended.rstrip("\r\n")
        mark = _FENCE.match(raw)
        if fence:
            if mark and mark[1].startswith(fence) and not raw.strip().strip(fence[0]):
                fence = ""
            continue
        if mark and not comment:
            fence = mark[1]
            continue
        shown, rest = "", raw
        while rest:
            head, found, rest = rest.partition("-->" if comment else "<!--")
            shown += "" if comment else head
            comment = comment != bool(found)
        yield Line(number, shown)


def _lines(text: str) -> list[str]:
    """The lines as editors count them, with their ends: form feeds and the like do not end one."""
    return list(io.StringIO(text, newline=""))


def _status(line: Line) -> list[Status]:
    match = _STATUS.fullmatch(line.text.strip())
    return [Status(match[1], _unbracketed(match[2]), line.number)] if match else []


def _status_section(section: Section) -> list[Status]:
    for line in section.lines:
        if text := line.text.strip().lstrip("-*").strip():
            text = text if text.lower().startswith("status") else f"Status: {text}"
            return _status(Line(line.number, text))
    return []


def _unbracketed(text: str) -> str:
    text = text.strip()
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


def _items(lines: tuple[Line, ...]) -> Iterator[Item]:
    """Items of the first rank: those that are indented no more than the first one."""
    block: list[Line] = []
    indent: int | None = None
    for line in (*lines, Line(0, "- ")):
        match = _ITEM.fullmatch(line.text)
        width = len(match[1].expandtabs(4)) if match else 0
        if match and (indent is None or width <= indent):
            if block:
                yield _item(block)
            indent = width
            block = [line]
        elif block:
            block.append(line)


def _item(block: list[Line]) -> Item:
    first = _ITEM.fullmatch(block[0].text)
    head = first[2] if first else block[0].text
    text = "\n".join([head, *(line.text for line in block[1:])]).strip()
    keyed = _KEY.fullmatch(text)
    if keyed is None:
        return Item(block[0].number, "", "", text, tuple(block))
    return Item(block[0].number, keyed[1], keyed[2] or "", keyed[3].strip(), tuple(block))


def _hyperparameters(item: Item) -> Iterator[Hyperparameter]:
    """Names in backquotes, with `= value` behind them or within."""
    for line in item.lines:
        text = line.text
        if line.number == item.line and (keyed := re.match(r"[^:]*?(?:\([^)]*\))?\**:", text)):
            text = text[keyed.end() :]
        position = 0
        while found := _CODE.search(text, position):
            position = found.end()
            within = _SET.fullmatch(found[1].strip())
            if within is None or within[1].endswith(_FILES):
                continue
            value: Any = NO_VALUE
            if within[2] is not None:
                value = literal(within[2])
            elif after := _VALUE_AFTER.match(text, position):
                position = after.end()
                value = literal(next(filter(None, after.groups())).rstrip("."))
            yield Hyperparameter(within[1], value, line.number)
