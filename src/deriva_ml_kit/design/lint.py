"""What is wrong with design documents, all of it at once, each with its line and what to write instead.

In: documents, and what gives the configuration of a model. Out: `Report`: faults, and what could not be checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deriva_ml_kit.design import history
from deriva_ml_kit.design.agreement import Configuration, disagreements
from deriva_ml_kit.design.document import (
    FOLDER,
    GOAL,
    KINDS,
    REQUIREMENTS,
    SECTIONS,
    UPSTREAM,
    VALIDATION,
    Design,
    Line,
    Section,
    read,
)
from deriva_ml_kit.design.starting import SLUG, placeholders
from deriva_ml_kit.errors import Fault, Faults, Undecidable, UsageError
from deriva_ml_kit.nearest import suggestion

Configurations = Callable[[Design], Configuration | None]

DRAFT, APPROVED, BUILT, VALIDATED = STATUSES = ("Draft", "Approved", "Built", "Validated")
# From each status to those that may follow. A verdict that meets the threshold is the proof that it was built, too.
TRANSITIONS = {
    DRAFT: {APPROVED},
    APPROVED: {BUILT, VALIDATED, DRAFT},
    BUILT: {VALIDATED, DRAFT},
    VALIDATED: {DRAFT},
}
# What a section must answer, by kind; further items are welcome.
REQUIRED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "model": {REQUIREMENTS: ("Architecture", "Hyperparameters", "Input features", "Outputs")},
    "experiment": {REQUIREMENTS: ("Change", "Data"), VALIDATION: ("Decision",)},
    "dataset": {REQUIREMENTS: ("Records",)},
    "feature": {REQUIREMENTS: ("Target", "Values")},
}
# Metrics that are shares: a threshold above 1 can never be met.
SHARES = re.compile(r"(?:\w+[_ ])?(?:accuracy|precision|recall|f1|auc|auroc|coverage)", re.IGNORECASE)
RID = re.compile(r"\b[0-9A-Z]{1,4}(?:-[0-9A-Z]{4})+\b")
_UNFINISHED = re.compile(r"\b(TODO|TBD|FIXME)\b|^\s*(?:[-*+]\s+)?(?:[^:`]*:)?\s*(…|\.\.\.|\?+)\s*$")
_NONE = re.compile(r"(?i)\W*none\b.*", re.DOTALL)


class DesignFaults(Faults):
    """Design documents are not as they must be."""

    exit_code = 1

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults, message=f"{len(faults)} to change:")


@dataclass
class Report:
    """What was found.

    Attributes:
        files: How many documents were read.
        faults: What is wrong, by file and line.
        notes: What could not be checked, and why.
    """

    files: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def documents(places: Iterable[Path]) -> list[Path]:
    """The documents among some files, and below some folders.

    Raises:
        UsageError: A place does not exist.
        Undecidable: There is no document.
    """
    places = list(places)
    if absent := [str(place) for place in places if not place.exists()]:
        raise UsageError(
            f"No such file or folder: {', '.join(absent)}.",
            remedy="Begin a design with: uv run lint-design --new model <slug>",
        )
    found = [file for place in places for file in (sorted(place.rglob("*.md")) if place.is_dir() else [place])]
    found = [file for file in dict.fromkeys(found) if file.name.lower() != "readme.md"]
    if not found:
        raise Undecidable(
            f"No design document below {', '.join(map(str, places))}.",
            remedy="Begin one with: uv run lint-design --new model <slug>",
        )
    return found


def lint(files: Iterable[Path], configurations: Configurations) -> Report:
    """Check documents.

    Args:
        files: The documents.
        configurations: Gives the configuration that a document's hyperparameters are keys of; None where the project
            has none yet. A UsageError of it is a fault of the document.
    """
    report = Report()
    for file in files:
        report.files += 1
        try:
            design = read(file)
        except (OSError, UnicodeDecodeError) as error:
            report.faults.append(Fault(f"cannot be read: {error}", file=str(file)))
            continue
        faults = [*faults_of(design), *_against_configuration(design, configurations, report.notes)]
        report.faults += sorted(faults, key=lambda fault: fault.line or 0)
    return report


def faults_of(design: Design) -> Iterator[Fault]:
    """Yield what is wrong with a document, apart from what needs the configuration."""
    yield from _name(design)
    yield from _status(design)
    yield from _sections(design)
    yield from _unfinished(design)
    yield from _validation(design)
    yield from _hyperparameters(design)
    yield from _upstream(design)


def _fault(design: Design, line: int | None, message: str, remedy: str | None = None) -> Fault:
    return Fault(message, file=str(design.file), line=line, remedy=remedy)


def _name(design: Design) -> Iterator[Fault]:
    if design.kind not in KINDS:
        yield _fault(design, None, f"stands in {design.kind}/", f"move it to {FOLDER}/<{'|'.join(KINDS)}>/")
    if not SLUG.fullmatch(design.slug):
        yield _fault(design, None, f"{design.slug!r} is no slug", "name it by lower-case words with hyphens between")
    if not design.title:
        yield _fault(design, 1, "has no title", "begin it with: # Name of the " + design.kind)


def _status(design: Design) -> Iterator[Fault]:
    status = design.status
    if status is None:
        yield _fault(design, 1, "has no status", "write below the title: Status: Draft")
        return
    for other in design.statuses[1:]:
        yield _fault(design, other.line, f"has a second status, {other.word}", "keep one")
    if status.word not in STATUSES:
        yield _fault(design, status.line, f"{status.word!r} is no status; {suggestion(status.word, STATUSES)}")
        return
    if status.word in (BUILT, VALIDATED) and not RID.search(status.evidence):
        yield _fault(
            design,
            status.line,
            f"Status {status.word} names no execution",
            "let it be set: uv run record-verdict --execution <RID>",
        )
    yield from _transition(design, status.word, status.line)


def _transition(design: Design, word: str, line: int) -> Iterator[Fault]:
    if not history.is_repository(design.file.absolute().parent):
        return
    earlier = history.before(design)
    old = earlier.status.word if earlier and earlier.status else None
    if old is None:
        if word in (BUILT, VALIDATED):
            yield _fault(design, line, f"Status {word} on a document that was never committed", "begin with Draft")
    elif word != old and old in STATUSES and word not in TRANSITIONS[old]:
        allowed = " or ".join(sorted(TRANSITIONS[old], key=STATUSES.index))
        yield _fault(design, line, f"Status goes from {old} (committed) to {word}", f"after {old} comes {allowed}")


def _sections(design: Design) -> Iterator[Fault]:
    for title in SECTIONS:
        found = [section for section in design.sections if section.title.casefold() == title.casefold()]
        if not found:
            yield _fault(design, None, f"has no section {title}", f"add: ## {title}")
        elif not any(line.text.strip() for line in found[0].lines):
            yield _fault(design, found[0].line, f"section {title} is empty", _QUESTIONS[title])
        for again in found[1:]:
            yield _fault(design, again.line, f"has a second section {title}", "join the two")
    for title, keys in REQUIRED.get(design.kind, {}).items():
        section = design.section(title)
        for key in keys if section else ():
            item = section.item(key) if section else None
            if item is None:
                yield _fault(
                    design, section.line if section else None, f"{title} says nothing of {key}", f"add: - {key}: …"
                )
            elif not item.text:
                yield _fault(design, item.line, f"{key} is empty")


_QUESTIONS = {
    GOAL: "say what is predicted or asked, of which record, for whose decision",
    REQUIREMENTS: "say what it takes: the configuration is made from it",
    VALIDATION: "name metric, dataset and threshold, such as: - Threshold: accuracy >= 0.95",
    UPSTREAM: "link the designs it builds on, or write: - None",
}


def _unfinished(design: Design) -> Iterator[Fault]:
    left = placeholders(design.kind) if design.kind in KINDS else frozenset()
    title = [Line(1, design.title)] if design.title else []
    for line in [*title, *(line for section in design.sections for line in section.lines)]:
        for text in sorted(each for each in left if each in line.text):
            yield _fault(design, line.number, f"{text} of the template is left", "write what is true for yours")
        if found := _UNFINISHED.search(line.text):
            yield _fault(design, line.number, f"{found[1] or found[2]} is left", "write it, or leave the line out")


def _is_placeholder(design: Design, line: Line) -> bool:
    return design.kind in KINDS and any(text in line.text for text in placeholders(design.kind))


def _validation(design: Design) -> Iterator[Fault]:
    section = design.section(VALIDATION)
    if section is None:
        return
    if not design.thresholds and not any(
        _is_placeholder(design, line) for line in section.lines if "hreshold" in line.text
    ):
        item = section.item("Threshold")
        yield _fault(
            design,
            item.line if item else section.line,
            "states no threshold with a number",
            "write metric, direction and number, such as: - Threshold: accuracy >= 0.95",
        )
    for threshold in design.thresholds:
        if SHARES.fullmatch(threshold.metric) and not 0 <= threshold.limit <= 1:
            yield _fault(
                design, threshold.line, f"{threshold} cannot be: {threshold.metric} is 0 to 1", "or write 95 %"
            )
    if not _names_dataset(section):
        yield _fault(
            design,
            section.line,
            "Validation names no dataset",
            "write a pin, RID@version or type, such as: - Dataset: `testing`",
        )


def _names_dataset(section: Section) -> bool:
    item = section.item("Dataset")
    text = "\n".join(line.text for line in section.lines)
    return bool(item.text if item else re.search(r"(?i)\bdataset\b", text))


def _hyperparameters(design: Design) -> Iterator[Fault]:
    item = design.item(REQUIREMENTS, "Hyperparameters")
    if item is None:
        return
    begun = any(_is_placeholder(design, line) for line in item.lines)
    if not design.hyperparameters and not begun and not _NONE.fullmatch(item.text):
        yield _fault(
            design,
            item.line,
            "Hyperparameters name no key",
            "write each in backquotes, with its value: `learning_rate` = 0.001",
        )
    first: dict[str, int] = {}
    for named in design.hyperparameters:
        if named.name in first:
            yield _fault(design, named.line, f"hyperparameter {named.name} stands in line {first[named.name]} already")
        first.setdefault(named.name, named.line)


def _against_configuration(design: Design, configurations: Configurations, notes: list[str]) -> Iterator[Fault]:
    item = design.item(REQUIREMENTS, "Hyperparameters")
    if item is None or not design.hyperparameters or _is_placeholder(design, item.lines[0]):
        return
    try:
        configuration = configurations(design)
    except UsageError as error:
        yield _fault(design, item.line, error.message, error.remedy)
        return
    if configuration is None:
        notes.append(f"{design.file}: hyperparameters not compared, the project has no configuration yet")
    else:
        yield from disagreements(design, configuration)


def _upstream(design: Design) -> Iterator[Fault]:
    section = design.section(UPSTREAM)
    if section is None:
        return
    linked = {link.line for link in design.upstream}
    for item in section.items:
        named = linked & {line.number for line in item.lines}
        if (
            not named
            and not _NONE.fullmatch(item.text)
            and not any(_is_placeholder(design, line) for line in item.lines)
        ):
            yield _fault(
                design,
                item.line,
                f"links no document: {item.lines[0].text.strip()}",
                "write [Name](../feature/slug.md), or None",
            )
    for link in design.upstream:
        target = resolved(design, link.target)
        if any(line.number == link.line and _is_placeholder(design, line) for line in section.lines):
            continue
        if target is None:
            yield _fault(design, link.line, f"{link.target} is no design document", f"link one below {FOLDER}")
        elif not target.is_file():
            kind = target.parent.name
            yield _fault(
                design, link.line, f"{link.target} does not exist", f"uv run lint-design --new {kind} {target.stem}"
            )
        elif way := _way_back(target, design.file.resolve(), []):
            names = " -> ".join([design.slug, *way])
            yield _fault(design, link.line, f"goes in a circle: {names}", "what a design gives is not upstream of it")


def resolved(design: Design, target: str) -> Path | None:
    """The file that a link means, from the document's folder or from the project's; None if it cannot be a design."""
    path = target.partition("#")[0]
    if not path.endswith(".md") or "://" in path:
        return None
    folder = design.file.absolute().parent
    of_project = path.startswith(f"{FOLDER.as_posix()}/") and len(folder.parents) > len(FOLDER.parts)
    file = ((folder.parents[len(FOLDER.parts)] if of_project else folder) / path).resolve()
    return file if file.parent.name in KINDS else None


def _way_back(file: Path, goal: Path, seen: list[Path]) -> list[str]:
    """The slugs on a way along upstream links from a document to another one; none if there is no way."""
    if file == goal:
        return [file.stem]
    if file in seen or not file.is_file():
        return []
    seen.append(file)
    try:
        design = read(file)
    except (OSError, UnicodeDecodeError):
        return []
    for link in design.upstream:
        target = resolved(design, link.target)
        if target and (way := _way_back(target, goal, seen)):
            return [file.stem, *way]
    return []
