"""Features of a catalog: as of the times of events, from one snapshot; offline and online the same."""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from deriva.core.ermrest_model import Column, ForeignKey, Table, builtin_types

from deriva_ml_kit.cli.ops import historical_features, materialize_features
from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.features import (
    FeatureDefinitions,
    FeatureStore,
    OnlineStore,
    assert_offline_is_online,
    get_historical_features,
    load_transform,
    materialize,
)
from deriva_ml_kit.ops.features import reading as reading_module
from deriva_ml_kit.ops.features.same import NotTheSame

pytestmark = pytest.mark.catalog

TEMPLATES = Path(__file__).parents[4] / "skills/ml-ops/scripts"

SIZE = {"name": "tumour:size", "table": "Measurement", "column": "Size", "event_time": "Measured_At"}
DEFINED = [
    SIZE,
    {**SIZE, "name": "tumour:note", "column": "Note", "skip_null": True},
    {**SIZE, "name": "tumour:fresh_size", "max_age_days": 20},
    {"name": "tumour:radius", "column": "mean_radius"},
    {"name": "tumour:grade", "feature": "Grade", "column": "Score"},
]
DEFINITIONS = FeatureDefinitions.model_validate({"entities": {"tumour": "Tumour"}, "features": DEFINED})
ALL = [feature.name for feature in DEFINITIONS.features]


def day(text: str) -> str:
    return f"2026-{text}T00:00:00+00:00"


@dataclass
class History:
    """What was written when.

    Attributes:
        ml: The catalog.
        tumours: RIDs of four tumours; the last has no measurement.
        at: Name of a step to when the catalog got it.
        rids: Name of a step to the RID of its row.
        pin: `RID@VERSION` of a dataset that was released after `backfill`, before `correction`.
    """

    ml: Any
    tumours: list[str]
    at: dict[str, pd.Timestamp] = field(default_factory=dict)
    rids: dict[str, str] = field(default_factory=dict)
    pin: str = ""

    def measure(self, step: str, tumour: int, held: str | None, size: float | None, note: str | None = None) -> None:
        row = {"Tumour": self.tumours[tumour], "Measured_At": held, "Size": size, "Note": note}
        [made] = self.ml.pathBuilder.schemas["hospital"].tables["Measurement"].insert([row])
        self.at[step], self.rids[step] = pd.Timestamp(made["RCT"]), made["RID"]

    def asked(self, *events: tuple[str, pd.Timestamp | str]) -> pd.DataFrame:
        times = pd.to_datetime(pd.Series([time for _, time in events], dtype=object), utc=True).dt.as_unit("us")
        return pd.DataFrame({"entity_id": [key for key, _ in events], "event_timestamp": times})


@pytest.fixture(scope="module")
def history(hospital: Any) -> History:
    ml = hospital.ml
    columns = [
        Column.define("Tumour", builtin_types.text),
        Column.define("Measured_At", builtin_types.timestamptz),
        Column.define("Size", builtin_types.float8),
        Column.define("Note", builtin_types.text),
        Column.define("Seen", builtin_types.timestamp),
    ]
    keys = [ForeignKey.define(["Tumour"], "hospital", "Tumour", ["RID"])]
    ml.create_table(Table.define("Measurement", column_defs=columns, fkey_defs=keys))
    ml.create_feature("Tumour", "Grade", metadata=[Column.define("Score", builtin_types.int4)])
    made = History(DerivaML(ml.host_name, ml.catalog_id, working_dir=ml.working_dir), hospital.rows["RID"][:4].tolist())
    made.measure("first", 0, day("01-01"), 1.0, "small")
    made.measure("other", 1, day("01-01"), 10.0)
    made.measure("second", 0, day("02-01"), 2.0)
    made.measure("backfill", 0, day("01-15"), 1.5)
    dataset = made.ml.lookup_dataset(hospital.training.partition("@")[0])
    dataset.mark_dev("Tumours were measured")
    made.pin = f"{dataset.dataset_rid}@{dataset.release('patch', 'As measured')}"
    made.measure("correction", 0, day("02-01"), 2.5, "grown")
    made.measure("void", 2, day("01-01"), None)
    with made.ml.create_execution(workflow=hospital.workflow("Feature_Creation"), description="Grade") as exe:
        record = made.ml.feature_record_class("Tumour", "Grade")
        exe.add_features([record(Tumour=made.tumours[0], Score=3), record(Tumour=made.tumours[3], Score=1)])
    exe.commit_output_assets()
    [row, _] = made.ml.catalog.get("/attribute/hospital:Execution_Tumour_Grade/RCT").json()
    made.at["graded"] = pd.Timestamp(row["RCT"])
    return made


