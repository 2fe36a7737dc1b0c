"""The embedded PostgreSQL: it starts, is found again, survives crashes, and touches nothing outside its folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deriva_local.errors import Unavailable
from deriva_local.pg import Cluster, binaries, postmaster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path / "data dir's")
    yield cluster
    cluster.destroy()


def ask(cluster: Cluster, query: str) -> object:
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def crash(cluster: Cluster) -> None:
    """`kill -9` of the postmaster; its children notice by themselves."""
    found = postmaster.find(cluster.pgdata)
    assert found is not None
    process = psutil.Process(found.pid)
    process.kill()
    process.wait(10)


def test_a_cluster_starts_in_a_folder_that_does_not_exist_yet(own: Cluster) -> None:
    own.start()
    assert own.is_running()
    assert ask(own, "SELECT current_setting('server_version')") == "16.14"


def test_commits_reach_the_disk_before_they_are_acknowledged(cluster: Cluster) -> None:
    assert ask(cluster, "SHOW fsync") == "on"
    assert ask(cluster, "SHOW synchronous_commit") == "on"
    assert ask(cluster, "SHOW full_page_writes") == "on"


def test_sorting_is_by_code_point_and_case_folding_knows_more_than_ascii(cluster: Cluster) -> None:
    assert ask(cluster, "SELECT 'Z' < 'a'") is True
    assert ask(cluster, "SELECT lower('ÄÖÜ')") == "äöü"


def test_data_survive_stop_and_start(own: Cluster) -> None:
    own.start()
    ask(own, "CREATE TABLE kept AS SELECT 42 AS answer")
    own.stop()
    assert not own.is_running()
    own.start()
    assert ask(own, "SELECT answer FROM kept") == 42


def test_a_committed_row_survives_kill_9(own: Cluster) -> None:
    own.start()
    ask(own, "CREATE TABLE kept (answer int)")
    ask(own, "INSERT INTO kept VALUES (42)")
    crash(own)
    own.start()
    assert ask(own, "SELECT answer FROM kept") == 42


def test_a_pid_that_now_belongs_to_another_program_does_not_stop_the_start(own: Cluster) -> None:
    own.start()
    crash(own)
    path = own.pgdata / "postmaster.pid"
    path.write_text(path.read_text().replace(path.read_text().splitlines()[0], str(os.getpid()), 1))
    own.start()
    assert own.is_running()


def test_a_second_cluster_object_on_the_folder_finds_the_running_server(own: Cluster) -> None:
    own.start()
    first = postmaster.find(own.pgdata)
    other = Cluster(own.data_dir)
    other.start()
    assert postmaster.find(other.pgdata) == first
    other.stop()
    assert not own.is_running()


def test_starting_from_many_threads_at_once_gives_one_server(own: Cluster) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            Cluster(own.data_dir).start()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ask(own, "SELECT 1") == 1


def test_the_server_outlives_the_process_that_started_it(own: Cluster) -> None:
    program = "import sys, pathlib, deriva_local.pg as pg; pg.Cluster(pathlib.Path(sys.argv[1])).start()"
    subprocess.run([sys.executable, "-c", program, str(own.data_dir)], check=True)
    assert ask(own, "SELECT 1") == 1


def test_after_the_data_directory_was_deleted_a_fresh_cluster_is_made(own: Cluster) -> None:
    own.start()
    ask(own, "CREATE TABLE gone ()")
    own.stop()
    shutil.rmtree(own.pgdata.parent)
    own.start()
    assert ask(own, "SELECT to_regclass('gone') IS NULL") is True


def test_restarting_brings_a_cluster_back_but_never_replaces_one_by_an_empty_one(own: Cluster) -> None:
    own.start()
    crash(own)
    own.restart()
    assert ask(own, "SELECT 1") == 1
    own.destroy()
    with pytest.raises(Unavailable, match="is gone"):
        own.restart()
    assert not own.pgdata.exists()


def test_a_server_that_cannot_start_is_reported_with_the_end_of_its_log(own: Cluster) -> None:
    own.start()
    own.stop()
    (own.pgdata / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(Unavailable, match="no_such_setting"):
        own.start()


def test_a_connection_string_for_a_stopped_server_says_how_to_start_it(own: Cluster) -> None:
    with pytest.raises(Unavailable, match="deriva-local start"):
        own.dsn("postgres")


def test_the_socket_is_out_of_reach_for_other_users_and_there_is_no_tcp(cluster: Cluster) -> None:
    found = postmaster.find(cluster.pgdata)
    assert found is not None
    assert stat.S_IMODE(found.socket_dir.stat().st_mode) == 0o700
    assert ask(cluster, "SHOW listen_addresses") == ""


def test_a_folder_whose_path_is_too_long_for_a_socket_works(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / ("long" * 30))
    cluster.start()
    try:
        assert ask(cluster, "SELECT 1") == 1
    finally:
        cluster.destroy()


def test_what_clients_send_is_not_in_the_log(own: Cluster) -> None:
    own.start()
    with pytest.raises(psycopg.errors.DivisionByZero):
        ask(own, "SELECT 'a-secret-value', 1/0")
    own.stop()
    log = (own.data_dir / "logs" / "postgres.log").read_text()
    assert "database system is shut down" in log
    assert "secret" not in log


def test_destroying_leaves_no_process_and_no_file(own: Cluster) -> None:
    own.start()
    found = postmaster.find(own.pgdata)
    home = own.pgdata.parent
    own.destroy()
    assert found is not None
    assert not postmaster.alive(found.pid)
    assert not home.exists()
    with pytest.raises(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(found.socket_dir / ".s.PGSQL.5432"))


def test_no_folder_above_the_data_directory_changes_its_mode(real_home: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = Cluster(closed / "data")
    watched = [real_home, *real_home.parents, closed, *closed.parents]
    before = {path: path.stat().st_mode for path in watched}
    cluster.start()
    cluster.destroy()
    assert {path: path.stat().st_mode for path in watched} == before


@as_root
def test_what_the_unprivileged_user_plants_does_not_lead_root_astray(own: Cluster, tmp_path: Path) -> None:
    """The cluster's folder belongs to a user that other services may share; root must not follow its links."""
    own.start()
    own.stop()
    precious = tmp_path / "precious"
    precious.write_text("1\n2\n3\n")
    (own.pgdata / "postmaster.pid").symlink_to(precious)
    (own.pgdata.parent / "run").rmdir()
    (own.pgdata.parent / "run").symlink_to(tmp_path)
    owner = tmp_path.stat().st_uid
    with contextlib.suppress(Unavailable, OSError):
        own.start()
    assert precious.read_text() == "1\n2\n3\n"
    assert tmp_path.stat().st_uid == owner


