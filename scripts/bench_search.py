"""Measure the search tools on a large catalog: how long indexing and searching take, and searching without an index.

    uv run python scripts/bench_search.py [--rows 100000] [--json]

A `deriva-local` is started in a temporary folder, and removed again. The catalog gets as many terms as --rows, as many
executions, and as many datasets, each with a type and a version. The same words are then looked for with rag_search,
and with a pattern on the server in every text that the index holds (`::ciregexp::`), in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from own_host import own_host

BATCH = 5000
STEMS = ("aden", "bronch", "cardi", "derm", "enter", "fibr", "gastr", "hepat", "lymph", "my", "neur", "oste", "retin")
ENDS = ("itis", "oma", "osis", "opathy", "ectomy", "algia", "ograph", "oscopy", "oid", "emia")
SIDES = ("left", "right", "upper", "lower", "anterior", "posterior", "acute", "chronic", "benign", "malignant")
QUERIES = (
    "chronic hepatitis",
    "malignant lymphoma of the left side",
    "retinopathy",
    "which dataset has neuritis",
    "osteoma 4711",
    "run on fibrosis",
    "gastroscpoy",  # wrong on purpose
    "dataset",
)
Row = dict[str, Any]


def main() -> int:
    """Make the catalog, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="terms, executions and datasets, of each")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON document")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-search-") as folder, own_host(Path(folder)) as hostname:
        figures = measured(hostname, args.rows)
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            print(f"{name:46} {value}")
    return 0


def measured(hostname: str, rows: int) -> dict[str, Any]:
    """All figures, by what they are."""
    from deriva_ml_kit import local  # noqa: PLC0415  (reads HOME)
    from deriva_ml_kit.mainline import create_ml_catalog  # noqa: PLC0415
    from deriva_ml_kit.tools.index.store import index_file  # noqa: PLC0415

    local.prepare(hostname)
    catalog = create_ml_catalog(hostname, project_name="bench")
    ask = asking(hostname, str(catalog.catalog_id))
    tell(f"filling catalog {catalog.catalog_id} on {hostname}")
    fill(catalog, rows)
    figures: dict[str, Any] = {"processors, load": f"{os.cpu_count()}, {os.getloadavg()[0]:.1f}"}

    def timed(name: str, tool: str, **arguments: Any) -> Row:
        seconds, answer = clocked(lambda: ask(tool, **arguments))
        figures[name] = f"{seconds:.3f} s"
        tell(f"{name}: {seconds:.3f} s")
        return answer

    answer = timed("search, never indexed, s", "rag_search", query=QUERIES[0])
    figures["  and says that it is stale"] = len(answer["stale"])
    seconds, answer = clocked(lambda: ask("rag_index_schema"))
    count, size = answer["documents"], index_file(hostname, str(catalog.catalog_id)).stat().st_size
    figures["index all"] = f"{seconds:.1f} s for {count} documents"
    figures["  per 10,000 documents"] = f"{seconds / count * 10_000:.2f} s, {size / count * 10_000 / 1e6:.1f} MB"
    tell(f"index all: {seconds:.1f} s")
    timed("index again, nothing changed", "rag_index_schema")
    (term,) = insert(catalog, "bench:Finding", [term_of(rows)])
    timed("index again, one term more", "rag_index_schema")
    catalog.delete(f"/entity/bench:Finding/RID={term['RID']}")
    timed("index again, one term less", "rag_index_schema")
    with_index, without = [], []
    for query in QUERIES:
        with_index.append(clocked(lambda query=query: ask("rag_search", query=query))[0])
        without.append(clocked(lambda query=query: on_server(catalog, query))[0])
        figures[f"search: {query}"] = f"{with_index[-1]:.3f} s, without index {without[-1]:.3f} s"
    ratio = statistics.median(without) / statistics.median(with_index)
    figures["search, median"] = f"{statistics.median(with_index):.3f} s, {ratio:.0f} times as fast as without index"
    return figures


def fill(catalog: Any, rows: int) -> None:
    """Terms, executions of one workflow, datasets with a type and a version."""
    from deriva.core.ermrest_model import Schema, Table  # noqa: PLC0415

    schema = catalog.getCatalogModel().create_schema(Schema.define("bench"))
    schema.create_table(Table.define_vocabulary("Finding", "bench:{RID}"))
    for batch in batched(term_of(n) for n in range(rows)):
        insert(catalog, "bench:Finding", batch)
    work = {"Name": "Reading slides", "URL": "https://example.org/w.py", "Checksum": "1", "Version": "1"}
    (workflow,) = insert(catalog, "deriva-ml:Workflow", [work])
    runs = ({"Workflow": workflow["RID"], "Description": f"Run {n} on {words(n, 3)}"} for n in range(rows))
    for batch in batched(runs):
        insert(catalog, "deriva-ml:Execution", batch)
    for batch in batched({"Description": f"Scans with {words(n, 4)}, part {n}"} for n in range(rows)):
        rids = [row["RID"] for row in insert(catalog, "deriva-ml:Dataset", batch)]
        insert(catalog, "deriva-ml:Dataset_Version", [{"Dataset": rid, "Version": "0.1.0"} for rid in rids])
        types = [{"Dataset": rid, "Dataset_Type": "Training"} for rid in rids]
        insert(catalog, "deriva-ml:Dataset_Dataset_Type", types)


def term_of(number: int) -> Row:
    """A term with a description and two synonyms."""
    synonyms = [f"{words(number + shift, 2)} {number}" for shift in (7, 13)]
    return {"Name": f"{words(number, 2)} {number}", "Description": f"Also {words(number, 5)}.", "Synonyms": synonyms}


def words(number: int, count: int) -> str:
    """The same words for the same number."""
    chance = random.Random(number)
    return " ".join(f"{chance.choice(SIDES)} {chance.choice(STEMS)}{chance.choice(ENDS)}" for _ in range(count))


def on_server(catalog: Any, query: str) -> int:
    """Look for any of the words in every text that the index holds; says how many rows were found."""
    pattern = "%7C".join(word for word in query.split() if len(word) > 3)
    found = 0
    for table, columns in {
        "bench:Finding": ("Name", "Description", "Synonyms"),
        "deriva-ml:Execution": ("Description",),
        "deriva-ml:Dataset": ("Description",),
    }.items():
        wanted = ";".join(f"{column}::ciregexp::{pattern}" for column in columns)
        found += len(catalog.get(f"/entity/{table}/{wanted}@sort(RID)?limit=10").json())
        found += catalog.get(f"/aggregate/{table}/{wanted}/n:=cnt(*)").json()[0]["n"]
    return found


def asking(hostname: str, catalog_id: str) -> Callable[..., Row]:
    """A function that calls a tool on the catalog."""
    from deriva_ml_kit.tools.invoke import call_of, invoke  # noqa: PLC0415

    def ask(tool: str, **arguments: Any) -> Row:
        given = arguments | {"hostname": hostname, "catalog_id": catalog_id}
        outcome = invoke(tool, given, call_of(tool, Path.home()))
        assert outcome.failure is None, outcome.failure
        return outcome.document

    return ask


def insert(catalog: Any, table: str, rows: list[Row]) -> list[Row]:
    """Store rows; their system columns, and a term's identifiers, are the server's."""
    defaults = "RID,RCT,RMT,RCB,RMB" + (",ID,URI" if table == "bench:Finding" else "")
    return list(catalog.post(f"/entity/{table}?defaults={defaults}", json=rows).json())


def batched(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in lists."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that work takes, and what comes of it."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def tell(text: str) -> None:
    """Say on stderr how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
