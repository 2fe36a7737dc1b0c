"""The unmodified client of deriva against a running host: data by paths, and paged downloads."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from deriva.core.datapath import Any as AnyOf
from deriva.core.datapath import ArrayD, Avg, Bin, Cnt, CntD, DataPathException, Max, Min, Sum
from deriva.core.ermrest_model import Column, ForeignKey, Key, Schema, Table, builtin_types

pytestmark = pytest.mark.catalog
ODD = "odd /:;,=@&()!*$%\"'\\ name"


@pytest.fixture
def tables(catalog: Any) -> Any:
    """Subjects a (3), b (5), c (no age); images f0 to f4, of a and b in turn."""
    schema = catalog.getCatalogModel().create_schema(Schema.define("S"))
    text, whole = builtin_types.text, builtin_types.int4
    schema.create_table(
        Table.define(
            "Subject", [Column.define("Name", text, nullok=False), Column.define("Age", whole)], [Key.define(["Name"])]
        )
    )
    link = ForeignKey.define(["Subject"], "S", "Subject", ["RID"])
    schema.create_table(
        Table.define(
            "Image",
            [
                Column.define(name, kind)
                for name, kind in (("File", text), ("Size", whole), ("Subject", text), (ODD, text))
            ],
            fkey_defs=[link],
        )
    )
    tables = catalog.getPathBuilder().schemas["S"].tables
    made = list(tables["Subject"].insert([{"Name": "a", "Age": 3}, {"Name": "b", "Age": 5}, {"Name": "c"}]))
    rids = [row["RID"] for row in made]
    tables["Image"].insert([{"File": f"f{n}", "Size": n, "Subject": rids[n % 2], ODD: f"{ODD} {n}"} for n in range(5)])
    return tables


def test_filters_compose(tables: Any) -> None:
    image = tables["Image"]
    odd = image.column_definitions[ODD]

    def files(condition: Any) -> list[str]:
        return [row["File"] for row in image.filter(condition).entities().sort(image.File)]

    assert files((image.Size > 2) | (image.File == "f0")) == ["f0", "f3", "f4"]
    assert files(~(image.Size == AnyOf(0, 1)) & (image.Size <= 3)) == ["f2", "f3"]
    assert files(image.File.regexp("^f[12]$")) == ["f1", "f2"]
    assert files(image.File.ciregexp("F4")) == ["f4"]
    assert files(odd == f"{ODD} 3") == ["f3"]


def test_links_reach_out_and_back(tables: Any) -> None:
    subject = tables["Subject"].alias("s")
    image = tables["Image"].alias("i")
    path = subject.path.filter(subject.Name == "a").link(image)

    assert {row["File"] for row in path.entities()} == {"f0", "f2", "f4"}
    assert list(path.attributes(path.i.File, path.s.Name.alias("who")).sort(path.i.File)) == [
        {"File": f"f{n}", "who": "a"} for n in (0, 2, 4)
    ]
    back = path.filter(path.i.Size > 1)
    back.context = back.s
    assert [row["Name"] for row in back.entities()] == ["a"]


def test_outer_joins_keep_both_sides(tables: Any) -> None:
    subject, image = tables["Subject"].alias("s"), tables["Image"].alias("i")
    path = subject.path.link(image, on=(subject.RID == image.Subject), join_type="left")  # noqa: SIM300  (left and right differ)

    found = path.groupby(path.s.Name).attributes(Cnt(path.i.RID).alias("n"))

    assert sorted((row["Name"], row["n"]) for row in found) == [("a", 3), ("b", 2), ("c", 0)]


def test_aggregates_and_groups(tables: Any) -> None:
    image = tables["Image"]
    (found,) = image.aggregates(
        Min(image.Size).alias("lo"),
        Max(image.Size).alias("hi"),
        Sum(image.Size).alias("sum"),
        Avg(image.Size).alias("avg"),
        Cnt(image.Size).alias("n"),
        CntD(image.Subject).alias("subjects"),
        ArrayD(image.File).alias("files"),
    )
    assert (found["lo"], found["hi"], found["sum"], found["avg"], found["n"], found["subjects"]) == (0, 4, 10, 2, 5, 2)
    assert sorted(found["files"]) == ["f0", "f1", "f2", "f3", "f4"]

    binned = image.groupby(Bin(image.Size, 2).alias("bin")).attributes(Cnt(image.RID).alias("n"))
    assert sum(row["n"] for row in binned) == 5


def test_order_and_limit(tables: Any) -> None:
    image = tables["Image"]

    assert [row["Size"] for row in image.entities().sort(image.Size.desc).limit(2)] == [4, 3]


def test_rows_are_updated_and_deleted(tables: Any) -> None:
    image = tables["Image"]
    (row,) = image.filter(image.File == "f0").entities()

    (shown,) = image.update([{"RID": row["RID"], "Size": 10, "File": "renamed"}])
    image.filter(image.Size < 3).delete()

    assert shown == {"RID": row["RID"], "Size": 10, "File": "renamed"}
    assert sorted(row["Size"] for row in image.entities()) == [3, 4, 10]


def test_faults_reach_the_user_with_postgresqls_words(tables: Any) -> None:
    subject = tables["Subject"]

    with pytest.raises(DataPathException, match="duplicate key value violates unique constraint"):
        subject.insert([{"Name": "a"}])
    assert [row["Name"] for row in subject.insert([{"Name": "a"}, {"Name": "d"}], on_conflict_skip=True)] == ["d"]
    with pytest.raises(DataPathException, match="invalid input syntax"):
        subject.insert([{"Name": "e", "Age": "old"}])


@pytest.mark.parametrize("accept", ["text/csv", "application/x-json-stream"])
def test_a_paged_download_has_every_row_once(catalog: Any, tables: Any, tmp_path: Path, accept: str) -> None:
    tables["Subject"].insert([{"Name": f"many {n:04}", "Age": n} for n in range(250)])
    target = tmp_path / "subjects"

    catalog.get_as_file("/entity/S:Subject", str(target), headers={"accept": accept}, paged=True, page_size=100)

    with target.open(newline="") as file:
        rows = list(csv.DictReader(file)) if accept == "text/csv" else [json.loads(line) for line in file]
    assert len({row["RID"] for row in rows}) == len(rows) == 253
