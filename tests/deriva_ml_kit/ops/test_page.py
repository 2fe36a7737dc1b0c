from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from deriva_ml_kit.ops.charts import Chart, Interval, Line, bars, figure, histogram, intervals, lines
from deriva_ml_kit.ops.page import Mark, Section, Table, Tone, cell, render

NAN = math.nan
DAYS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(4)]
CHARTS = [
    histogram("Age <years>", [0, 1, 3], {"baseline": [0.5, 0.5], "batch": [0.1, 0.9]}),
    histogram("constant", [2.0, 2.0], {"baseline": [1.0]}),
    bars("Site", ["A & B", "C"], {"baseline": [0.5, 0.5], "batch": [0.0, 1.0]}),
    bars("none", [], {}),
    lines("Accuracy", [Line("seen", DAYS, [0.9, NAN, 0.8, 0.7], [0.8, NAN, 0.7, 0.6], [1.0, NAN, 0.9, 0.8])]),
    lines("Loss", [Line("a", [1, 2], [0.5, 0.5]), Line("b", [1], [0.5])], limits={"limit": 0.4}, unit="epoch"),
    lines("nothing", []),
    intervals("Effect", [Interval("new", -math.inf, 0.1, 0.2), Interval("old", NAN, NAN, NAN)], limits={"zero": 0.0}),
]


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_a_chart_is_valid_markup_within_its_frame_and_is_told_to_those_who_listen(chart: Chart) -> None:
    root = ElementTree.fromstring(chart.svg)
    assert root.find("title").text == chart.title
    assert root.find("desc") is not None and root.get("role") == "img"
    wide, high = map(float, root.get("viewBox").split()[2:])
    for points in re.findall(r'points="([^"]+)"', chart.svg):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= wide and 0 <= y <= high


def test_areas_of_a_histogram_are_shares_whatever_the_widths_of_its_bins() -> None:
    svg = histogram("x", [0, 1, 3], {"baseline": [0.5, 0.5]}).svg
    corners = [tuple(map(float, each.split(","))) for each in re.search(r'polygon.*?points="([^"]+)"', svg)[1].split()]
    floor = corners[0][1]
    narrow, wide = floor - corners[1][1], floor - corners[3][1]
    assert narrow == pytest.approx(2 * wide, abs=0.2)


def test_a_line_is_interrupted_where_nothing_is_known() -> None:
    svg = lines("x", [Line("a", [1, 2, 3, 4, 5], [1, 2, NAN, 4, 5], [0, 1, NAN, 3, 4], [2, 3, NAN, 5, 6])]).svg
    assert svg.count("<polyline") == svg.count('class="band') == 2


def test_of_many_categories_the_rare_ones_are_added_up() -> None:
    svg = bars("x", [f"c{n}" for n in range(30)], {"baseline": [0.3] + [0.7 / 29] * 29}).svg
    assert "15 others" in svg and "c0" in svg
    assert f"{0.7 / 29 * 15:.1%}" in svg


def test_a_page_escapes_what_it_is_given_and_names_every_verdict() -> None:
    rows = [["<b>age</b>", 0.123456, True, None, Mark("drift", Tone.BAD)]]
    text = render(
        "Drift <of> 1-ABCD",
        "drift",
        "One & only.",
        [
            Section(
                "Features", "First.\n\nSecond.", [Table(["a", "b", "c", "d", "e"], rows, "all"), *CHARTS[:2], CHARTS[4]]
            )
        ],
        tone=Tone.BAD,
        facts={"baseline": "1-AAAA"},
    )
    assert "Drift &lt;of&gt; 1-ABCD" in text and "One &amp; only." in text and "&lt;b&gt;age&lt;/b&gt;" in text
    assert '<td class="figure">0.1235</td>' in text and '<td class="bad"><b>drift</b></td>' in text
    assert text.count("<p>") == 2 and text.count('class="charts"') == 1 and text.count("<svg") == 3
    assert '<html lang="en">' in text and "prefers-color-scheme: dark" in text and "<script" not in text
    assert "http://" not in text and "https://" not in text


def test_numbers_are_for_people() -> None:
    assert [figure(x) for x in (0.000123456, -1234567.0, NAN, math.inf)] == [
        "0.0001235",
        "−1.235e+06",
        "not known",
        "∞",
    ]
    assert [cell(x) for x in (3, 0.5, False, None, "x", Mark("ok", Tone.GOOD))] == ["3", "0.5", "no", "–", "x", "ok"]