@as_root
def test_as_root_postgresql_runs_as_somebody_else(cluster: Cluster) -> None:
    assert cluster.pgdata.stat().st_uid == binaries.unprivileged_uid() != 0


@as_root
def test_an_ordinary_user_needs_no_folder_of_the_system(tmp_path: Path) -> None:
    """The same code without root: PostgreSQL runs as that user, with everything inside the data directory."""
    uid = binaries.unprivileged_uid()
    if not _may_execute(uid, binaries.wheel() / "pginstall" / "bin" / "postgres"):
        pytest.skip("another user cannot reach the wheel's programs")
    home = Path(tempfile.mkdtemp())  # unlike pytest's folders, below one that everybody may enter
    os.chown(home, uid, -1)
    try:
        assert _in_a_child_as(uid, lambda: _start_and_destroy(home / "data")) == 0
        assert not (home / "data" / "postgres").exists()
    finally:
        shutil.rmtree(home)


def _start_and_destroy(data_dir: Path) -> None:
    cluster = Cluster(data_dir)
    cluster.start()
    assert cluster.pgdata == data_dir / "postgres" / "data"
    assert ask(cluster, "SELECT 1") == 1
    cluster.destroy()


def _may_execute(uid: int, program: Path) -> bool:
    try:
        return (
            subprocess.run([program, "--version"], check=False, capture_output=True, **binaries.run_as(uid)).returncode
            == 0
        )
    except PermissionError:
        return False


def _in_a_child_as(uid: int, work: Callable[[], None]) -> int:
    """Run `work` in a forked child without root's rights (its modules may lie where only root can read)."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(pwd.getpwuid(uid).pw_gid)
            os.setuid(uid)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
