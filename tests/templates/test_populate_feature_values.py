"""populate_feature_values.py: everything in the file is in the catalog once, or nothing is and every fault is named."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.catalog


def arguments(feature: str, csv: Path, target: str = "Image", workflow_type: str = "Annotation") -> list[str]:
    named = ["--workflow-type", workflow_type, "--target-table", target, "--feature-name", feature]
    return [*named, "--csv", str(csv), "--json"]


def write(project: Any, content: str | bytes, name: str = "labels.csv") -> Path:
    path: Path = project.folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values(gallery: Any, feature: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = gallery.rows(f"gallery:Execution_Image_{feature}")
    return sorted(tuple(row[column] for column in columns) for row in rows)


def test_every_kind_of_column_arrives_with_synonyms_resolved_and_the_file_recorded_as_input(
    gallery: Any, project: Any, masked_feature: str
) -> None:
    a, b, c = gallery.images[9:]  # not in a dataset of other tests, which would get the mask too
    csv = write(
        project,
        b"\xef\xbb\xbfImage,Diagnosis,Confidence,Readers,Checked,Seen,Mask,Note\r\n"
        + f'{a},normal,0.1,3,yes,2026-01-31,{gallery.masks[0]},"two\r\nlines, quoted"\r\n'.encode()
        + f"\r\n{b},Glaucoma,,,,,,\r\n,,,,,,,\r\n{c},POAG,1,-1,F,,,caf\u00e9\r\n".encode(),
    )
    done = project.run("populate", *arguments(masked_feature, csv))
    assert done.code == 0, done.err
    result = done.result
    assert (result["status"], result["rows"], result["added"], result["already_there"]) == ("added", 3, 3, 0)

    columns = ("Image", "Diagnosis", "Confidence", "Readers", "Checked", "Seen", "Mask", "Note", "Execution")
    rid = result["execution_rid"]
    assert values(gallery, masked_feature, *columns) == sorted(
        [
            (a, "Healthy", 0.1, 3, True, "2026-01-31", gallery.masks[0], "two\r\nlines, quoted", rid),
            (b, "Glaucoma", None, None, None, None, None, None, rid),
            (c, "Glaucoma", 1.0, -1, False, None, None, "caf\u00e9", rid),
        ]
    )
    [execution] = gallery.rows(f"deriva-ml:Execution/RID={rid}")
    assert execution["Status"] == "Completed"
    [link] = gallery.rows(f"deriva-ml:Execution_Asset_Execution/Execution={rid}")
    assert (link["Asset_Role"], link["Execution_Asset"]) == ("Input", result["source_rid"])
    [source] = gallery.rows(f"deriva-ml:Execution_Asset/RID={result['source_rid']}")
    assert (source["Filename"], source["Length"], source["MD5"]) == (
        "labels.csv",
        csv.stat().st_size,
        hashlib.md5(csv.read_bytes()).hexdigest(),
    )
    [kind] = gallery.rows(f"deriva-ml:Execution_Asset_Asset_Type/Execution_Asset={result['source_rid']}")
    assert kind["Asset_Type"] == "Input_File"


def test_running_the_same_file_again_changes_nothing(gallery: Any, project: Any, feature: str) -> None:
    rows = "".join(f"{rid},normal,0.{n}\n" for n, rid in enumerate(gallery.images))
    csv = write(project, "Image,Diagnosis,Confidence\n" + rows)
    assert project.run("populate", *arguments(feature, csv)).result["added"] == len(gallery.images)
    before = gallery.snaptime
    again = project.run("populate", *arguments(feature, csv))
    assert (again.code, again.result["status"], again.result["execution_rid"]) == (0, "already there", None)
    assert gallery.snaptime == before


def test_of_a_longer_file_only_what_is_missing_is_added_and_a_changed_value_is_a_new_one(
    gallery: Any, project: Any, feature: str
) -> None:
    a, b, c = gallery.images[:3]
    project.run("populate", *arguments(feature, write(project, f"Image,Diagnosis\n{a},Healthy\n{b},Healthy\n")))
    second = project.run(
        "populate", *arguments(feature, write(project, f"Image,Diagnosis\n{a},normal\n{b},Cataract\n{c},Healthy\n"))
    )
    assert (second.result["added"], second.result["already_there"]) == (2, 1)
    assert values(gallery, feature, "Image", "Diagnosis") == sorted(
        [(a, "Healthy"), (b, "Healthy"), (b, "Cataract"), (c, "Healthy")]
    )


def test_every_fault_is_named_with_its_line_before_anything_is_written(
    gallery: Any, project: Any, masked_feature: str
) -> None:
    a, b, c, d, e, f, g, h = gallery.images[:8]
    lines = {
        2: (f'{a},Glaucma,0.5,1,yes,2026-01-31,,"one\ntwo"', "Diagnosis", "did you mean 'Glaucoma'"),
        4: (f"{b},none,,,,,,", "Diagnosis", "synonym of Cataract and of Healthy"),
        5: (f"{c},,,,,,,", "Diagnosis", "required"),
        6: (f"{d},Healthy,high,,,,,", "Confidence", "not a number"),
        7: (f"{e},Healthy,,40000,,,,", "Readers", "does not fit"),
        8: (f"{f},Healthy,,,perhaps,,,", "Checked", "not true or false"),
        9: (f"{g},Healthy,,,,31.01.2026,,", "Seen", "YYYY-MM-DD"),
        10: (f"{h},Healthy,,,,,9-ZZZZ,", "Mask", "no Mask has the RID"),
        11: ("9-ZZZZ,Healthy,,,,,,", "Image", "no Image has the RID"),
        12: (f"{a},Healthy,,,,,,", "Image", "also on line 2"),
        13: (f"{gallery.masks[0]},Healthy,,,,,,", "Image", "no Image has the RID"),
        14: (f"{gallery.images[8]},Healthy", None, "2 cells where the header names 8"),
    }
    header = "Image,Diagnosis,Confidence,Readers,Checked,Seen,Mask,Note"
    csv = write(project, "\n".join([header, *(line for line, _, _ in lines.values())]) + "\n")
    before = gallery.snaptime
    done = project.run("populate", *arguments(masked_feature, csv))
    assert done.code == 2
    faults = done.result["error"]["faults"]
    assert [(fault["file"], fault["line"], fault.get("column")) for fault in faults] == [
        (str(csv), line, column) for line, (_, column, _) in lines.items()
    ]
    for fault, (_, _, words) in zip(faults, lines.values(), strict=True):
        assert words in fault["message"]
    assert gallery.snaptime == before


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "empty"),
        (b"Image,Diagnosis\n", 1, "no rows"),
        (b"Image,Diagnosis\n1-AAAA,caf\xe9\n", 2, "byte 26 (0xe9) is not UTF-8"),
        ("Image,Diagnosis\n".encode("utf-16"), 1, "UTF-16"),
        (b"Picture,Diagnosis\n1-AAAA,Healthy\n", 1, "no such column"),
        (b"Image;Diagnosis\n1-AAAA;Healthy\n", 1, "separated by ';'"),
        (b'Image,Diagnosis\n1-AAAA,"Healthy\n', 2, "never closed"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(
    project: Any, feature: str, content: bytes, line: int, words: str
) -> None:
    csv = write(project, content)
    done = project.run("populate", *arguments(feature, csv))
    assert done.code == 2
    fault = done.result["error"]["faults"][0]
    assert (fault["file"], fault["line"]) == (str(csv), line)
    assert words in fault["message"]


def test_people_read_the_faults_as_file_line_and_column_in_a_list_that_ends(
    project: Any, gallery: Any, feature: str
) -> None:
    csv = write(project, "Image,Diagnosis\n" + "".join(f"9-{n:04},Healthy\n" for n in range(200)))
    done = project.run("populate", *arguments(feature, csv)[:-1])
    assert (done.code, done.out) == (2, "")
    assert "200 faults found, nothing was written" in done.err
    assert f"{csv}:2: column Image: no Image has the RID 9-0000" in done.err
    assert len(done.err.splitlines()) < 60


def test_a_file_that_is_not_there_is_a_usage_error(project: Any, gallery: Any, feature: str) -> None:
    done = project.run("populate", *arguments(feature, project.folder / "nothing.csv"))
    assert done.code == 2
    assert "nothing.csv cannot be read: No such file" in done.result["error"]["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "Imag"}, "did you mean 'Image'"),
        ({"feature": "Findin"}, "Finding_"),
        ({"workflow_type": "Anotation"}, "did you mean 'Annotation'"),
        ({"workflow_type": "Zebra"}, "--create-workflow-type"),
    ],
)
def test_a_name_that_the_catalog_does_not_know_is_answered_with_the_nearest(
    project: Any, gallery: Any, feature: str, change: dict[str, str], words: str
) -> None:
    csv = write(project, f"Image,Diagnosis\n{gallery.images[0]},Healthy\n")
    before = gallery.snaptime
    done = project.run("populate", *arguments(**{"feature": feature, "csv": csv, **change}))
    assert done.code == 2
    assert words.casefold() in done.out.casefold()
    assert gallery.snaptime == before


def test_a_missing_workflow_type_is_added_if_that_is_asked_for(project: Any, gallery: Any, feature: str) -> None:
    csv = write(project, f"Image,Diagnosis\n{gallery.images[0]},Healthy\n")
    call = arguments(feature, csv, workflow_type=f"Type_of_{feature}")
    done = project.run("populate", *call, "--create-workflow-type")
    assert done.code == 0, done.err
    [term] = gallery.rows(f"deriva-ml:Workflow_Type/Name=Type_of_{feature}")
    assert term["Description"]


def test_a_dry_run_goes_the_whole_way_and_changes_nothing(project: Any, gallery: Any, feature: str) -> None:
    csv = write(project, f"Image,Diagnosis\n{gallery.images[0]},Healthy\n")
    before = gallery.snaptime
    for _ in range(3):
        done = project.run("populate", *arguments(feature, csv), "--dry-run")
        assert (done.code, done.result["status"], done.result["would_add"]) == (0, "dry run", 1), done.err
    assert gallery.snaptime == before


def test_uncommitted_changes_are_refused_unless_allowed(project: Any, gallery: Any, feature: str) -> None:
    csv = write(project, f"Image,Diagnosis\n{gallery.images[0]},Healthy\n")
    (project.folder / "draft.py").write_text("")
    refused = project.run("populate", *arguments(feature, csv))
    assert refused.code == 2
    assert "draft.py" in refused.result["error"]["message"]
    assert project.run("populate", *arguments(feature, csv), "--allow-dirty").result["added"] == 1


def test_other_column_names_are_mapped_in_the_marked_region(project: Any, gallery: Any, feature: str) -> None:
    mapping = 'COLUMNS: dict[str, str] = {"file": "Image", "label": "Diagnosis"}'
    project.edit("populate", lambda text: text.replace("COLUMNS: dict[str, str] = {}", mapping))
    csv = write(project, f"file,label\n{gallery.images[0]},Healthy\n")
    assert project.run("populate", *arguments(feature, csv)).result["added"] == 1


def test_a_run_killed_while_it_uploads_is_completed_by_the_same_command_without_duplicates(
    project: Any, gallery: Any
) -> None:
    rows = 30_000
    subjects = gallery.ml.pathBuilder.schemas["gallery"].tables["Subject"]
    rids = [
        row["RID"]
        for start in range(0, rows, 10_000)
        for row in subjects.insert([{"Name": f"S{n}"} for n in range(start, start + 10_000)])
    ]
    gallery.ml.create_feature("Subject", "State", terms=["Diagnosis"])
    csv = write(project, "Subject,Diagnosis\n" + "".join(f"{rid},Healthy\n" for rid in rids))
    call = arguments("State", csv, target="Subject")
    table = "Execution_Subject_State"

    running = project.start("populate", *call)
    while not (arrived := gallery.count(table, "gallery")) and running.poll() is None:
        time.sleep(0.03)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert 0 < arrived < rows, "the process was not killed in the middle"

    done = project.run("populate", *call)
    assert done.code == 0, done.err
    assert done.result["already_there"] + done.result["added"] == rows
    assert done.result["already_there"] >= arrived
    assert gallery.count(table, "gallery") == rows
    distinct = gallery.catalog.get(f"/aggregate/gallery:{table}/n:=cnt_d(Subject)").json()[0]["n"]
    assert distinct == rows
