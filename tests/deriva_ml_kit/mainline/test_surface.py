"""What code written for main line passes, our methods take: the facts are in tests/data/mainline-surface.json."""

import dataclasses
import inspect
import json
from pathlib import Path

import pytest

from deriva_ml_kit import mainline

SURFACE = json.loads((Path(__file__).parents[2] / "data" / "mainline-surface.json").read_text())
# Parameters of main line that have no meaning on the release, with the reason.
LEFT_OUT = {
    "DerivaML.__init__": {
        "s3_bucket": "only for MINIDs",
        "mode": "the release is always online",
        "reuse_schema_json": "the release always reads the schema",
    },
    "Execution.download_asset": {
        "use_cache": "the release has no cache of assets",
        "_asset_table": "internal",
    },
    "Dataset.list_dataset_members": {
        "version": "the release lists the members of the current version",
        "kwargs": "unused",
        "_visited": "internal",
    },
    "Dataset.download_dataset_bag": {
        "use_minid": "said once, to DerivaML",
        "exclude_tables": "the server makes the bag",
        "timeout": "the server makes the bag",
        "fetch_concurrency": "the release fetches one by one",
        "reachability_concurrency": "the server makes the bag",
    },
}


@pytest.mark.parametrize("name", sorted(SURFACE["calls"]))
def test_a_call_written_for_main_line_binds_to_ours(name: str) -> None:
    owner, method = name.split(".")
    found = inspect.getattr_static(getattr(mainline, owner), method)
    ours = list(inspect.signature(getattr(found, "__func__", found)).parameters.values())
    left_out = LEFT_OUT.get(name, {})
    wanted = [parameter for parameter in SURFACE["calls"][name] if parameter[0] not in left_out]

    names = [parameter.name for parameter in ours]
    assert [parameter[0] for parameter in wanted if parameter[0] not in names] == []
    positional = [parameter[0] for parameter in wanted if parameter[1] == "positional_or_keyword"]
    assert [n for n in names if n in positional] == positional
    required = {p.name for p in ours if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    assert required <= {parameter[0] for parameter in wanted if not parameter[2]}


@pytest.mark.parametrize("name", sorted(SURFACE["fields"]))
def test_a_result_has_main_lines_fields(name: str) -> None:
    assert [field.name for field in dataclasses.fields(getattr(mainline, name))] == SURFACE["fields"][name]


def test_every_name_that_is_promised_is_there() -> None:
    assert [name for name in mainline.__all__ if not hasattr(mainline, name)] == []


def test_what_is_left_out_exists_in_main_line() -> None:
    known = {name: {parameter[0] for parameter in parameters} for name, parameters in SURFACE["calls"].items()}
    assert [name for name, left_out in LEFT_OUT.items() if not left_out.keys() <= known[name]] == []
