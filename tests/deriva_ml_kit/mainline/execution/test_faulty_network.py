"""Commits over a network that drops, stalls, loses answers and says 503: nothing lost, nothing doubled, resumed."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path

import pytest
from deriva.core.hatrac_store import HatracStore

from deriva_ml_kit.mainline import DerivaML, DerivaMLUploadError
from deriva_ml_kit.mainline.catalog.transport import Limits
from deriva_ml_kit.mainline.execution import chunks, objects
from deriva_ml_kit.mainline.feature import staged

pytestmark = pytest.mark.catalog

FAST = Limits(pause_seconds=0.01, longest_pause_seconds=0.05, read_seconds=1.0, attempts=4)
FAULTS = ("drop", "lose", "stall", "cut", "unavailable", "bad_gateway")
MB = 2**20


@pytest.fixture
def connect(lab, faulty_host, tmp_path: Path):
    """A function that connects through the faulty network, as a program that starts anew does."""
    return lambda place="work": DerivaML(
        faulty_host.hostname, lab.catalog_id, working_dir=tmp_path / place, limits=FAST
    )


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(objects, "WHOLE_BYTES", MB)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", MB // 2)


def image_rids(ml, count: int) -> list[str]:
    made = [
        {"URL": f"/hatrac/none/{os.urandom(8).hex()}", "Filename": "x", "Length": 1, "MD5": "0"} for _ in range(count)
    ]
    return [row["RID"] for row in ml.pathBuilder.schemas["lab"].Image.insert(made)]


def run(ml, workflow, contents: dict[str, bytes], labels: int = 0):
    """An execution that has run and is to be committed."""
    label = ml.feature_record_class("Image", "Label")
    rids = image_rids(ml, labels) if labels else []
    with ml.create_execution(description="faulty network", workflow=workflow) as exe:
        for name, content in contents.items():
            Path(exe.asset_file_path("Image", name, Split="test")).write_bytes(content)
        if rids:
            exe.add_features(label(Image=rid, Digit="seven") for rid in rids)
    return exe


def complete(ml, exe_rid: str, contents: dict[str, bytes], labels: int = 0) -> None:
    """Every row is there exactly once, every object has one version and its content."""
    store = HatracStore("https", ml.host_name, ml.credential)
    links = ml.catalog.get(f"/entity/lab:Image_Execution/Execution={exe_rid}").json()
    assert Counter(link["Asset_Role"] for link in links) == Counter({"Output": len(contents)})
    rows = ml.catalog.get(f"/entity/E:=lab:Image_Execution/Execution={exe_rid}/A:=lab:Image").json()
    assert sorted(row["Filename"] for row in rows) == sorted(contents)
    for row in rows:
        assert len(ml.catalog.get(f"/entity/lab:Image/MD5={row['MD5']}").json()) == 1
        assert len(ml.catalog.get(f"/entity/lab:Image_Asset_Type/Image={row['RID']}").json()) == 1
        assert len(store.get(row["URL"].rpartition(":")[0] + ";versions").json()) == 1
        assert store.get(row["URL"]).content == contents[row["Filename"]]
    values = ml.catalog.get(f"/entity/lab:Execution_Image_Label/Execution={exe_rid}").json()
    assert len({value["Image"] for value in values}) == len(values) == labels
    (execution,) = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={exe_rid}").json()
    assert execution["Status"] == "Completed"


def some_files(count: int) -> dict[str, bytes]:
    return {f"{number} {os.urandom(3).hex()}.bin": os.urandom(50) for number in range(count)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_commit_survives_a_fault_of_each_of_its_requests(connect, workflow, faulty_host, fault) -> None:
    ml, contents = connect(), some_files(3)
    exe = run(ml, workflow, contents, labels=4)
    for request in (
        ("PUT", "/hatrac/"),
        ("GET", "lab:Image/MD5="),
        ("POST", "lab:Image.onconflict|lab:Image.defaults"),
        ("POST", "lab:Image_Execution"),
        ("POST", "lab:Image_Asset_Type"),
        ("POST", "Execution_Image_Label"),
        ("PUT", "attributegroup/deriva-ml:Execution"),
    ):
        faulty_host.fail(fault, *request)

    report = exe.commit_output_assets()

    assert (report.total_uploaded, report.total_failed, report.errors) == (7, 0, [])
    assert len(faulty_host.seen(outcome=fault)) == 7
    complete(ml, exe.execution_rid, contents, labels=4)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_network_where_every_fourth_request_fails(connect, workflow, faulty_host, seed, monkeypatch) -> None:
    monkeypatch.setattr(staged, "CHUNK_ROWS", 10)
    ml, contents = connect(), some_files(20) | {"large.bin": os.urandom(2 * MB + 7), "empty": b""}
    exe = run(ml, workflow, contents, labels=50)
    faulty_host.fail_at_random(seed, 0.25, ("drop", "lose", "cut", "unavailable", "bad_gateway"))

    for _ in range(5):
        try:
            exe.commit_output_assets()
            break
        except DerivaMLUploadError:
            exe = ml.resume_execution(exe.execution_rid)

    faulty_host.work()
    complete(ml, exe.execution_rid, contents, labels=50)


def test_an_execution_is_recorded_once_although_the_answer_was_lost(connect, workflow, faulty_host) -> None:
    faulty_host.fail("lose", "POST", "/entity/deriva-ml:Execution[?]")
    ml = connect()
    with ml.create_execution(description="recorded once", workflow=workflow) as exe:
        pass

    found = ml.catalog.get("/entity/deriva-ml:Execution/Description=recorded%20once").json()
    assert [row["RID"] for row in found] == [exe.execution_rid]


def test_a_host_that_is_gone_is_told_at_once_and_the_commit_is_completed_later(connect, workflow, faulty_host) -> None:
    ml, contents = connect(), some_files(40)
    exe = run(ml, workflow, contents, labels=2)
    faulty_host.fail("drop", "PUT", "/hatrac/", skip=10, times=None)

    with pytest.raises(
        DerivaMLUploadError, match=r"0 of 40 files are in the catalog.*given up after 4 attempts"
    ) as error:
        exe.commit_output_assets()
    assert error.value.report.total_failed == 40
    assert f"resume_execution('{exe.execution_rid}').commit_output_assets()" in str(error.value.remedy)
    assert len(faulty_host.seen("PUT", "/hatrac/", "drop")) <= 4 * 2 * FAST.workers

    faulty_host.work()
    again = connect()
    again.resume_execution(exe.execution_rid).commit_output_assets()
    complete(again, exe.execution_rid, contents, labels=2)


def test_a_large_file_goes_on_at_the_chunk_where_it_stopped(connect, workflow, faulty_host, small_chunks) -> None:
    contents = {"large.bin": os.urandom(4 * MB + 1)}  # nine chunks
    exe = run(connect(), workflow, contents)
    faulty_host.fail("drop", "PUT", ";upload/", skip=5, times=None)
    with pytest.raises(DerivaMLUploadError):
        exe.commit_output_assets()
    arrived = {seen.path for seen in faulty_host.seen("PUT", ";upload/", "passed")}
    assert len(arrived) == 5

    faulty_host.work()
    faulty_host.forget()
    ml = connect()
    ml.resume_execution(exe.execution_rid).commit_output_assets()

    sent = {seen.path for seen in faulty_host.seen("PUT", ";upload/")}
    assert len(sent) == 4
    assert not sent & arrived
    assert faulty_host.seen("POST", r";upload\?") == []
    complete(ml, exe.execution_rid, contents)


@pytest.mark.parametrize("fault", ["lose", "unavailable", "stall"])
def test_a_large_file_survives_a_fault_of_each_of_its_requests(
    connect, workflow, faulty_host, fault, small_chunks
) -> None:
    ml, contents = connect(), {"large.bin": os.urandom(2 * MB)}
    exe = run(ml, workflow, contents)
    faulty_host.fail(fault, "HEAD", "large.bin")
    faulty_host.fail(fault, "POST", r";upload\?")
    faulty_host.fail(fault, "PUT", ";upload/")
    faulty_host.fail(fault, "POST", ";upload/")

    exe.commit_output_assets()

    assert len(faulty_host.seen(outcome=fault)) == 4
    complete(ml, exe.execution_rid, contents)


KILLED = """
    import os, signal, sys
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.mainline.execution import chunks, objects
    objects.WHOLE_BYTES, chunks.CHUNK_BYTES = 2**20, 2**19
    ml = DerivaML(sys.argv[1], sys.argv[2], working_dir=sys.argv[3])
    exe = ml.resume_execution(sys.argv[4])
    steps = []
    def progress(step):
        steps.append(step)
        if step.bytes_completed >= 2**21:
            os.kill(os.getpid(), signal.SIGKILL)
    exe.commit_output_assets(progress_callback=progress)
