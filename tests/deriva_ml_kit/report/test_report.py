"""The page of a run: its numbers and its markup."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.report import Checked, Phase, Question, charts, render
from deriva_ml_kit.report.collect import Findings, Lineage, Mistake, wilson

QUESTION = Question("localhost:8443", "1", "2-ABCD", {"testing": "1-000A@0.2.0"}, ["1-000A@0.2.0"])
LINEAGE = Lineage(
    execution={"RID": "2-ABCD", "Description": "Tier 3 <b>", "Status": "Completed", "Duration": None},
    workflow={"RID": "1-WF00", "Name": "Train", "URL": "/blob/abc/train.py", "Checksum": "c0ffee", "Version": "0.1"},
    outputs=[{"RID": "1-OUT0", "Filename": "predictions.csv", "Length": 12, "MD5": "ab"}],
    datasets=[{"RID": "1-000A", "version": "0.2.0", "snapshot": "2X-1", "Description": "Testing"}],
    makers=[],
)
FINDINGS = Findings(
    classes=["0", "1"],
    balance={"testing": {"0": 2, "1": 2}},
    confusion=[[2, 0], [1, 1]],
    mistakes=[Mistake("1-IMG0", "1", "0", 0.9, "data:image/png;base64,AAAA")],
    lineage=LINEAGE,
)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_has_the_published_values(right, total, low, high):
    """Method 3 of table I in R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872."""
    assert wilson(right, total) == pytest.approx((low, high), abs=6e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_zero_and_one(counts):
    low, high = wilson(*counts)

    rounding = 1e-12
    assert -rounding <= low <= counts[0] / counts[1] + rounding
    assert counts[0] / counts[1] - rounding <= high <= 1 + rounding


@given(st.lists(st.floats(0, 1e6), max_size=30), st.text(alphabet=st.characters(categories=["L", "P", "S"])))
def test_charts_are_well_formed_markup_for_any_numbers_and_names(values, name):
    for svg in (
        charts.line(values, name, unit=name),
        charts.grouped_bars([name], {name: {name: len(values)}}, name),
        charts.timeline([(name, value, "t1") for value in values], name),
    ):
        ET.fromstring(svg)


def page(**changes):
    arguments = {"threshold": 0.95, "commit": "f" * 40, "loss": [2.0, 0.1]} | changes
    printed = {"verdict": "pass", "checks": {"a": "pass", "b": "pass", "c": "skip"}, "receipt": "asset 3-RCPT"}
    phases = [
        Phase("Tier 1: dry run", 3.0, "2 batches", 1, Checked.of(printed)),
        Phase("Tier 3", 3.0, "done", 3, Checked.of(printed | {"overrides": ["tier 3: late for <lunch> (me)"]})),
    ]
    return render(QUESTION, FINDINGS, phases, **arguments)


def test_the_page_says_whether_the_threshold_is_met():
    assert "<b>not met</b>" in page(threshold=0.95)
    assert "<b>met</b>" in page(threshold=0.75)


def test_the_page_tells_what_each_tiers_receipt_says_and_every_override():
    text = page()

    assert text.count("2 checks passed, 0 failed, 1 skipped") == 2
    assert text.count("asset 3-RCPT") == 2
    assert "<b>overridden</b>, tier 3: late for &lt;lunch&gt; (me)" in text
    assert text.count("no override") == 1


def test_the_page_asks_no_network_for_anything():
    addresses = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            addresses.extend(value for name, value in attrs if name in {"src", "href", "srcset", "action"})

    Reader().feed(page())

    assert addresses == ["data:image/png;base64,AAAA"]
    assert "url(" not in page()
    assert "@import" not in page()


def test_text_from_the_catalog_is_escaped():
    assert "Tier 3 &lt;b&gt;" in page()
