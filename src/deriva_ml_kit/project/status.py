"""How far cycle zero is: for each phase what is done and on which evidence, and the one next step.

In: a folder, and a catalog if not the project's own. Out: `Progress`. Nothing is written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deriva_ml_kit.project.holdings import Holdings, Unreachable, holdings
from deriva_ml_kit.project.next_step import Step, next_step
from deriva_ml_kit.project.phases import Judge, Phase
from deriva_ml_kit.project.survey import survey
from deriva_ml_kit.tiers.receipt import local_receipts


@dataclass(frozen=True)
class Progress:
    """How far a project is.

    Attributes:
        root: The repository's folder.
        catalog: Host and catalog, or why the catalog could not be asked.
        phases: All eight.
        next: The one next step.
        overrides: Runs that began without what a tier asks for.
    """

    root: Path
    catalog: str
    phases: tuple[Phase, ...]
    next: Step
    overrides: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "root": str(self.root),
            "catalog": self.catalog,
            "phases": [asdict(phase) | {"state": str(phase.state)} for phase in self.phases],
            "next": asdict(self.next),
            "overrides": list(self.overrides),
        }


def progress(folder: Path, hostname: str | None = None, catalog_id: str | None = None) -> Progress:
    """Judge the project in a folder.

    Args:
        folder: Anywhere in its repository.
        hostname: Host of its catalog; the one that a file of the project names where not given.
        catalog_id: The catalog; likewise.
    """
    seen = survey(folder)
    if seen.catalog:
        hostname, catalog_id = hostname or seen.catalog[0], catalog_id or seen.catalog[1]
    held: Holdings | None = None
    why: Unreachable | None = None
    if hostname and catalog_id:
        try:
            held = holdings(
                hostname, catalog_id, seen.pins, seen.labels, ours=lambda receipt: seen.has(receipt.code.commit)
            )
        except Unreachable as error:
            why = error
    judge = Judge(seen, held, why, hostname, catalog_id, local_receipts(seen.root))
    phases = tuple(judge.phases())
    named = f"{catalog_id} on {hostname}" if hostname and catalog_id else "none named yet"
    return Progress(
        root=seen.root,
        catalog=f"{named}: {why.message}" if why else named,
        phases=phases,
        next=next_step(judge, phases),
        overrides=tuple(dict.fromkeys(judge.overrides())),
    )
