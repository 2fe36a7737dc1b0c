"""The search tools: on the clinic, and on a catalog that changes."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools import search
from deriva_ml_kit.tools.failure import Code
from deriva_ml_kit.tools.index.store import Store, index_file
from deriva_ml_kit.tools.invoke import call_of, invoke

pytestmark = pytest.mark.catalog

# What is asked of the clinic: what has to be among the first five.
GOLDEN = {
    "diagnosis of images": ["Diagnosis of Image"],
    "how sure is the diagnosis": ["Diagnosis of Image"],
    "low grade": ["low", "Diagnosis of Image", "Severity of Subject"],
    "grades": ["Grade"],
    "smokers": ["Subject.Smoker"],
    "aliases of a subject": ["Subject.Aliases"],
    "day of the observation": ["Observation.Day"],
    "datasets for training": ["Training dataset"],
    "split": ["Split dataset"],
    "evening run": ["evening"],
    "workflow that grades images": ["Grading"],
    "severty": ["Severity of Subject"],
    "clinic": ["clinic"],
    "dry run": ["execution-lifecycle: What a dry run does"],
    "warm the cache": ["manage-deriva-storage"],
}


def titles(answer: dict[str, Any]) -> list[str]:
    return [hit["title"] for hit in answer["hits"]]


def test_what_is_meant_is_among_the_first_five(ask: Any) -> None:
    missed = {}
    for query, meant in GOLDEN.items():
        found = titles(ask("rag_search", query=query, limit=5))
        if lost := [title for title in meant if not any(title in each for each in found)]:
            missed[query] = (lost, found)
    assert not missed


def test_every_hit_says_what_to_call_and_that_call_works(ask: Any, clinic: Any, tmp_path: Path) -> None:
    shown = {}
    for kind in search.SHOWN_BY:
        for hit in ask("rag_search", query="grade image dataset training subject evening clinic", doc_type=kind)[
            "hits"
        ]:
            if hit["doc_type"] == kind:
                shown[kind] = hit
    assert shown.keys() == search.SHOWN_BY.keys()
    for hit in shown.values():
        name, _, arguments = hit["next_call"].partition("(")
        given = eval(f"dict({arguments}", {"dict": dict})
        assert given["hostname"] == clinic.ml.host_name
        outcome = invoke(name, given, call_of(name, tmp_path))
        assert outcome.failure is None, (hit, outcome.failure)


def test_sections_of_guides_are_found_where_they_stand(ask: Any) -> None:
    hit = ask("rag_search", query="what a dry run does", doc_type="user-guide", limit=1)["hits"][0]
    page, _, line = hit["next_call"].removeprefix("Read ").rpartition(" from line ")
    assert Path(page).read_text(encoding="utf-8").splitlines()[int(line) - 1].lstrip("# ") in hit["title"]


def test_a_dataset_shows_its_version_and_types(ask: Any, clinic: Any) -> None:
    spec = clinic.datasets["nested"]
    hit = ask("rag_search", query=spec.rid)["hits"][0]
    assert (hit["doc_type"], hit["rid"]) == ("dataset", spec.rid)
    assert f"Version {spec.version}. Types: Split." in hit["text"]


@pytest.mark.parametrize(
    "query", ['"', "NEAR(", "a AND", "title: x*", "'; DROP TABLE document; --", "(((", "*", "ß∂", "名"]
)
def test_operators_are_just_text(ask: Any, query: str) -> None:
    assert ask("rag_search", query=query)["count"] >= 0


@pytest.mark.parametrize(
    "arguments", [{"query": ""}, {"query": "x", "limit": 0}, {"query": "x", "doc_type": "tabel"}, {}]
)
def test_bad_arguments_are_errors_as_data(refuse: Any, arguments: dict[str, Any]) -> None:
    assert refuse("rag_search", **arguments)["code"] == "bad_argument"


def test_an_index_that_is_up_to_date_is_left_alone(ask: Any) -> None:
    ask("rag_index_schema")
    answer = ask("rag_index_schema")
    assert (answer["status"], answer["rebuilt"]) == ("up_to_date", False)
    assert all(kind["added"] == kind["changed"] == kind["removed"] == 0 for kind in answer["kinds"].values())
    assert answer["kinds"]["dataset"]["unchanged"] == 6


def test_without_a_catalog_the_guides_are_searched(tmp_path: Path) -> None:
    outcome = invoke("rag_search", {"query": "dry run"}, call_of("rag_search", tmp_path))
    assert outcome.failure is None
    assert {hit["doc_type"] for hit in outcome.document["hits"]} == {"reference"}
    assert outcome.document["hostname"] is None
    refused = invoke("rag_index_schema", {}, call_of("rag_index_schema", tmp_path)).failure
    assert refused is not None and refused.code is Code.NO_CATALOG


def test_both_take_the_projects_catalog(clinic: Any, tmp_path: Path) -> None:
    project_of(tmp_path, clinic.ml.host_name, clinic.ml.catalog_id)
    indexed = invoke("rag_index_schema", {}, call_of("rag_index_schema", tmp_path))
    found = invoke("rag_search", {"query": "diagnosis"}, call_of("rag_search", tmp_path))
    assert indexed.document["catalog_id"] == found.document["catalog_id"] == str(clinic.ml.catalog_id)


def test_the_guides_are_searched_also_where_the_projects_catalog_cannot_be_reached(tmp_path: Path) -> None:
    project_of(tmp_path, "localhost:1", 1)
    found = invoke("rag_search", {"query": "dry run"}, call_of("rag_search", tmp_path))
    assert found.failure is None
    assert found.document["count"] and "localhost:1" in found.document["stale"][0]
    named = {"query": "dry run", "hostname": "localhost:1", "catalog_id": "1"}
    assert invoke("rag_search", named, call_of("rag_search", tmp_path)).failure, "not where the call names it"


def project_of(folder: Path, hostname: str, catalog_id: Any) -> None:
    file = folder / "src/configs/catalog.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"hostname": hostname, "catalog_id": str(catalog_id)}))


class Lab:
    """A catalog with a vocabulary of findings, that tests write to as others would."""

    def __init__(self, own: Any) -> None:
        from deriva.core import DerivaServer, get_credential  # noqa: PLC0415  (reads HOME)
        from deriva.core.ermrest_model import Table  # noqa: PLC0415

        self.ask, self.where = own, own.where
        hostname, number = self.where["hostname"], self.where["catalog_id"]
        server = DerivaServer("https", hostname, credentials=get_credential(hostname))
        self.catalog = server.connect_ermrest(number)
        self.model = self.catalog.getCatalogModel()
        if "Finding" not in self.model.schemas["lab"].tables:
            self.model.schemas["lab"].create_table(Table.define_vocabulary("Finding", "lab:{RID}"))

    def add(self, table: str, *rows: dict[str, Any]) -> list[str]:
        defaults = "RID,RCT,RMT,RCB,RMB" + (",ID,URI" if table == "lab:Finding" else "")
        return [row["RID"] for row in self.catalog.post(f"/entity/{table}?defaults={defaults}", json=list(rows)).json()]

    def terms(self, *names: str) -> list[str]:
        return self.add("lab:Finding", *({"Name": name, "Description": f"About {name}"} for name in names))

    def index(self) -> dict[str, Any]:
        return dict(self.ask("rag_index_schema")["kinds"])

    def found(self, query: str, **arguments: Any) -> list[str]:
        return titles(self.ask("rag_search", query=query, **arguments))


@pytest.fixture
def lab(own: Any) -> Lab:
    return Lab(own)


def changes(kind: dict[str, int]) -> tuple[int, int, int]:
    return kind["added"], kind["changed"], kind["removed"]


def test_only_what_changed_is_indexed(lab: Lab) -> None:
    lab.index()
    first, second, _ = lab.terms("keratitis", "uveitis", "scleritis")
    assert changes(lab.index()["term"]) == (3, 0, 0)
    lab.catalog.put("/attributegroup/lab:Finding/RID;Synonyms", json=[{"RID": first, "Synonyms": ["corneal ulcer"]}])
    assert changes(lab.index()["term"]) == (0, 1, 0)
    assert "keratitis" in lab.found("corneal ulcer")
    lab.catalog.delete(f"/entity/lab:Finding/RID={second}")
    assert changes(lab.index()["term"]) == (0, 0, 1)
    assert "uveitis" not in lab.found("uveitis")


def test_rows_that_went_and_came_at_once_are_noticed(lab: Lab) -> None:
    (gone,) = lab.terms("iritis")
    lab.index()
    lab.catalog.delete(f"/entity/lab:Finding/RID={gone}")
    lab.terms("blepharitis")
    assert changes(lab.index()["term"]) == (1, 0, 1)


def test_rows_that_were_missed_are_found(lab: Lab) -> None:
    missed, changed = lab.terms("canaliculitis", "dacryocystitis")
    lab.index()
    with Store(index_file(**lab.where)) as index:  # as if the clock had been wrong and a transaction late
        index.drop_row("lab:Finding", missed)
        index.db.execute("DELETE FROM document WHERE rid = ?", (missed,))
        index.db.execute("UPDATE document SET names = 'as it was' WHERE rid = ?", (changed,))
        index.db.execute("UPDATE row SET rmt = 'before' WHERE rid = ?", (changed,))
        index.db.execute("UPDATE source SET since = '2999-01-01T00:00:00+00:00'")
    lab.terms("orbital cellulitis")
    assert changes(lab.index()["term"]) == (2, 1, 0)
    assert "canaliculitis" in lab.found("canaliculitis")


def test_a_changed_schema_is_noticed(lab: Lab) -> None:
    from deriva.core.ermrest_model import Column, Table, builtin_types  # noqa: PLC0415

    lab.index()
    column = Column.define("TearFilm", builtin_types.text, comment="Break-up time in seconds")
    table = lab.catalog.getCatalogModel().schemas["lab"].create_table(Table.define("EyeExam", [column]))
    kinds = lab.index()
    assert (changes(kinds["table"]), changes(kinds["column"])) == ((1, 0, 0), (1, 0, 0))
    assert lab.found("tear film", limit=1) == ["EyeExam.TearFilm"]
    table.drop()
    kinds = lab.index()
    assert (changes(kinds["table"]), changes(kinds["column"])) == ((0, 0, 1), (0, 0, 1))


def test_the_terms_of_a_vocabulary_that_is_dropped_are_forgotten(lab: Lab) -> None:
    from deriva.core.ermrest_model import Table  # noqa: PLC0415

    table = lab.model.schemas["lab"].create_table(Table.define_vocabulary("Passing", "lab:{RID}"))
    lab.catalog.post("/entity/lab:Passing?defaults=ID,URI", json=[{"Name": "zoster", "Description": "A virus"}])
    assert "zoster" in lab.found("zoster")
    table.drop()
    assert "zoster" not in lab.found("zoster")


def test_datasets_follow_their_types_versions_and_deletion(lab: Lab) -> None:
    (rid,) = lab.add("deriva-ml:Dataset", {"Description": "Corneal scans", "Deleted": False})
    lab.add("deriva-ml:Dataset_Version", {"Dataset": rid, "Version": "0.9.0"})
    lab.index()
    lab.add("deriva-ml:Dataset_Version", {"Dataset": rid, "Version": "0.10.0"})
    lab.add("deriva-ml:Dataset_Dataset_Type", {"Dataset": rid, "Dataset_Type": "Testing"})
    assert changes(lab.index()["dataset"]) == (0, 1, 0)
    assert "Version 0.10.0. Types: Testing." in lab.ask("rag_search", query=rid)["hits"][0]["text"]
    lab.add("deriva-ml:Dataset_Dev", {"Dataset": rid, "Base_Version": "0.10.0", "Counter": 2})
    assert "Version 0.10.0.post1.dev2." in lab.ask("rag_search", query=rid)["hits"][0]["text"]
    lab.catalog.put("/attributegroup/deriva-ml:Dataset/RID;Deleted", json=[{"RID": rid, "Deleted": True}])
    assert changes(lab.index()["dataset"]) == (0, 0, 1)


def test_executions_follow_the_name_of_their_workflow(lab: Lab) -> None:
    work = {"Name": "Segment", "URL": "https://example.org/s.py", "Checksum": "1"}
    (workflow,) = lab.add("deriva-ml:Workflow", work)
    lab.add("deriva-ml:Execution", {"Workflow": workflow, "Description": "Second try"})
    assert "Second try" in lab.found("segment", doc_type="execution")
    lab.catalog.put("/attributegroup/deriva-ml:Workflow/RID;Name", json=[{"RID": workflow, "Name": "Outline"}])
    assert "Second try" in lab.found("outline", doc_type="execution")
    assert lab.found("segment", doc_type="execution") == []


def test_search_reads_what_is_new_unless_it_is_much(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.terms("pinguecula")
    assert "pinguecula" in lab.found("pinguecula")
    monkeypatch.setattr(search, "ROWS", 0)
    lab.terms("pterygium")
    answer = lab.ask("rag_search", query="pterygium")
    assert "pterygium" not in titles(answer)
    assert answer["stale"][0].startswith("lab:Finding: ")
    assert answer["next_step"].startswith("rag_index_schema(")
    lab.index()
    assert "pterygium" in lab.found("pterygium")


def test_a_search_does_not_wait_for_who_is_indexing(lab: Lab) -> None:
    lab.index()
    lab.terms("chalazion")
    with Store(index_file(**lab.where)) as other, other.writing(lambda: None, wait=True):
        answer = lab.ask("rag_search", query="chalazion")
    assert answer["stale"] == ["Another process is reading what is new in the catalog."]
    assert "chalazion" in lab.found("chalazion")


def test_a_cancelled_indexing_leaves_the_index_as_it_was(lab: Lab, tmp_path: Path) -> None:
    lab.index()
    lab.terms("hordeolum")
    stop = threading.Event()
    call = call_of("rag_index_schema", tmp_path, stop=stop, report=lambda *_: stop.set())
    failure = invoke("rag_index_schema", lab.where, call).failure
    assert failure is not None and failure.code is Code.CANCELLED
    with Store(index_file(**lab.where)) as index:
        assert index.db.execute("SELECT count(*) FROM document WHERE title = 'hordeolum'").fetchone() == (0,)
    assert changes(lab.index()["term"]) == (1, 0, 0)


def test_progress_only_grows(lab: Lab, tmp_path: Path) -> None:
    lab.terms("ectropion")
    told: list[float] = []
    call = call_of("rag_index_schema", tmp_path, report=lambda done, total, message: told.append(done))
    assert invoke("rag_index_schema", lab.where, call).failure is None
    assert told and told == sorted(set(told))


def test_calls_at_once_agree(lab: Lab) -> None:
    lab.terms("trachoma")
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda: answers.append(lab.found("trachoma"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert "trachoma" in lab.found("trachoma")


def test_another_catalog_of_the_same_name_and_number_starts_from_nothing(lab: Lab) -> None:
    (there,) = lab.terms("episcleritis")
    lab.index()
    with Store(index_file(**lab.where)) as index:  # as if it were of a catalog that was there before
        index.note("born", "2020-01-01T00:00:00+00:00")
        index.note("snaptime", "2XX-0000-0000")
        index.db.execute("UPDATE document SET title = 'of the other catalog' WHERE rid = ?", (there,))
    answer = lab.ask("rag_index_schema")
    assert answer["rebuilt"]
    assert "of the other catalog" not in lab.found("episcleritis")


def test_an_index_equals_one_made_from_nothing(lab: Lab) -> None:
    lab.index()
    with Store(index_file(**lab.where)) as index:
        grown = set(index.db.execute("SELECT key, title, names, body, uses FROM document"))
        index.clear(keep="")
        assert index.counts() == {}
    lab.index()
    with Store(index_file(**lab.where)) as index:
        assert set(index.db.execute("SELECT key, title, names, body, uses FROM document")) == grown
        index.db.execute("INSERT INTO text (text, rank) VALUES ('integrity-check', 1)")
