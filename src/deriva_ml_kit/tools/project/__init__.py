"""The project: its version, how far it is, and what its runs have shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.project import receipts
from deriva_ml_kit.tools.project.receipts import ReceiptPage
from deriva_ml_kit.tools.registry import CatalogId, Effect, Hostname, also, tool
from deriva_ml_kit.tools.types import Cursor, DryRun, Limit

if TYPE_CHECKING:
    from deriva_ml_kit.project.release import Standing

PartName = Annotated[
    Literal["patch", "minor", "major"] | None,
    Field(
        description="Part to raise; without it, say which one fits what changed, and write nothing",
        validation_alias=also("bump_type", "part", "bump"),
    ),
]
FirstVersion = Annotated[
    str | None,
    Field(description="Version of a project that has none yet; v0.1.0 where not given", pattern=r"^v?\d+\.\d+\.\d+$"),
]
ProjectPath = Annotated[
    str | None, Field(min_length=1, description="Folder of the repository, seen from the project; its own by default")
]


class ChangedFile(BaseModel):
    """What a changed file asks for."""

    file: str
    fits: str | None = Field(default=None, description="patch, minor or major; none for documents and tests")
    reason: str


class BumpAnswer(Answer):
    """A version that was given to the current commit, or would be."""

    version: str | None = Field(
        default=None, description="The tag; in a dry run, or without bump_type, the one that would be"
    )
    previous: str | None = None
    commit: str
    bump_type: str | None = None
    fits: str | None = Field(default=None, description="The part that fits what changed since the previous version")
    dry_run: bool = False
    written: bool = Field(default=False, description="Whether the tag was made")
    changed_file: str | None = Field(default=None, description="File whose version was changed and committed as well")
    note: str | None = None
    not_yet: str | None = Field(default=None, description="Why no version can be given as it is")
    evidence: list[ChangedFile] = Field(default_factory=list)


class PhaseState(BaseModel):
    """A phase of cycle zero: done, not done, or cannot tell, and on which evidence."""

    number: int
    title: str
    state: str
    evidence: str


class BootstrapStatus(Answer):
    """How far a first model is."""

    root: str
    catalog: str = Field(description="Host and catalog, or why the catalog could not be asked")
    phases: list[PhaseState]
    next_what: str = Field(description="What the next step is for; the command is next_step")
    overrides: list[str] = Field(description="Runs that began without what their tier asks for")


@tool("Give the current commit the next version", Effect.WRITE, catalog=False)
def bump_version(
    call: Call,
    bump_type: PartName = None,
    start: FirstVersion = None,
    project_path: ProjectPath = None,
    dry_run: DryRun = False,
) -> BumpAnswer:
    """Give the project's current commit the next version as a git tag, which runs at that commit record; call it after
    committing and before a real run. Without bump_type it tells which part fits what changed, file by file, and
    writes nothing. Refuses uncommitted changes; pushes nothing.
    """
    from deriva_ml_kit.errors import UsageError  # noqa: PLC0415  (as below: git is not asked before it is needed)
    from deriva_ml_kit.project.changes import Part  # noqa: PLC0415
    from deriva_ml_kit.project.release import FIRST, release, standing  # noqa: PLC0415

    first = f"v{start.removeprefix('v')}" if start else FIRST
    try:
        now = standing(_folder(call, project_path))
        if bump_type is None:
            return _advice(now, first)
        made = release(now, Part[bump_type], first=first, dry_run=dry_run)
    except UsageError as error:
        raise ToolError(Code.CONFLICT, error.message, remedy=error.remedy) from error
    answer = _judged(now)
    answer.version, answer.commit, answer.changed_file = made.version.tag, made.commit, made.file
    answer.bump_type, answer.dry_run, answer.written = bump_type, dry_run, not dry_run
    if answer.fits and Part[bump_type] < Part[answer.fits]:
        answer.note = f"What changed fits {answer.fits} rather than {bump_type}; see evidence."
    if start and now.latest:
        answer.note = f"start counts for a first version only; the last one is {now.latest.tag}."
    share = f"git push --atomic origin {now.branch} {made.version.tag}"
    done = f"deriva_ml_bootstrap_status() tells which run is next; to share the version: {share}"
    answer.next_step = f'bump_version("{bump_type}")' if dry_run else done
    return answer


@tool("How far is the first model?", Effect.READ, catalog=False)
def deriva_ml_bootstrap_status(call: Call, hostname: Hostname = None, catalog_id: CatalogId = None) -> BootstrapStatus:
    """For each phase of cycle zero, from the design to the verdict, whether it is done and on which evidence, and the
    one command that comes next. Call it at the start of a session and after each step; it judges what the repository
    alone tells where no catalog answers.
    """
    from deriva_ml_kit.project.status import progress  # noqa: PLC0415  (takes a second)

    found = progress(call.project, hostname, catalog_id)
    return BootstrapStatus(
        root=str(found.root),
        catalog=found.catalog,
        phases=[
            PhaseState(number=each.number, title=each.title, state=str(each.state), evidence=each.evidence)
            for each in found.phases
        ],
        next_what=found.next.what,
        next_step=found.next.command,
        overrides=list(found.overrides),
    )


@tool("List what runs have shown", Effect.READ, catalog=False)
def deriva_ml_list_receipts(
    call: Call,
    *,
    tier: Annotated[int | None, Field(ge=1, le=3, description="Only receipts of this tier")] = None,
    verdict: Annotated[
        Literal["pass", "fail", "insufficient"] | None, Field(description="Only receipts with this verdict")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    hostname: Hostname = None,
    catalog_id: CatalogId = None,
) -> ReceiptPage:
    """Receipts of the tiers, newest first: what ran on which commit, configuration and datasets, which checks failed
    and what to do about them, and whether the receipt still holds for the code that is checked out. Those of dry runs
    lie in the repository, those of real runs in the catalog. Call it before a run of the next tier, and when one was
    refused.
    """
    return receipts.page(call, receipts.Asked(tier, verdict, hostname, catalog_id), limit, cursor)


def _folder(call: Call, project_path: str | None) -> Path:
    folder = call.project / project_path if project_path else call.project
    if not folder.is_dir():
        raise ToolError(
            Code.NOT_FOUND, f"There is no folder {folder}.", remedy="Leave project_path out to take the project's own."
        )
    return folder


def _judged(now: Standing) -> BumpAnswer:
    """What changed since the version before, and which part fits; the first version is a minor one."""
    from deriva_ml_kit.project.changes import Part, fitting  # noqa: PLC0415
    from deriva_ml_kit.project.release import evidence  # noqa: PLC0415

    found = sorted(evidence(now), key=lambda each: -(each.part or 0))  # what asks for most comes first
    fits = fitting(found) if now.latest else Part.minor
    return BumpAnswer(
        previous=now.latest.tag if now.latest else None,
        commit=now.commit,
        fits=fits.name if fits else None,
        evidence=[
            ChangedFile(file=each.file, fits=each.part.name if each.part else None, reason=each.reason)
            for each in found
        ],
    )


def _advice(now: Standing, first: str) -> BumpAnswer:
    """Which part fits, and whether it can be raised as things are."""
    from deriva_ml_kit.errors import UsageError  # noqa: PLC0415
    from deriva_ml_kit.project.changes import Part  # noqa: PLC0415
    from deriva_ml_kit.project.release import check, following  # noqa: PLC0415

    answer = _judged(now)
    if answer.fits is None:
        answer.note = f"{now.tagged.tag} is this very commit." if now.tagged else "Only documents, tests or comments."
        return answer
    answer.version = following(now, Part[answer.fits], first).tag
    answer.next_step = f'bump_version("{answer.fits}")'
    try:
        check(now)
    except UsageError as error:
        answer.not_yet, answer.next_step = error.message, error.remedy
    return answer
