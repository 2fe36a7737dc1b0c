from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from deriva_ml_kit.errors import Faults, KitError, UsageError
from deriva_ml_kit.ops.frames import read_frame
from deriva_ml_kit.ops.kinds import AssetType
from deriva_ml_kit.ops.operation import operation

LINE = {
    "request_id": "r1",
    "time": "2026-01-01T00:00:00Z",
    "model_rid": "1-AAAA",
    "features": {"age": 30, "time": "morning"},
    "prediction": "benign",
    "scores": {"benign": 0.9},
    "latency_ms": 1.5,
}


def test_a_csv_column_is_of_numbers_only_if_all_of_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "\ufeffcountry,age,code,word,flag\nNA,30,007,None,True\nDE,NaN,008,,False\n,31,009,x,True\n", encoding="utf-8"
    )
    batch = read_frame(file, text=["code"])
    assert batch.frame["country"].tolist()[:2] == ["NA", "DE"] and pd.isna(batch.frame["country"][2])
    assert batch.frame["age"].tolist()[::2] == [30.0, 31.0] and pd.isna(batch.frame["age"][1])
    assert batch.frame["code"].tolist() == ["007", "008", "009"]
    assert batch.frame["word"].tolist()[0] == "None" and pd.isna(batch.frame["word"][1])
    assert batch.frame["flag"].tolist() == [True, False, True]
    assert batch.origin.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (batch.origin.kind, batch.origin.name, batch.origin.rows) == ("file", "a.csv", 3)


def test_parquet_and_plain_json_lines_give_the_same_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": [1.5, None], "site": ["a", "b"]})
    duckdb.sql("SELECT * FROM frame").write_parquet(str(tmp_path / "a.parquet"))
    (tmp_path / "a.jsonl").write_text('{"age": 1.5, "site": "a"}\n\n{"age": null, "site": "b"}\n')
    for name in ("a.parquet", "a.jsonl"):
        pd.testing.assert_frame_equal(read_frame(tmp_path / name).frame, frame, check_dtype=False)


def test_a_prediction_log_is_features_and_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join(json.dumps(LINE | {"request_id": f"r{n}"}) for n in range(3)))
    batch = read_frame(file)
    assert batch.frame.columns.tolist() == ["age", "time"] and batch.frame["time"][0] == "morning"
    assert batch.log is not None and batch.log["request_id"].tolist() == ["r0", "r1", "r2"]
    assert batch.log["scores.benign"].tolist() == [0.9] * 3 and batch.log["time"][0].year == 2026


def test_every_wrong_line_is_told(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join(map(json.dumps, [LINE, LINE | {"latency_ms": "fast"}, {"request_id": "r3"}])))
    with pytest.raises(Faults) as refused:
        read_frame(file)
    assert {(fault.line, fault.column) for fault in refused.value.faults} >= {(2, "latency_ms"), (3, "features")}
    file.write_text('{"a": 1}\n[1]\n{')
    with pytest.raises(Faults) as refused:
        read_frame(file)
    assert {fault.line for fault in refused.value.faults} == {2, 3}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"a,b,a\n1,2,3\n", "same name: a"),
        ("a.csv", b"a,b\n1,2\n1,2,3,4\n", "line 3"),
        ("a.csv", b"a\n\xff\xfe\n", "not UTF-8"),
        ("a.parquet", b"no", "no Parquet"),
        ("a.xlsx", b"no", ".csv, .parquet, .jsonl"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=told):
        read_frame(tmp_path / name)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        read_frame(tmp_path / "none.csv")
    with pytest.raises(KitError, match="no bag"):
        read_frame(tmp_path)
    assert read_frame(_header_only(tmp_path)).origin.rows == 0


def _header_only(folder: Path) -> Path:
    file = folder / "header.csv"
    file.write_text("age,site\n")
    return file


@pytest.mark.catalog
def test_a_dataset_a_bag_and_an_asset_have_the_same_rows(hospital: Any, tmp_path: Path) -> None:
    ml, expected = hospital.ml, hospital.members(hospital.testing).sort_values("RID").reset_index(drop=True)
    rid, version = hospital.testing.split("@")
    batch = read_frame(hospital.testing, ml)
    assert (batch.origin.rid, batch.origin.version, batch.origin.tables) == (rid, version, ("Tumour",))
    assert batch.origin.snapshot and batch.origin.rows == len(expected)
    found = batch.frame.sort_values("RID").reset_index(drop=True)[expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)

    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415

    bag = ml.download_dataset_bag(DatasetSpec(rid=rid, version=version, materialize=False))
    sent = shutil.copytree(bag.path, tmp_path / bag.path.name)
    again = read_frame(sent)
    pd.testing.assert_frame_equal(again.frame, batch.frame)
    assert (again.origin.kind, again.origin.rid, again.origin.version) == ("bag", rid, version)
    assert sorted(tmp_path.iterdir()) == [sent]  # nothing was written beside it
    pd.testing.assert_frame_equal(read_frame(tmp_path, table="Tumour").frame, batch.frame)

    file = next(sent.rglob("Tumour.csv"))
    file.write_text(file.read_text().replace("benign", "malign"))
    with pytest.raises(KitError, match="damaged"):
        read_frame(sent)

    program = ("Logs", "Prediction", "deriva_ml_kit.ops.operation")
    with operation(ml, "Log", program=program) as doing:  # type: ignore[arg-type]
        doing.file("log.jsonl", AssetType.PREDICTION_LOG).write_text(json.dumps(LINE))
    stored = read_frame(doing.rids["log.jsonl"], ml)
    assert (stored.origin.kind, stored.origin.rid, stored.frame["age"].tolist()) == (
        "asset",
        doing.rids["log.jsonl"],
        [30],
    )

    with pytest.raises(UsageError, match="no version"):
        read_frame(f"{rid}@9.9.9", ml)
