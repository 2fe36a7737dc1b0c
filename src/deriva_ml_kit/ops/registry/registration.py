"""A model gets a name: refused while something of what belongs to it is missing, unless somebody answers for that."""

from __future__ import annotations

from typing import ClassVar

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import AssetType, Stage, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.registry.events import move, state_of
from deriva_ml_kit.ops.registry.links import Links, links_of, model_asset
from deriva_ml_kit.ops.registry.serving import Serving, served
from deriva_ml_kit.ops.registry.stages import State, Step

FILE = "registration.json"
PROGRAM = ("Register a model", WorkflowType.PROMOTION, __name__)


class Registration(Document):
    """What belonged to a model when it was registered.

    Attributes:
        name: Name that it was registered under.
        links: What belongs to it.
        forced: Why it was registered although some of that was missing.
    """

    KIND: ClassVar[AssetType] = AssetType.REGISTRATION

    name: str
    links: Links
    forced: str | None = None


class Incomplete(Faults):
    """Something that belongs to a model is missing.

    Attributes:
        links: What was found.
    """

    def __init__(self, links: Links, what: str) -> None:
        faults = [Fault(f"{link.name}: {link.found}", remedy=link.remedy) for link in links.missing]
        count = f"{len(faults)} of {len(links.links)} links"
        super().__init__(
            faults,
            message=f"Model {links.model_rid} ({links.filename}) {what}: {count} are missing. Nothing was written.",
            remedy='Complete them; or take it upon you, on record: --force "why"',
        )
        self.links = links

    def as_json(self) -> dict[str, object]:
        """With `missing`, the names of the links."""
        return {**super().as_json(), "missing": [link.name for link in self.links.missing]}


def register(
    ml: DerivaML,
    name: str,
    model_rid: str,
    *,
    reason: str = "",
    force: str | None = None,
    dry_run: bool = False,
) -> tuple[Serving | None, Registration]:
    """Register a model as Candidate, if nothing that belongs to it is missing.

    Args:
        ml: The catalog.
        name: Name under which models replace each other.
        model_rid: RID of its asset.
        reason: What it is, for people; the file's name where not given.
        force: Why it is registered although something is missing; every later answer tells it.
        dry_run: Look only.

    Returns:
        What it is now (None in a dry run), and what belongs to it.

    Raises:
        Incomplete: Something is missing; all of it is named.
        UsageError: It is registered already, or is no model; a name or reason that cannot be.
        DerivaMLNotFoundError: There is no such RID.
        Overtaken: Somebody else has registered it meanwhile.
    """
    if not name.strip() or name != name.strip() or len(name) > 100:
        raise UsageError(
            f"{name!r} is no name of a model.", remedy="Give it 1 to 100 characters, none blank at its ends."
        )
    if force is not None and not force.strip():
        raise UsageError("--force needs a reason.", remedy='Say why it is in order: --force "why"')
    state = state_of(ml, name)
    _refuse_known(state, model_rid)
    links = links_of(ml, model_rid)
    if links.missing and force is None:
        raise Incomplete(links, "cannot be registered")
    forced = forced_text(links, force)
    document = Registration(name=name, links=links, forced=forced)
    if dry_run:
        return None, document
    step = Step(
        model_rid,
        links.md5,
        Stage.CANDIDATE,
        reason.strip() or links.filename,
        training_rid=links.training_rid,
        forced=forced,
    )

    def decide(now: State) -> list[Step]:
        _refuse_known(now, model_rid)
        return [step]

    what = f"Register {model_rid} as {name}" + (f", although incomplete: {force}" if forced else "")
    with operation(ml, what, program=PROGRAM) as doing:
        doing.uses(model_asset(ml, model_rid))
        doing.keep(document, FILE)
        after = move(ml, name, doing.rid, decide, first=state)
    return served(name, after.models[model_rid]), document


def forced_text(links: Links, force: str | None) -> str | None:
    """What is recorded of a model that is accepted although something is missing; None where nothing is."""
    if not links.missing or force is None:
        return None
    return f"without {', '.join(link.name for link in links.missing)}: {force.strip()}"


def _refuse_known(state: State, model_rid: str) -> None:
    if model := state.models.get(model_rid):
        raise UsageError(
            f"{model_rid} is registered as {state.name!r} already: version {model.version}, {model.stage}.",
            remedy=f"Move it: uv run deriva-ml-ops promote --name {state.name} --model {model_rid} --to …",
        )
