"""What main line's methods take, ours take; what ours lack is listed, with the reason."""

import dataclasses
import inspect
from collections import Counter
from typing import Any

import pytest
from contract_checks import surface
from contract_checks.calls import CLASSES

from deriva_ml_kit import mainline

# Parameters of main line that we do not take.
LEFT_OUT: dict[str, dict[str, str]] = {
    "DerivaML.__init__": {
        "s3_bucket": "only for MINIDs",
        "mode": "the release is always online",
        "reuse_schema_json": "the release always reads the schema",
    },
}
# Methods of main line that we do not supply.
OFFLINE = "main line's work without connection, on a schema that was pinned"
SENTINELS = "main line's rows for what nobody knows the origin of"
EXPERIMENTS = "main line's runner; ours is a part of its own"
LEASES = "RIDs that the database itself does not give out"
MISSING: dict[str, dict[str, str]] = {
    "DerivaML": {
        "bootstrap_config": EXPERIMENTS,
        "cache_table": OFFLINE,
        "catalog_provenance": "main line's copies of catalogs",
        "diff_schema": OFFLINE,
        "find_experiments": EXPERIMENTS,
        "from_context": EXPERIMENTS,
        "get_handlebars_template_variables": "how Chaise shows tables",
        "is_strict_preallocated_rid": LEASES,
        "lookup_experiment": EXPERIMENTS,
        "mode": OFFLINE,
        "pending_summary": "main line's local database; see commit_pending_executions",
        "pin_schema": OFFLINE,
        "pin_status": OFFLINE,
        "refresh_schema": OFFLINE,
        "set_strict_preallocated_rid": LEASES,
        "unknown_provenance_execution_rid": SENTINELS,
        "unknown_provenance_file_rid": SENTINELS,
        "unpin_schema": OFFLINE,
        "validate_config_directory": EXPERIMENTS,
        "validate_config_file": EXPERIMENTS,
        "workspace": OFFLINE,
    },
    "Execution": {
        "database_catalog": "main line's local database",
        "pending_summary": "main line's local database; see commit_pending_executions",
    },
}
# A method of main line, a property of the release: ours is a property that can be called.
BOTH = {("DerivaML", "pathBuilder")}


def public(name: str) -> dict[str, surface.Call]:
    """Main line's public methods of a class."""
    return {n: call for n, call in surface.methods()[name].items() if n == "__init__" or not n.startswith("_")}


def ours(cls: str, method: str) -> Any:
    """Our own method, or None."""
    return inspect.getattr_static(getattr(mainline, cls), method, None)


SUPPLIED = [
    (cls, method)
    for cls in sorted(CLASSES)
    for method in sorted(public(cls))
    if ours(cls, method) is not None and method not in MISSING.get(cls, {})
]


@pytest.mark.parametrize("cls", sorted(CLASSES))
def test_what_main_line_has_is_there_or_listed(cls: str) -> None:
    lacking = {method for method in public(cls) if ours(cls, method) is None and not is_field(cls, method)}

    assert lacking == MISSING.get(cls, {}).keys()


def is_field(cls: str, name: str) -> bool:
    """Whether a class of pydantic or a dataclass has it as a field."""
    found = getattr(mainline, cls)
    return name in getattr(found, "model_fields", {}) or name in getattr(found, "__dataclass_fields__", {})


@pytest.mark.parametrize(("cls", "method"), SUPPLIED, ids=lambda part: part)
def test_a_call_written_for_main_line_binds_to_ours(cls: str, method: str, counted: Counter[str]) -> None:
    counted["signatures compared"] += 1
    call, found = public(cls)[method], ours(cls, method)
    if isinstance(found, property):
        setter = [name for name, _, _ in call.params] == ["value"]
        assert call.kind == "property" or setter or (cls, method) in BOTH
        return
    assert call.kind != "property"
    static = isinstance(found, staticmethod)
    signature = inspect.signature(getattr(found, "__func__", found))

    assert surface.differences(signature, call, LEFT_OUT.get(f"{cls}.{method}", {}), method=not static) == []


@pytest.mark.parametrize("cls", sorted(name for name in mainline.__all__ if surface.fields(name)))
def test_a_record_has_main_lines_fields(cls: str, counted: Counter[str]) -> None:
    found = getattr(mainline, cls)
    if dataclasses.is_dataclass(found):
        have = {field.name for field in dataclasses.fields(found)}
    elif hasattr(found, "model_fields"):
        have = set(found.model_fields) | found.__class_vars__
    else:
        pytest.skip("no record")
    counted["records compared"] += 1

    assert set(surface.fields(cls)) - have - LEFT_OUT.get(cls, {}).keys() == set()


def test_every_name_that_is_promised_is_there() -> None:
    assert [name for name in mainline.__all__ if not hasattr(mainline, name)] == []


def test_what_is_left_out_exists_in_main_line() -> None:
    for name, left_out in LEFT_OUT.items():
        cls, _, method = name.partition(".")
        known = {p[0] for p in public(cls)[method].params} if method else set(surface.fields(cls))
        assert left_out.keys() <= known, name
