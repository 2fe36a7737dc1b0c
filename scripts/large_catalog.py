"""Every reading tool on a large catalog: does its answer stay within what agents read, and say how to go on?

    uv run python scripts/large_catalog.py [--rows 100000] [--json] [--only deriva_ml_list_executions]

A `deriva-local` is started in a temporary folder, and removed again. Its catalog gets as many rows as --rows of each: a
domain table, terms, assets, feature values, executions, datasets, members of one dataset, runs that used it, outputs
and children of one run, uses of one asset; among them long texts and texts that are not ASCII. Each tool is then
called, and called again for the next pages, three in all. With --hostname and --catalog-id, a catalog that this program
made before is looked at.

Exits with 1 if an answer has more than 25,000 tokens, takes more than 10 seconds (to index: 300), is an error, or
leaves something out without saying how to go on. An answer stands twice in what MCP sends, as text and as structure. No
tokenizer is at hand, so tokens are bounded by bytes: Claude's published tokenizer gives rows of RIDs, checksums and
times 1.8 to 2.3 bytes a token, RIDs alone and rare characters 1.4, English 5. 1.4 is taken for all.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from own_host import own_host

BATCH = 5000
PAGES = 3
BYTES_A_TOKEN = 1.4
MOST_TOKENS = 25_000
MOST_SECONDS = 10.0
INDEXING_SECONDS = 300.0
LONG = "Ein langer Text über Größe und Übermaß: 试验 данные ✓. " * 200  # 11,000 characters
Row = dict[str, Any]


@dataclass(frozen=True)
class Large:
    """A large catalog.

    Attributes:
        hostname: Its host.
        catalog_id: Its number.
        dataset: RID of the dataset with all images, and with many datasets in it.
        execution: RID of the execution to which everything is linked.
        image: RID of the asset that all executions used.
        workflow: RID of the workflow of all executions.
    """

    hostname: str
    catalog_id: str
    dataset: str
    execution: str
    image: str
    workflow: str


@dataclass(frozen=True)
class Answered:
    """One answer.

    Attributes:
        tool: Name of the tool.
        arguments: What it was called with, without the place.
        page: 1 for the first.
        seconds: How long it took.
        size: Bytes of the answer as text.
        tokens: No more than these are in text and structure together.
        way_on: How it says to go on; empty if it leaves nothing out.
        faults: What is wrong with it.
    """

    tool: str
    arguments: Row
    page: int
    seconds: float
    size: int
    tokens: int
    way_on: str
    faults: list[str]


def main() -> int:
    """Make the catalog, call the tools, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of each kind")
    parser.add_argument("--hostname", help="host of a catalog that this program made")
    parser.add_argument("--catalog-id", help="its number")
    parser.add_argument("--only", help="names of tools, with commas")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON document")
    args = parser.parse_args()
    only = args.only.split(",") if args.only else None
    with tempfile.TemporaryDirectory(prefix="large-catalog-") as folder:
        if args.hostname:
            answers = list(examined(found(args.hostname, args.catalog_id), Path(folder), only))
        else:
            with own_host(Path(folder)) as hostname:
                answers = list(examined(make(hostname, args.rows), Path(folder), only))
    if args.json:
        print(json.dumps([asdict(each) for each in answers], ensure_ascii=False, indent=1))
    else:
        print("\n".join(table(answers)))
    return int(any(each.faults for each in answers))


