"""The command line against real servers: what is kept, what is found again, what is refused."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import requests

from deriva_local import loopback
from deriva_local.errors import Conflict
from deriva_local.pg import Cluster, postmaster

TRUST_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass
class Installation:
    """A data directory and a HOME of its own."""

    home: Path
    port: int

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    @property
    def credential_file(self) -> Path:
        return self.home / ".deriva" / "credential.json"

    @property
    def keychain_file(self) -> Path:
        return self.home / ".bdbag" / "keychain.json"

    @property
    def environment(self) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if name not in TRUST_VARIABLES}
        return others | {"HOME": str(self.home), "DERIVA_LOCAL_DATA_DIR": str(self.data_dir)}

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command; gives its output, standard error included."""
        command = [sys.executable, "-m", "deriva_local.cli", *arguments]
        done = subprocess.run(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def start(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("start", "--port", str(self.port), "--json", *arguments))
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json"))
        return found

    def token(self) -> str:
        found: str = json.loads(self.credential_file.read_text())[f"localhost:{self.port}"]["bearer-token"]
        return found

    def session(self, token: str | None = None) -> requests.Response:
        return requests.get(
            f"https://localhost:{self.port}/authn/session",
            headers={"Authorization": f"Bearer {token or self.token()}"},
            verify=str(self.data_dir / "tls" / "bundle.pem"),
            timeout=10,
        )


@pytest.fixture
def own(tmp_path: Path, new_port: Callable[[], int]) -> Iterator[Installation]:
    """For tests that start, stop and break things."""
    installation = Installation(tmp_path, new_port())
    yield installation
    installation.run("reset", "--yes")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, new_port: Callable[[], int]) -> Iterator[Installation]:
    """A running host, for tests that leave it running."""
    installation = Installation(tmp_path_factory.mktemp("up"), new_port())
    installation.start()
    yield installation
    installation.run("reset", "--yes")


def kill(pid: int) -> None:
    """`kill -9`, and wait until it has happened."""
    process = psutil.Process(pid)
    process.kill()
    with contextlib.suppress(psutil.TimeoutExpired):  # a zombie of somebody else's is as dead as it gets
        process.wait(10)


def postgres_pid(own: Installation) -> int:
    found = postmaster.find(Cluster(own.data_dir).pgdata)
    assert found is not None
    return found.pid


def test_a_started_host_answers_and_knows_the_user(up: Installation) -> None:
    found = up.start()
    assert found == up.status()
    assert found["running"] is True
    assert found["url"] == f"https://{found['hostname']}" == f"https://localhost:{up.port}"
    assert found["catalogs"] == []
    document = up.session().json()
    assert document["client"]["id"].startswith("https://localhost/users/")
    assert {"id": document["client"]["id"]} in document["attributes"]


def test_status_without_a_host_says_so(own: Installation) -> None:
    assert own.status()["running"] is False
    assert "does not run" in own.run("status")


def test_a_second_start_finds_the_first(up: Installation) -> None:
    first = up.start()
    token = up.token()
    assert up.start() == first
    assert up.token() == token
    assert "runs already" in up.run("start")


