"""The document of an export request is checked before anything runs."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_local.errors import BadRequest
from deriva_local.export.config import authority, checked

HERE = ["localhost:8443", "127.0.0.1:8443"]
QUERY = {"processor": "csv", "processor_params": {"query_path": "/entity/S:T", "output_path": "t"}}
BAG = {
    "env": {"RID": "1-000A"},
    "bag": {"bag_name": "Dataset_{RID}", "bag_archiver": "zip"},
    "catalog": {"host": "https://localhost:8443", "catalog_id": "1@2TA-YDC6-BKCW", "query_processors": [QUERY]},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """BAG with one member replaced; the path's words are keys and indexes."""
    document: Any = copy.deepcopy(BAG)
    *way, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    inner = document
    for word in way:
        inner = inner[word]
    inner[last] = value
    return document


def test_a_document_as_deriva_ml_sends_it_passes_with_the_bags_name_filled_in():
    config = checked("bdbag", BAG, HERE)

    assert config == changed("bag.bag_name", "Dataset_1-000A")
    assert authority(config) == "localhost:8443"


@pytest.mark.parametrize("host", ["https://127.0.0.1:8443", "127.0.0.1:8443"])
def test_the_host_may_be_written_in_any_way_that_is_ours(host):
    assert authority(checked("bdbag", changed("catalog.host", host), HERE)) == "127.0.0.1:8443"


def test_without_a_host_it_is_this_one():
    assert authority(checked("bdbag", changed("catalog.host", ""), HERE)) == "localhost:8443"


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("catalog", None, "catalog:"),
        ("catalog.host", "https://elsewhere.org", "elsewhere.org"),
        ("catalog.host", "https://localhost:9999", "localhost:9999"),
        ("catalog.host", "https://me:pw@localhost:8443", "me:pw@"),
        ("catalog.catalog_id", None, "catalog_id"),
        ("catalog.username", "ada", "username"),
        ("catalog.query_processors", [], "query_processors"),
        ("catalog.query_processors.0", "csv", "query_processors[0]"),
        ("catalog.query_processors.0.processor", "pickle", "'pickle'"),
        ("catalog.query_processors.0.processor_type", "os.system", "processor_type"),
        ("catalog.query_processors.0.processor_params", None, "processor_params"),
        ("catalog.query_processors.0.processor_params.query_path", 7, "query_path"),
        ("transform_processors", [{"processor": "shell", "processor_params": {}}], "'shell'"),
        ("post_processors", [{"processor": "cloud_upload"}], "use_minid=False"),
        ("env", "RID", "env:"),
        ("bag", None, "bag:"),
        ("bag.bag_archiver", "rar", "'rar'"),
        ("bag.bag_name", "../up", "'../up'"),
        ("bag.bag_name", "{unknown}", "{unknown}"),
        ("bag.bag_name", 7, "bag_name is 7"),
    ],
)
def test_a_fault_is_named_with_its_place(path, value, word):
    with pytest.raises(BadRequest) as caught:
        checked("bdbag", changed(path, value), HERE)

    assert word in caught.value.message


def test_all_faults_are_told_at_once():
    document = changed("catalog.host", "https://elsewhere.org") | {"bag": {"bag_archiver": "rar"}, "env": 1}

    with pytest.raises(BadRequest) as caught:
        checked("bdbag", document, HERE)

    assert len(caught.value.message.splitlines()) >= 3


def test_files_are_exported_without_a_bag():
    with pytest.raises(BadRequest, match="/deriva/export/bdbag"):
        checked("file", BAG, HERE)

    assert checked("file", {"catalog": BAG["catalog"]}, HERE) == {"catalog": BAG["catalog"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = ["env", "bag", "bag.bag_name", "catalog", "catalog.host", "catalog.query_processors", "transform_processors"]


@given(st.sampled_from(["bdbag", "file"]), st.sampled_from(PLACES), JSON)
@settings(max_examples=150)
def test_any_document_passes_or_is_refused(kind, place, value):
    document = changed(place, value)
    before = json.dumps(document)
    try:
        config = checked(kind, document, HERE)
    except BadRequest:
        pass
    else:
        assert authority(config) in HERE
    assert json.dumps(document) == before