def make(hostname: str, rows: int) -> Large:
    """Make a catalog with as many rows of each kind.

    Args:
        hostname: A host that we may make catalogs on.
        rows: How many; at least 100.
    """
    from deriva_ml_kit import local  # noqa: PLC0415  (reads HOME)
    from deriva_ml_kit.mainline import create_ml_catalog  # noqa: PLC0415

    local.prepare(hostname)
    catalog = create_ml_catalog(hostname, project_name="lab")
    catalog_id = str(catalog.catalog_id)
    tell(f"filling catalog {catalog_id} on {hostname}")
    _tables(catalog, hostname, catalog_id, min(rows // 100, 100))
    _rows(catalog, rows)
    return found(hostname, catalog_id)


def found(hostname: str, catalog_id: str) -> Large:
    """The catalog that `make` made."""
    from deriva.core import ErmrestCatalog, get_credential  # noqa: PLC0415

    from deriva_ml_kit import local  # noqa: PLC0415

    local.prepare(hostname)
    catalog = ErmrestCatalog("https", hostname, catalog_id, get_credential(hostname))

    def first(table: str) -> str:
        [row] = catalog.get(f"/attribute/{table}/RID@sort(RID)?limit=1").json()
        return str(row["RID"])

    kinds = ("deriva-ml:Dataset", "deriva-ml:Execution", "lab:Image", "deriva-ml:Workflow")
    return Large(hostname, catalog_id, *map(first, kinds))


def _tables(catalog: Any, hostname: str, catalog_id: str, more: int) -> None:
    """A vocabulary, a domain table, assets, a feature; a table of many columns; and `more` of each that are empty."""
    from deriva.core.ermrest_model import Column, ForeignKey, Schema, Table, builtin_types  # noqa: PLC0415

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415

    text = builtin_types.text
    schema = catalog.getCatalogModel().create_schema(Schema.define("lab"))
    schema.create_table(Table.define_vocabulary("Finding", "lab:{RID}", comment=LONG))
    columns = [Column.define("Name", text, comment=LONG), Column.define("Notes", text)]
    schema.create_table(Table.define("Subject", columns, comment=LONG))
    columns = [Column.define(f"Measure_{n}_of_the_first_visit", text, comment=LONG[:500]) for n in range(200)]
    schema.create_table(Table.define("Wide", columns))
    for n in range(more):
        schema.create_table(Table.define(f"Sheet_{n}", [Column.define("Note", text)], comment=LONG[:1000]))
        schema.create_table(Table.define_vocabulary(f"Kind_{n}", "lab:{RID}", comment=LONG[:1000]))
    ml = DerivaML(hostname, catalog_id)
    ml.create_asset("Image", comment=LONG)
    key = ForeignKey.define(["Subject"], "lab", "Subject", ["RID"])
    ml.model.name_to_table("Image").create_column(Column.define("Subject", text))
    ml.model.name_to_table("Image").create_fkey(key)
    for name in ("Diagnosis", *(f"Diagnosis_{n}" for n in range(more // 5))):
        ml.create_feature("Image", name, terms=["Finding"], comment=LONG)
    ml.add_dataset_element_type("Image")


def _rows(catalog: Any, count: int) -> None:
    def fill(table: str, rows: Iterable[Row], defaults: str = "") -> list[str]:
        begun = time.perf_counter()
        made = [row["RID"] for batch in _batches(rows) for row in insert(catalog, table, batch, defaults)]
        tell(f"{len(made)} rows of {table}: {time.perf_counter() - begun:.0f} s")
        return made

    numbers = range(count)
    names = [f"Größe {n} – 样本" for n in numbers]
    terms = ({"Name": name, "Description": _text(n), "Synonyms": [f"{name}b"]} for n, name in enumerate(names))
    fill("lab:Finding", terms, ",ID,URI")
    subjects = fill("lab:Subject", ({"Name": names[n], "Notes": _text(n)} for n in numbers))
    fill("lab:Wide", ({f"Measure_{n}_of_the_first_visit": LONG[:1000] for n in range(200)} for _ in range(20)))
    images = fill("lab:Image", ({**_file(n, "png"), "Subject": subjects[n]} for n in numbers))
    work = {"Name": "Übung", "Description": LONG, "URL": "https://example.org/w.py", "Checksum": "1", "Version": "1"}
    workflows = fill("deriva-ml:Workflow", (work | {"Checksum": str(n)} for n in range(count // 10)))
    work = {"Workflow": workflows[0], "Status": "Uploaded", "Duration": "0H 1min 2.5sec"}
    told = ({**work, "Description": _text(n), "Status_Detail": _text(n)} for n in numbers)
    runs = fill("deriva-ml:Execution", told)
    nested = ({"Execution": runs[0], "Nested_Execution": rid, "Sequence": n} for n, rid in enumerate(runs[1:]))
    fill("deriva-ml:Execution_Execution", nested)
    datasets = fill("deriva-ml:Dataset", ({"Description": _text(n)} for n in numbers))
    fill(
        "deriva-ml:Dataset_Version", ({"Dataset": rid, "Version": "0.1.0", "Description": "First"} for rid in datasets)
    )
    fill("deriva-ml:Dataset_Dataset_Type", ({"Dataset": rid, "Dataset_Type": "Training"} for rid in datasets))
    inside = ({"Dataset": datasets[0], "Nested_Dataset": rid} for rid in datasets[1 : count // 100])
    fill("deriva-ml:Dataset_Dataset", inside)
    fill("lab:Dataset_Image", ({"Dataset": datasets[0], "Image": rid} for rid in images))
    fill("deriva-ml:Dataset_Execution", ({"Dataset": datasets[0], "Execution": rid} for rid in runs))
    fill("deriva-ml:Dataset_Execution", ({"Dataset": rid, "Execution": runs[0]} for rid in datasets[1 : count // 100]))
    values = (  # the last tenth has no label
        {"Image": rid, "Execution": runs[n], "Finding": names[n], "Feature_Name": "Diagnosis"}
        for n, rid in enumerate(images[: count * 9 // 10])
    )
    fill("lab:Execution_Image_Diagnosis", values)
    fill("lab:Image_Execution", ({"Image": rid, "Execution": runs[0], "Asset_Role": "Output"} for rid in images))
    fill("lab:Image_Execution", ({"Image": images[0], "Execution": rid, "Asset_Role": "Input"} for rid in runs[1:]))
    outputs = (_file(n, "json") | ({} if n % 100 else {"Filename": "receipt-tier2.json"}) for n in numbers)
    made = zip(fill("deriva-ml:Execution_Asset", outputs), [*runs[1:], runs[0]], strict=True)
    links = ({"Execution_Asset": rid, "Execution": run, "Asset_Role": "Output"} for rid, run in made)
    fill("deriva-ml:Execution_Asset_Execution", links)
    newer = {"Dataset": datasets[0], "Description": LONG, "Snapshot": catalog.get("/").json()["snaptime"]}
    fill("deriva-ml:Dataset_Version", (newer | {"Version": f"0.{n + 2}.0"} for n in range(count // 100)))


def _text(number: int) -> str:
    return LONG if number % 10 == 0 else f"Nr. {number}: Aufnahme, 第{number}号"


def _file(number: int, kind: str) -> Row:
    content = f"{number:032x}"
    return {
        "URL": f"/hatrac/lab/{kind}/{content}",
        "Filename": f"Aufnahme {number} 图像.{kind}",
        "Description": _text(number),
        "Length": number,
        "MD5": content,
    }


def calls(large: Large) -> Mapping[str, list[Row]]:
    """What each reading tool is called with."""
    configuration = {
        "workflow": large.workflow,
        "datasets": [{"rid": large.dataset, "version": "0.2.0"}] * 100,
        "assets": [large.image] * 100,
    }
    diagnosis = {"target_table": "Image", "feature_name": "Diagnosis"}
    whole = {"limit": 1000}
    return {
        "deriva_ml_bootstrap_status": [{}],
        "deriva_ml_list_receipts": [{}, {"verdict": "pass"}],
        "local_catalog_status": [{}],
        "list_schemas": [{}],
        "get_schema": [{"schema": "lab"}, {"schema": "deriva-ml"}],
        "get_table": [{"schema": "lab", "table": "Wide"}, {"table": "Image"}, {"table": "Finding"}],
        "get_entities": [
            {"schema": "lab", "table": "Subject"},
            {"schema": "lab", "table": "Subject", **whole},
            {"schema": "lab", "table": "Subject", "filters": {"Name": "Größe 50 – 样本"}},
            {"table": "Wide", **whole},
            {"table": "Execution"},
        ],
        "list_vocabularies": [{}],
        "list_vocabulary_terms": [{"schema": "lab", "table": "Finding"}, {"table": "Finding", **whole}],
        "deriva_ml_audit_provenance": [{}],
        "rag_index_schema": [{}],
        "rag_search": [{"query": "Größe 样本"}, {"query": "Aufnahme", "limit": 50}],
        "deriva_ml_list_features": [{}, {"table": "Image"}],
        "deriva_ml_get_feature": [diagnosis],
        "deriva_ml_list_feature_values": [
            diagnosis,
            diagnosis | whole,
            diagnosis | {"selector": "newest"},
            diagnosis | {"dataset_rid": large.dataset},
            diagnosis | {"execution_rids": [large.execution]},
            diagnosis | {"selector": "majority_vote", "dataset_rid": large.dataset},
            diagnosis | {"selector": "by_workflow", "selector_workflow": large.workflow},
            diagnosis | {"preflight_count": True},
        ],
        "deriva_ml_list_datasets": [{}, {"dataset_type": "Training", **whole}],
        "deriva_ml_get_dataset": [{"dataset_rid": large.dataset}],
        "deriva_ml_list_dataset_members": [{"dataset_rid": large.dataset}, {"dataset_rid": large.dataset, **whole}],
        "deriva_ml_list_dataset_element_types": [{}],
        "deriva_ml_bag_info": [{"dataset_rid": large.dataset}],
        "deriva_ml_list_cached_bags": [{}],
        "deriva_ml_denormalize_dataset": [
            {"dataset_rid": large.dataset},
            {"dataset_rid": large.dataset, "include_tables": ["Image", "Image_Diagnosis"], **whole},
            {"dataset_rid": large.dataset, "include_tables": ["Subject", "Image", "Image_Diagnosis", "Finding"]},
            {"dataset_rid": large.dataset, "preflight_count": True},
        ],
        "deriva_ml_validate_execution_configuration": [{"config": configuration}],
        "deriva_ml_get_execution": [{"execution_rid": large.execution}],
        "deriva_ml_list_executions": [{}, whole, {"workflow_rid": large.workflow, "status": "Uploaded"}],
        "deriva_ml_find_workflow_executions": [{"workflow_rid": large.workflow}],
        "deriva_ml_list_workflows": [{}, whole],
        "deriva_ml_list_execution_children": [
            {"execution_rid": large.execution},
            {"execution_rid": large.execution, "recurse": True},
        ],
        "deriva_ml_list_execution_parents": [{"execution_rid": large.execution}],
        "deriva_ml_lookup_lineage": [{"rid": large.dataset}, {"rid": large.execution}, {"rid": large.image}],
        "deriva_ml_lookup_asset": [{"asset_rid": large.image}],
        "deriva_ml_list_assets": [{}, {"table": "Image", **whole}, {"execution_rid": large.execution}],
    }


def examined(large: Large, project: Path, only: Iterable[str] | None = None) -> Iterator[Answered]:
    """Call every reading tool, and look at what it answers.

    Args:
        large: The catalog.
        project: The folder to work in.
        only: Names of tools; all where not given.
    """
    from deriva_ml_kit.tools.registry import Effect, tools  # noqa: PLC0415

    arguments = calls(large)
    place = {"hostname": large.hostname, "catalog_id": large.catalog_id}
    for tool in tools().values():
        if tool.effect is not Effect.READ or (only and tool.name not in only):
            continue
        for given in arguments[tool.name]:  # a tool that is not there has to be added
            named = place if "hostname" in tool.arguments.model_fields else {}
            yield from _paged(tool.name, given, named, project)


def _paged(tool: str, given: Row, place: Row, project: Path) -> Iterator[Answered]:
    from deriva_ml_kit.tools.invoke import call_of, invoke  # noqa: PLC0415

    cursor: Row = {}
    for page in range(1, PAGES + 1):
        begun = time.perf_counter()
        document = invoke(tool, given | cursor | place, call_of(tool, project)).document
        seconds = round(time.perf_counter() - begun, 2)
        size = len(json.dumps(document, ensure_ascii=False).encode())
        tokens = math.ceil(2 * size / BYTES_A_TOKEN)
        faults = faults_of(tool, document, seconds, tokens)
        answer = Answered(tool, given, page, seconds, size, tokens, _way_on(document), faults)
        tell(line(answer))
        yield answer
        if not document.get("next_cursor"):
            return
        cursor = {"cursor": document["next_cursor"]}


def faults_of(tool: str, document: Row, seconds: float, tokens: int) -> list[str]:
    """What is wrong with an answer."""
    longest = INDEXING_SECONDS if tool == "rag_index_schema" else MOST_SECONDS
    lost = (document.get("truncated") or document.get("shortened")) and not _way_on(document)
    found = {
        f"error: {document.get('error', {}).get('message')}": "error" in document,
        "too large": tokens > MOST_TOKENS,
        "too slow": seconds > longest,
        "no way on": lost,
    }
    return [fault for fault, there in found.items() if there]


def _way_on(document: Row) -> str:
    if document.get("next_cursor"):
        return f"cursor={document['next_cursor']}"
    return str(document.get("next_step") or "") if document.get("truncated") or document.get("shortened") else ""


def table(answers: list[Answered]) -> list[str]:
    """The answers as lines, and what is wrong with how many."""
    bad = [each for each in answers if each.faults]
    largest, slowest = (max(answers, key=lambda each: getattr(each, name)) for name in ("tokens", "seconds"))
    return [
        *map(line, answers),
        "",
        f"{len(answers)} answers of {len({each.tool for each in answers})} tools; "
        f"the largest {largest.tool} with {largest.tokens} tokens, the slowest {slowest.tool} with {slowest.seconds} s",
        *(f"WRONG {line(each)}" for each in bad),
    ]


def line(answer: Answered) -> str:
    """An answer as a line."""
    head = f"{answer.tool:42} {answer.page} {answer.seconds:6.2f} s {answer.size:6} bytes {answer.tokens:6} tokens"
    tail = "; ".join([answer.way_on[:60], *answer.faults]).strip("; ")
    return f"{head}  {json.dumps(answer.arguments, ensure_ascii=False)[:90]}  {tail}"


def insert(catalog: Any, table: str, rows: list[Row], defaults: str = "") -> list[Row]:
    """Store rows; their system columns, and a term's identifiers, are the server's."""
    return list(catalog.post(f"/entity/{table}?defaults=RID,RCT,RMT,RCB,RMB{defaults}", json=rows).json())


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def tell(text: str) -> None:
    """Say on stderr how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
