from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.ops.documents import Document, fetch, parse
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation


class Criteria(Document):
    KIND: ClassVar[AssetType] = AssetType.GATE_CRITERIA
    metric: str
    minimum: float


GIVEN = Criteria(metric="accuracy", minimum=0.9)


def test_what_is_written_is_read_again_with_the_same_digest() -> None:
    again = parse(GIVEN.text(), Criteria, "criteria.json")
    assert again == GIVEN
    assert parse(json.dumps(json.loads(GIVEN.text())), Criteria, "x").digest() == GIVEN.digest()


def test_every_wrong_field_is_told() -> None:
    content = {"kind": "Gate_Criteria", "schema_version": 1, "metric": 3, "minimum": "high", "more": 1}
    with pytest.raises(Faults) as refused:
        parse(json.dumps(content), Criteria, "criteria.json")
    assert {fault.column for fault in refused.value.faults} == {"metric", "minimum", "more"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ('{"kind": "Gate_Report"}', "no Gate_Criteria but Gate_Report"),
        ("[]", "something without a kind"),
        ('{"kind": "Gate_Criteria", "schema_version": 2}', "schema_version 2"),
    ],
)
def test_what_is_no_such_document_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse(text, Criteria, "criteria.json")


@pytest.mark.catalog
def test_a_document_is_an_output_of_its_operation(hospital: Any) -> None:
    program = ("Registers criteria", WorkflowType.PROMOTION, "deriva_ml_kit.ops.operation")
    with operation(hospital.ml, "Criteria", program=program, datasets=[hospital.testing]) as doing:
        doing.keep(GIVEN, "criteria.json")
    stored = fetch(hospital.ml, doing.rids["criteria.json"], Criteria)
    assert (stored.document, stored.execution_rid) == (GIVEN, doing.rid)
    with operation(hospital.ml, "Criteria", program=program, dry_run=True) as dry:
        dry.keep(GIVEN, "criteria.json")
    assert not dry.rids
    with pytest.raises(UsageError, match="no Gate_Criteria"):
        rids = [
            each.asset_rid for each in hospital.ml.list_execution_assets(doing.rid) if each.filename != "criteria.json"
        ]
        fetch(hospital.ml, rids[0], Criteria)