def sizes(found: Any, name: str = "tumour:size") -> list[Any]:
    return [None if pd.isna(value) else value for value in found.frame[name]]


def test_the_call_of_the_seed_works_and_a_value_counts_from_when_it_was_known(history: History) -> None:
    at, (one, two, *_), just_before = history.at, history.tumours, pd.Timedelta(1, "us")
    events_df = history.asked(
        (one, at["first"]),
        (one, at["second"] - just_before),
        (one, at["second"]),
        (one, at["backfill"]),
        (one, at["correction"]),
        (two, at["correction"]),
        ("0-NONE", at["correction"]),
        (one, at["first"] - just_before),
    )
    feature_store = FeatureStore(history.ml, DEFINITIONS)
    features = feature_store.get_historical_features(entity_df=events_df, feature_refs=["tumour:size", "tumour:note"])
    assert sizes(features) == [1.0, 1.0, 2.0, 2.0, 2.5, 10.0, None, None]
    assert sizes(features, "tumour:note") == ["small"] * 4 + ["grown", None, None, None]
    pd.testing.assert_frame_equal(features.frame[["entity_id", "event_timestamp"]], events_df)


def test_values_written_later_are_kept_out_and_counted_unless_they_are_wanted(history: History) -> None:
    one = history.tumours[0]
    events = history.asked((one, day("01-20")), (one, history.at["second"] - pd.Timedelta(1, "us")))
    by_default = get_historical_features(history.ml, events, ["tumour:size"], definitions=DEFINITIONS)
    assert sizes(by_default) == [None, 1.0]
    (source,) = by_default.origin.sources
    assert source.kept_out == {"tumour:size": 2}
    assert "kept out of 2 events" in by_default.origin.warnings[0]
    leaking = get_historical_features(
        history.ml, events, ["tumour:size"], definitions=DEFINITIONS, late="include", as_of=history.at["correction"]
    )
    assert sizes(leaking) == [1.5, 2.5]
    assert leaking.origin.late == "include"
    assert "USED FOR 2 events" in leaking.origin.warnings[0]


def test_a_state_of_the_catalog_gives_the_same_answer_forever(history: History) -> None:
    one, late = history.tumours[0], history.at["correction"]
    events = history.asked((one, late), (one, history.at["second"]))
    ask = lambda as_of: get_historical_features(  # noqa: E731
        history.ml, events, ["tumour:size"], definitions=DEFINITIONS, as_of=as_of
    )
    before = [ask(as_of) for as_of in (history.pin, history.at["backfill"].isoformat(), history.at["backfill"])]
    assert [sizes(found) for found in before] == [[2.0, 2.0]] * 3
    assert before[0].origin.dataset == history.pin
    assert before[0].origin.after_snapshot == 1
    history.measure("again", 0, day("02-01"), 99.0)
    assert ask(history.pin).origin == before[0].origin
    assert sizes(ask(history.pin)) == [2.0, 2.0]
    assert ask(None).origin.after_snapshot == 0


def test_an_edited_row_is_reported_and_counts_from_its_edit_on(history: History) -> None:
    two, rid = history.tumours[1], history.rids["other"]
    events = history.asked((two, history.at["backfill"]))
    before = datetime.now(UTC)
    history.ml.catalog.put("/attributegroup/hospital:Measurement/RID;Size", json=[{"RID": rid, "Size": 11.0}])
    found = get_historical_features(history.ml, events, ["tumour:size"], definitions=DEFINITIONS)
    assert sizes(found) == [None]
    assert (found.origin.sources[0].edited, found.origin.sources[0].edited_rids) == (1, (rid,))
    assert "edited" in found.origin.warnings[0]
    then = get_historical_features(history.ml, events, ["tumour:size"], definitions=DEFINITIONS, as_of=before)
    assert sizes(then) == [10.0]
    assert not then.origin.sources[0].edited