def test_two_starts_at_once_give_one_server(own: Installation) -> None:
    command = [sys.executable, "-m", "deriva_local.cli", "start", "--port", str(own.port), "--json"]
    both = [subprocess.Popen(command, env=own.environment, text=True, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert json.loads(outputs[0])["pid"] == json.loads(outputs[1])["pid"]


def test_starting_on_another_port_than_the_running_one_is_refused(up: Installation) -> None:
    output = up.run("start", "--port", "1", code=1)
    assert f"runs on port {up.port}" in output
    assert "deriva-local stop" in output


def test_the_port_stays_the_same_and_is_not_given_up_silently(own: Installation) -> None:
    own.start()
    own.run("stop")
    with socket.create_server(("127.0.0.1", own.port)):
        lines = own.run("start", "--json", code=1).splitlines()
    [output] = [json.loads(line) for line in lines if line.startswith("{")]
    assert f"Port {own.port}" in output["error"]["message"]
    assert json.loads(own.run("start", "--json"))["port"] == own.port


def test_a_port_in_use_is_named_with_the_way_out(own: Installation) -> None:
    with socket.create_server(("127.0.0.1", own.port)):
        output = own.run("start", "--port", str(own.port), code=1)
    assert f"Port {own.port} is in use" in output
    assert "--port" in output


def test_the_first_start_takes_the_next_port_when_the_usual_one_is_busy(
    new_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = new_port()
    monkeypatch.setattr(loopback, "DEFAULT_PORT", busy)
    with socket.create_server(("127.0.0.1", busy)):
        sockets = loopback.bind(None, None)
    ports = {bound.getsockname()[1] for bound in sockets}
    for bound in sockets:
        bound.close()
    assert len(ports) == 1
    assert busy < ports.pop() < busy + loopback.PORTS_TRIED


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::"])
def test_other_addresses_than_loopback_are_refused(address: str) -> None:
    with pytest.raises(Conflict, match="not a loopback address"):
        loopback.listen(address, 0)


def test_the_server_listens_on_loopback_only(up: Installation) -> None:
    pid = up.status()["pid"]
    listening = [c.laddr for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} <= set(loopback.ADDRESSES)
    assert {address.port for address in listening} == {up.port}


def test_data_and_logins_survive_stop_and_start(own: Installation) -> None:
    own.start()
    before = own.session().json()["client"]
    with psycopg.connect(Cluster(own.data_dir).dsn("deriva_local"), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert own.run("stop") == "Stopped.\n"
    assert own.status()["running"] is False
    assert not Cluster(own.data_dir).is_running()
    own.start()
    assert own.session().json()["client"] == before
    with psycopg.connect(Cluster(own.data_dir).dsn("deriva_local")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_after_kill_9_of_the_server_the_next_start_adopts_its_postgresql(own: Installation) -> None:
    first = own.start()
    database = postgres_pid(own)
    kill(first["pid"])
    assert own.status()["running"] is False
    second = own.start()
    assert second["pid"] != first["pid"]
    assert postgres_pid(own) == database
    assert own.session().ok


def test_after_kill_9_of_everything_the_next_start_recovers(own: Installation) -> None:
    server = own.start()["pid"]
    with psycopg.connect(Cluster(own.data_dir).dsn("deriva_local"), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    database = postgres_pid(own)
    kill(server)
    kill(database)
    own.start()
    with psycopg.connect(Cluster(own.data_dir).dsn("deriva_local")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_running_server_brings_its_killed_postgresql_back(own: Installation) -> None:
    own.start()
    first = postgres_pid(own)
    kill(first)
    deadline = time.monotonic() + 30
    while own.status()["catalogs"] is None:
        assert time.monotonic() < deadline
    assert postgres_pid(own) != first


def test_stop_also_ends_a_postgresql_whose_server_was_killed(own: Installation) -> None:
    kill(own.start()["pid"])
    assert own.run("stop") == "Stopped.\n"
    assert not Cluster(own.data_dir).is_running()
    assert own.run("stop").startswith("Nothing runs")


def test_the_server_outlives_a_killed_parent_and_its_terminal(up: Installation) -> None:
    server = up.status()["pid"]
    assert os.getsid(server) == server != os.getsid(0)


def test_in_the_foreground_an_interrupt_stops_everything(own: Installation) -> None:
    command = [sys.executable, "-m", "deriva_local.cli", "start", "--foreground", "--port", str(own.port)]
    with subprocess.Popen(command, env=own.environment, text=True, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert own.status()["url"] is None
        assert f"https://localhost:{own.port}" in server.stdout.readline()
        assert own.session().ok
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    assert not Cluster(own.data_dir).is_running()


def test_login_touches_no_other_entry_and_closes_the_files(own: Installation) -> None:
    others = {"example.org": {"cookie": "webauthn=x"}, "localhost:1": {"bearer-token": "y"}}
    chain = [{"uri": "https://example.org/", "auth_type": "cookie", "auth_params": {"cookies": ["a=b"]}}]
    for path, content in ((own.credential_file, others), (own.keychain_file, chain)):
        path.parent.mkdir()
        path.write_text(json.dumps(content))
        path.chmod(0o644)
    own.start()
    credentials = json.loads(own.credential_file.read_text())
    token = credentials.pop(f"localhost:{own.port}")["bearer-token"]
    assert credentials == others
    keychain = json.loads(own.keychain_file.read_text())
    assert keychain[:-1] == chain
    assert keychain[-1]["uri"] == f"https://localhost:{own.port}/"
    assert keychain[-1]["auth_params"]["token"] == token
    for path in (own.credential_file, own.keychain_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_broken_credential_file_is_named_and_left_as_it_is(own: Installation) -> None:
    own.credential_file.parent.mkdir()
    own.credential_file.write_text("{broken")
    output = own.run("start", "--port", str(own.port), code=1)
    assert str(own.credential_file) in output
    assert "Traceback" not in output
    assert own.credential_file.read_text() == "{broken"
    assert not own.keychain_file.exists()
    own.credential_file.unlink()


def test_without_login_no_credentials_are_written(own: Installation) -> None:
    own.start("--no-login")
    assert not own.credential_file.exists()
    assert not own.keychain_file.exists()
    own.run("login")
    assert own.session().ok


def test_a_lost_token_is_replaced_at_the_next_login(up: Installation) -> None:
    up.credential_file.write_text(json.dumps({f"localhost:{up.port}": {"bearer-token": "unknown"}}))
    up.run("login")
    assert up.session().ok


def test_env_makes_a_plain_client_trust_the_host(up: Installation) -> None:
    exports = up.run("env")
    program = f"import requests; print(requests.get('https://localhost:{up.port}/').status_code)"
    command = f'{exports}\n"{sys.executable}" -c "{program}"'
    done = subprocess.run(["sh", "-c", command], env=up.environment, capture_output=True, text=True, check=False)
    assert done.stdout == "404\n", done.stderr
    assert [line.split("=")[0] for line in exports.splitlines()] == [f"export {name}" for name in TRUST_VARIABLES]


def test_no_secret_is_in_the_logs_or_on_a_command_line(up: Installation) -> None:
    found = up.status()
    up.session()
    up.session("wrong-token")
    logs = "".join(path.read_text() for path in (up.data_dir / "logs").iterdir())
    assert up.token() not in logs
    assert "wrong-token" not in logs
    assert "dbname" not in " ".join(psutil.Process(found["pid"]).cmdline())


def test_an_external_postgresql_is_used_and_remembered_and_outlives_the_host(
    own: Installation, cluster: Cluster
) -> None:
    dsn = cluster.dsn("postgres")
    found = own.start("--dsn", dsn)
    assert not (own.data_dir / "postgres").exists()
    assert dsn not in " ".join(psutil.Process(found["pid"]).cmdline())
    assert stat.S_IMODE((own.data_dir / "config.json").stat().st_mode) == 0o600
    own.run("stop")
    assert json.loads(own.run("start", "--json"))["catalogs"] == found["catalogs"]
    own.run("stop")
    assert cluster.is_running()
    assert not (own.data_dir / "postgres").exists()
    assert "still there" in own.run("reset", "--yes")


@pytest.mark.parametrize(
    ("dsn", "complaint"),
    [("host=/nowhere password=geheim", "does not let us in"), ("geheim", "neither a libpq connection string")],
)
def test_an_external_postgresql_that_does_not_answer_is_reported_without_its_password(
    own: Installation, dsn: str, complaint: str
) -> None:
    output = own.run("start", "--port", str(own.port), "--dsn", dsn, code=1)
    assert complaint in output
    assert "geheim" not in output
    assert "Traceback" not in output


def test_reset_needs_a_yes_and_then_deletes_all_of_ours(own: Installation) -> None:
    own.start()
    (own.data_dir / "notes.txt").write_text("not ours")
    command = [sys.executable, "-m", "deriva_local.cli", "reset"]
    done = subprocess.run(command, env=own.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode != 0
    assert own.status()["running"] is True
    cluster = Cluster(own.data_dir).pgdata
    own.run("reset", "--yes")
    assert [path.name for path in own.data_dir.iterdir()] == ["notes.txt"]
    assert not cluster.exists()
    assert json.loads(own.credential_file.read_text()) == {}
    assert json.loads(own.keychain_file.read_text()) == []


def test_a_deleted_data_directory_is_begun_afresh(own: Installation) -> None:
    own.start()
    own.run("stop")
    Cluster(own.data_dir).destroy()
    shutil.rmtree(own.data_dir)
    own.start()
    assert own.session().ok


def test_the_data_directory_is_closed_to_other_users(up: Installation) -> None:
    assert stat.S_IMODE(up.data_dir.stat().st_mode) == 0o700


def test_no_mode_of_home_or_a_folder_above_changes(own: Installation, real_home: Path) -> None:
    watched = [real_home, *real_home.parents, own.home, *own.home.parents]
    before = {path: path.stat().st_mode for path in watched}
    own.start()
    assert {path: path.stat().st_mode for path in watched} == before


def test_a_page_of_another_site_cannot_talk_to_the_host(up: Installation) -> None:
    """A site can point its own name at 127.0.0.1; its requests carry that name."""
    context = ssl.create_default_context(cafile=str(up.data_dir / "tls" / "ca.pem"))
    connection = http.client.HTTPSConnection("localhost", up.port, timeout=10, context=context)
    connection.request("GET", "/authn/session", headers={"Host": "attacker.example", "Accept": "application/json"})
    response = connection.getresponse()
    assert response.status == 400
    assert "attacker.example" in json.load(response)["message"]
    connection.close()


@pytest.mark.parametrize("arguments", [["start", "--port", "0"], ["start", "--port", "x"], ["fly"], []])
def test_wrong_usage_ends_with_2(up: Installation, arguments: list[str]) -> None:
    assert "usage" in up.run(*arguments, code=2)
