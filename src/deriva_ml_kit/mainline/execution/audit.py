"""Whose origin nobody knows: datasets whose current version no execution has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.mainline.execution.consumed import Versions

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class ProvenanceFinding(BaseModel):
    """Something whose origin is not, or hardly, known.

    Attributes:
        category: What is wrong; `null_producer`: no execution made it.
        rid: RID of it.
        kind: What it is, such as `Dataset`.
        detail: A sentence for a person.
    """

    category: str
    rid: str
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.rid}: {self.detail} ({self.category})"


class ProvenanceAuditReport(BaseModel):
    """What a look at all origins has found.

    Attributes:
        violations: What is to be corrected.
        known_degraded: What is marked as of unknown origin; catalogs of the release have no such mark.
    """

    violations: list[ProvenanceFinding] = Field(default_factory=list)
    known_degraded: list[ProvenanceFinding] = Field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is to be corrected."""
        return not self.violations

    def summary(self) -> str:
        """How much was found, on one line."""
        return f"{len(self.violations)} to be corrected, {len(self.known_degraded)} known to be of unknown origin"


def audit_provenance(ml: DerivaML) -> ProvenanceAuditReport:
    """See `DerivaML.audit_provenance`."""
    there = paged(ml.catalog, table_name(ml.ml_schema, "Dataset"), wanted=["RID", "Deleted"])
    rids = [row["RID"] for row in there if not row["Deleted"]]
    versions = Versions.of(ml, rids)
    newest = {rid: rows[0]["Version"] for rid in rids if (rows := versions.newest_first(rid))}
    violations = [
        ProvenanceFinding(
            category="null_producer",
            rid=rid,
            kind="Dataset",
            detail=f"no execution is noted to have made version {version}",
        )
        for rid, version in newest.items()
        if versions.made_by(rid) is None
    ]
    return ProvenanceAuditReport(violations=violations)