def test_features_and_columns_of_the_catalog_need_no_definitions(history: History) -> None:
    one, last = history.tumours[0], history.at["graded"]
    events = history.asked((one, last), (one, last - pd.Timedelta(1, "us")), (history.tumours[1], last))
    found = get_historical_features(history.ml, events, ["Tumour:Grade", "Tumour:Label"])
    assert sizes(found, "Tumour:Grade") == [3, None, None]
    assert found.frame["Tumour:Label"].notna().all()
    assert str(found.frame["Tumour:Grade"].dtype) == "Int64"


def test_only_rows_and_columns_that_matter_are_read(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    paged = reading_module.paged

    def watched(catalog: Any, path: str, **options: Any) -> Any:
        asked.append(f"{path} {options['wanted']}")
        return paged(catalog, path, **options)

    monkeypatch.setattr(reading_module, "paged", watched)
    events = history.asked((history.tumours[1], day("01-20")), (history.tumours[3], day("01-21")))
    ask = lambda: get_historical_features(  # noqa: E731
        history.ml, events, ["tumour:size", "tumour:note", "tumour:radius"], definitions=DEFINITIONS
    )
    picked = ask()
    assert len(asked) == 2
    assert f"Tumour=any({history.tumours[1]},{history.tumours[3]})/Measured_At::leq::2026-01-21" in asked[0]
    assert "texture" not in asked[1]
    assert [source.rows for source in picked.origin.sources] == [1, 0]
    monkeypatch.setattr("deriva_ml_kit.mainline.catalog.rows.PATH_CHARACTERS", 1)
    assert ask().origin == picked.origin
    monkeypatch.setattr(reading_module, "PICKED", 0)
    pd.testing.assert_frame_equal(ask().frame, picked.frame)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"table": "Mesurement"}, "Mesurement"),
        ({"column": "Sise"}, "did you mean 'Size'"),
        ({"event_time": "Seen"}, "Seen is of type timestamp, which is no moment"),
        ({"table": "Dataset"}, "no column refers to it"),
        ({"where": {"Side": "left"}}, "no column 'Side'"),
        ({"tie_break": "Nr"}, "no column 'Nr'"),
    ],
)
def test_definitions_that_do_not_fit_the_catalog_are_refused(
    history: History, change: dict[str, Any], told: str
) -> None:
    wrong = FeatureDefinitions.model_validate({"entities": {"tumour": "Tumour"}, "features": [{**SIZE, **change}]})
    with pytest.raises(Faults, match=told):
        get_historical_features(history.ml, history.asked(), ["tumour:size"], definitions=wrong)