"""


@pytest.mark.usefixtures("small_chunks")
def test_a_process_that_is_killed_in_a_large_file_is_continued_by_another(
    connect, lab, workflow, faulty_host, tmp_path
) -> None:
    contents = {"large.bin": os.urandom(6 * MB)}
    exe = run(connect(), workflow, contents)
    place = [faulty_host.hostname, lab.catalog_id, str(tmp_path / "work"), exe.execution_rid]
    state = exe._register.root / "execution.json"
    state.write_text(state.read_text().replace(f'"pid": {os.getpid()}', '"pid": 999999999'))
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), *place], check=False)
    assert killed.returncode == -signal.SIGKILL
    faulty_host.forget()

    ml = connect()
    report = ml.commit_pending_executions()

    assert report.total_uploaded == 1
    assert 0 < len(faulty_host.seen("PUT", ";upload/")) <= 8  # twelve, without those that had arrived
    complete(ml, exe.execution_rid, contents)


@pytest.mark.parametrize("size", [100, 2 * MB])
def test_two_programs_that_upload_the_same_content_at_once_make_one_asset(
    connect, workflow, small_chunks, size
) -> None:
    contents = {f"same {number}.bin": os.urandom(size) for number in range(3)}
    runs = [run(connect(place), workflow, contents) for place in ("one", "two")]
    failures: list[BaseException] = []

    def commit(exe) -> None:
        try:
            exe.commit_output_assets()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=commit, args=(exe,)) for exe in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    for exe in runs:
        complete(connect(), exe.execution_rid, contents)


def test_values_are_stored_once_although_answers_are_lost(connect, workflow, faulty_host, monkeypatch) -> None:
    monkeypatch.setattr(staged, "CHUNK_ROWS", 25)
    ml = connect()
    exe = run(ml, workflow, {}, labels=200)
    faulty_host.fail("lose", "POST", "Execution_Image_Label", skip=2, times=3)

    assert exe.commit_output_assets().total_uploaded == 200
    complete(ml, exe.execution_rid, {}, labels=200)


def test_values_whose_sending_broke_off_are_completed_by_the_next_commit(
    connect, workflow, faulty_host, monkeypatch
) -> None:
    monkeypatch.setattr(staged, "CHUNK_ROWS", 25)
    ml = connect()
    exe = run(ml, workflow, {}, labels=100)
    faulty_host.fail("lose", "POST", "Execution_Image_Label", skip=2, times=None)
    with pytest.raises(DerivaMLUploadError, match="given up after 4 attempts"):
        exe.commit_output_assets()

    faulty_host.work()
    connect().resume_execution(exe.execution_rid).commit_output_assets()
    complete(ml, exe.execution_rid, {}, labels=100)