@pytest.mark.parametrize(
    ("as_of", "told"),
    [
        ("2026-01-01T00:00:00", "offset"),
        ("yesterday", "no moment"),
        (datetime.now(UTC) + timedelta(days=1), "still to come"),
        ("1-AAAA@1.0.0", "No dataset"),
    ],
)
def test_what_names_no_state_of_the_catalog_is_refused(history: History, as_of: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        get_historical_features(history.ml, history.asked(), ["Tumour:Label"], as_of=as_of)


def test_events_without_keys_or_with_plain_times_are_refused(history: History) -> None:
    events = history.asked((history.tumours[0], day("01-01")))
    with pytest.raises(UsageError, match="tumour_id or tumour or entity_id"):
        get_historical_features(
            history.ml, events.rename(columns={"entity_id": "who"}), ["tumour:size"], definitions=DEFINITIONS
        )
    plain = events.assign(event_timestamp=events["event_timestamp"].dt.tz_localize(None))
    with pytest.raises(Faults, match="without zone"):
        get_historical_features(history.ml, plain, ["tumour:size"], definitions=DEFINITIONS)


def test_tied_rows_are_refused_until_something_decides(history: History) -> None:
    rows = [{"Tumour": history.tumours[2], "Measured_At": day("03-01"), "Size": size} for size in (7.0, 8.0)]
    made = list(history.ml.pathBuilder.schemas["hospital"].tables["Measurement"].insert(rows))
    state = made[0]["RCT"]
    events = history.asked((history.tumours[2], state))
    try:
        with pytest.raises(Faults, match=history.tumours[2]):
            get_historical_features(history.ml, events, ["tumour:size"], definitions=DEFINITIONS)
        with pytest.raises(Faults, match=history.tumours[2]):
            materialize(history.ml, ["tumour:size"], Path("never.sqlite"), definitions=DEFINITIONS)
        assert not Path("never.sqlite").exists()
        decided = FeatureDefinitions.model_validate(
            {"entities": {"tumour": "Tumour"}, "features": [{**SIZE, "tie_break": "RID"}]}
        )
        found = get_historical_features(history.ml, events, ["tumour:size"], definitions=decided)
        assert sizes(found) == [max(made, key=lambda row: row["RID"])["Size"]]
    finally:
        for row in made:
            history.ml.catalog.delete(f"/entity/hospital:Measurement/RID={row['RID']}")


def test_a_table_of_features_tells_its_origin(history: History, tmp_path: Path) -> None:
    events = history.asked((history.tumours[0], history.at["correction"]), (history.tumours[3], day("01-01")))
    found = get_historical_features(history.ml, events, ALL, definitions=DEFINITIONS, as_of=history.at["graded"])
    found.write(tmp_path / "it's.parquet")
    with duckdb.connect() as connection:
        [(origin,)] = connection.execute(
            "SELECT value FROM parquet_kv_metadata(?) WHERE key = 'origin'", [str(tmp_path / "it's.parquet")]
        ).fetchall()
        back = connection.execute("SELECT * FROM read_parquet(?)", [str(tmp_path / "it's.parquet")]).df()
    assert json.loads(origin) == json.loads(found.origin.model_dump_json())
    assert back["tumour:size"].tolist()[0] == 2.5
    assert back["event_timestamp"].dt.tz_convert("UTC").tolist() == events["event_timestamp"].tolist()
    with pytest.raises(UsageError, match=r"neither \.parquet"):
        found.write(tmp_path / "features.xlsx")


@pytest.fixture
def made(history: History, tmp_path: Path) -> Callable[..., OnlineStore]:
    def make(as_of: Any = None, definitions: FeatureDefinitions = DEFINITIONS) -> OnlineStore:
        materialize(history.ml, ALL, tmp_path / "online.sqlite", definitions=definitions, as_of=as_of)
        return OnlineStore(tmp_path / "online.sqlite")

    return make


def test_offline_is_online(history: History, made: Callable[..., OnlineStore]) -> None:
    for as_of in (history.at["graded"], None):
        with made(as_of) as store:
            assert assert_offline_is_online(history.ml, store) == len(ALL) * 569


def test_values_that_are_not_the_catalogs_are_found(
    history: History, made: Callable[..., OnlineStore], tmp_path: Path
) -> None:
    made(history.at["graded"]).close()
    with sqlite3.connect(tmp_path / "online.sqlite") as connection:
        [(text,)] = connection.execute("SELECT content FROM latest WHERE key = ?", [history.tumours[0]])
        changed = {**json.loads(text), "size": [3.5, 0]}
        connection.execute("UPDATE latest SET content = ? WHERE key = ?", [json.dumps(changed), history.tumours[0]])
        connection.execute("DELETE FROM latest WHERE key = ?", [history.tumours[1]])
    connection.close()
    with OnlineStore(tmp_path / "online.sqlite") as store, pytest.raises(NotTheSame) as found:
        assert_offline_is_online(history.ml, store)
    wrong = {(fault.column, str(fault.value).partition(":")[0]) for fault in found.value.differences}
    assert wrong == {
        ("tumour:size", history.tumours[0]),
        ("tumour:size", history.tumours[1]),
        ("tumour:radius", history.tumours[1]),
    }


def test_a_reply_tells_the_state_and_the_age_of_its_values(history: History, made: Callable[..., OnlineStore]) -> None:
    one, now = history.tumours[0], datetime(2026, 2, 21, tzinfo=UTC)
    with made(history.at["graded"]) as store:
        reply = store.get_features(one, now=now)
        assert reply.values["tumour:size"] == reply.values["tumour:fresh_size"] == 2.5
        assert reply.age["tumour:size"] == timedelta(days=20).total_seconds()
        assert reply.as_of == history.at["graded"].to_pydatetime()
        later = store.get_features(one, ["tumour:fresh_size"], now=now + timedelta(microseconds=1))
        assert later.values == {"tumour:fresh_size": None}
        assert later.expired == ("tumour:fresh_size",)
        nobody = store.get_features(entity_id="0-NONE")
        assert not nobody.found
        assert set(nobody.values.values()) == {None}
        with pytest.raises(UsageError, match="tumour:sise"):
            store.get_features(one, ["tumour:sise"])


def test_a_new_store_takes_the_place_of_the_open_one(history: History, made: Callable[..., OnlineStore]) -> None:
    with made(history.at["graded"]) as store:
        assert store.get_features(history.tumours[0]).values["tumour:size"] == 2.5
        history.measure("newest", 0, day("04-01"), 4.0)
        made().close()
        reply = store.get_features(history.tumours[0])
        assert reply.values["tumour:size"] == 4.0
        assert reply.as_of >= history.at["newest"].to_pydatetime()
        assert not [file for file in store.file.parent.iterdir() if file != store.file]


def test_a_reply_takes_less_than_a_millisecond(history: History, made: Callable[..., OnlineStore]) -> None:
    with made(history.at["graded"]) as store:
        taken = []
        for _ in range(200):
            began = clock.perf_counter()
            store.get_features(history.tumours[0])
            taken.append(clock.perf_counter() - began)
    assert sorted(taken)[100] < 1e-3


@pytest.fixture
def typed(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A command of deriva-ml-ops in a folder that defines the features; gives its result."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features.json").write_text(DEFINITIONS.text())

    def run(command: Any, *arguments: str) -> dict[str, Any]:
        parser = argparse.ArgumentParser()
        command.add(parser.add_subparsers())
        name = command.__name__.rpartition(".")[2].replace("_", "-")
        where = ["--hostname", history.ml.host_name, "--catalog-id", str(history.ml.catalog_id)]
        args = parser.parse_args([name, *where, "--definitions", "features.json", *arguments])
        result: dict[str, Any] = args.main(args)
        return result

    return run


def test_the_command_keeps_a_table_that_comes_out_the_same_again(
    history: History, typed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    lines = [f"{history.tumours[0]},{history.at['correction'].isoformat()}", f"{history.tumours[1]},2026-01-20T00:00Z"]
    (tmp_path / "events.csv").write_text("\n".join(["tumour,when", *lines]))
    asked = ["--events", "events.csv", "--time", "when", "--features", "tumour:size@1,tumour:note"]
    dry = typed(historical_features, *asked, "--dry-run", "--out", "dry.csv")
    assert dry["with_a_value"] == {"tumour:size": 1, "tumour:note": 1}
    assert not Path("dry.csv").exists()
    done = typed(historical_features, *asked, "--out", "features.csv", "--as-of", history.at["graded"].isoformat())
    kept = history.ml.lookup_asset(done["table"])
    assert (kept.asset_types, kept.execution_rid) == (["Feature_Table"], done["execution"])
    with duckdb.connect() as connection:
        file = str(kept.download(tmp_path / "kept"))
        back = connection.execute("SELECT * FROM read_parquet(?)", [file]).df()
    assert back["tumour:size"].tolist()[0] == 2.5
    assert pd.read_csv("features.csv")["tumour:note"].tolist()[0] == "grown"
    again = typed(historical_features, *asked, "--as-of", done["as_of"], "--dry-run")
    same = ("snapshot", "as_of", "definitions", "with_a_value", "warnings")
    assert [again[name] for name in same] == [done[name] for name in same]

    renamed = DEFINITIONS.model_dump_json().replace('"column":"Note"', '"column":"Size"')
    (tmp_path / "features.json").write_text(FeatureDefinitions.model_validate_json(renamed).text())
    with pytest.raises(Faults, match="make it version 2"):
        typed(historical_features, *asked)


@pytest.mark.parametrize(
    ("events", "more", "told"),
    [
        ("tumour,event_timestamp\n1-AAAA,2026-01-20T00:00:00", [], "offset from UTC"),
        ("tumour,event_timestamp\n1-AAAA,soon", [], "soon"),
        ("tumour,at\n1-AAAA,2026-01-20T00:00Z", [], "no column event_timestamp"),
        ("tumour,event_timestamp\n", [], "no rows"),
        ("tumour,event_timestamp\n1-AAAA,2026-01-20T00:00Z", ["--key", "tumour"], "ENTITY=COLUMN"),
        ("tumour,event_timestamp\n1-AAAA,2026-01-20T00:00Z", ["--out", "x.xlsx"], "neither .parquet"),
        ("tumour,event_timestamp\n1-AAAA,2026-01-20T00:00Z", ["--as-of", "now"], "no moment"),
    ],
)
def test_the_command_refuses_what_cannot_be_meant(
    typed: Callable[..., dict[str, Any]], tmp_path: Path, events: str, more: list[str], told: str
) -> None:
    (tmp_path / "events.csv").write_text(events)
    with pytest.raises(UsageError, match=told):
        typed(historical_features, "--events", "events.csv", "--features", "tumour:size", *more)


def test_the_command_puts_a_store_in_its_place_once_it_is_the_same(
    history: History, typed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    asked = ["--features", ",".join(ALL), "--file", "online.sqlite"]
    dry = typed(materialize_features, *asked, "--dry-run")
    assert "2845 values compared" in dry["offline_is_online"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["features.json"]
    done = typed(materialize_features, *asked)
    with OnlineStore(Path("online.sqlite")) as store:
        assert store.snapshot == done["snapshot"]
        assert store.definitions.digest() == DEFINITIONS.digest()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["features.json", "online.sqlite"]
    assert history.ml.lookup_asset(done["asset"]).asset_types == ["Feature_Table"]


def test_the_templates_leave_tables_that_tell_their_origin(history: History, tmp_path: Path) -> None:
    """Both at once, each a program in a git repository, as people run them."""
    shutil.copytree(TEMPLATES, tmp_path / "src/scripts", ignore=shutil.ignore_patterns("[!fh]*", "__pycache__"))
    (tmp_path / "features.json").write_text(DEFINITIONS.text())
    identity = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Templates"]):
        subprocess.run([*identity, *arguments], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "events.csv").write_text(
        f"entity_id,event_timestamp\n{history.tumours[0]},{history.at['correction'].isoformat()}\n"
    )
    (tmp_path / "raw.csv").write_text("a,b,c\n1,x,0.5\n2,y,\n")
    where = ["--hostname", history.ml.host_name, "--catalog-id", str(history.ml.catalog_id), "--json", "--allow-dirty"]
    asked = {
        "features.py": ["--data", "raw.csv", "--dry-run"],
        "historical_features.py": ["--events", "events.csv", "--definitions", "features.json", "--features", ALL[0]],
    }
    started = {
        name: subprocess.Popen(
            [sys.executable, f"src/scripts/{name}", *where, "--workflow-type", "Feature_Creation", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, arguments in asked.items()
    }
    results = {}
    for name, process in started.items():
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        results[name] = json.loads(out)
    assert (results["features.py"]["rows"], results["features.py"]["features"]) == (2, ["a", "c"])
    assert results["features.py"]["transform"] == load_transform(TEMPLATES / "features.py").sha256
    outputs = history.ml.list_execution_assets(results["historical_features.py"]["execution"], "Output")
    kinds = {kind for asset in outputs for kind in asset.asset_types}
    assert {"Feature_Table", "Feature_Definitions"} <= kinds
