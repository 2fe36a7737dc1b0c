"""`deriva-local`: start, stop and look at the DERIVA host on this machine.

Exit codes: 0 done, 1 failed, 2 wrong usage. With `--json` the last line of standard output is one JSON object, on
failure `{"error": {"message": …}}`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from typing import Any

from deriva_local import daemon
from deriva_local.errors import Conflict, ServiceError
from deriva_local.files import read_json
from deriva_local.paths import DATA_DIR_VARIABLE, Paths

Command = Callable[[argparse.Namespace, Paths], int]

DESCRIPTION = """A DERIVA host on this machine: catalogs, object store and export over its own PostgreSQL, for this
machine's users alone. It answers at https://localhost:PORT; the unmodified clients of DERIVA work with it."""
START_HELP = """Start the host, detached, and log the current user in: its entries in ~/.deriva/credential.json and
~/.bdbag/keychain.json are written, no other is touched. A host that runs already is left as it is."""
ENV_HELP = """Print shell commands that make programs trust this host: eval "$(deriva-local env)"."""


def main(arguments: list[str] | None = None) -> int:
    """The command line. Gives the exit code."""
    options = _parser().parse_args(arguments)
    paths = Paths.of(options.data_dir)
    command: Command = options.command
    try:
        return command(options, paths)
    except ServiceError as error:
        message = error.message
    except OSError as error:
        message = f"{error.filename or paths.data_dir}: {error.strerror or error}"
    except KeyboardInterrupt:
        message = "interrupted"
    if getattr(options, "json", False):
        print(json.dumps({"error": {"message": message}}))
    print(f"deriva-local: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deriva-local", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text.partition(". ")[0].rstrip("."), description=text)
        added.add_argument(
            "--data-dir", metavar="DIR", help=f"where everything is kept (default: ${DATA_DIR_VARIABLE})"
        )
        added.set_defaults(command=command)
        return added

    start = add("start", _start, START_HELP)
    start.add_argument("--port", type=_port, help="default: that of last time; at first 8443, or the next free one")
    start.add_argument("--dsn", help="use this PostgreSQL server, whose role may create databases; it is remembered")
    start.add_argument("--foreground", action="store_true", help="do not detach; Ctrl-C stops")
    start.add_argument("--no-login", action="store_true", help="write no credentials")
    start.add_argument("--json", action="store_true", help="print what `status --json` prints")
    add("stop", _stop, "Stop the host and its PostgreSQL. Everything is kept.")
    status = add("status", _status, "Tell whether the host runs, and where.")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    add("env", _env, ENV_HELP)
    add("login", _login, "Log the current user in: write the entries that deriva and bdbag read.")
    reset = add("reset", _reset, "Stop the host and delete everything in it: catalogs, objects, users, certificates.")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError(text)
    return port


def _start(options: argparse.Namespace, paths: Paths) -> int:
    if options.foreground:
        return _run(options, paths)
    started = daemon.start(paths, options.port, options.dsn)
    if not options.no_login:
        _write_credentials(paths)
    _show(daemon.status(paths), options, "started" if started else "runs already")
    return 0


def _run(options: argparse.Namespace, paths: Paths) -> int:
    from deriva_local import serve  # noqa: PLC0415

    def ready() -> None:
        if not options.no_login:
            _write_credentials(paths)
        state = read_json(paths.state)
        print(f"deriva-local answers at https://localhost:{state['port']}; Ctrl-C stops it.", flush=True)

    serve.run(paths, options.port, options.dsn, ready)
    return 0


def _stop(options: argparse.Namespace, paths: Paths) -> int:
    print("Stopped." if daemon.stop(paths) else f"Nothing runs on {paths.data_dir}.")
    return 0


def _status(options: argparse.Namespace, paths: Paths) -> int:
    status = daemon.status(paths)
    _show(status, options, "runs" if status.running else "does not run")
    return 0


def _env(options: argparse.Namespace, paths: Paths) -> int:
    from deriva_local import tls  # noqa: PLC0415

    bundle = tls.ensure(paths.tls).bundle
    for name in tls.BUNDLE_VARIABLES:
        print(f"export {name}={shlex.quote(str(bundle))}")
    return 0


def _login(options: argparse.Namespace, paths: Paths) -> int:
    print(f"Logged in as {_write_credentials(paths)}.")
    return 0


def _reset(options: argparse.Namespace, paths: Paths) -> int:
    if not options.yes and not _confirmed(paths):
        print("Nothing was deleted.")
        return 1
    hostname, external = _hostname(paths), "dsn" in read_json(paths.config)
    if hostname:
        from deriva_local import credentials  # noqa: PLC0415

        credentials.log_out(hostname)
    daemon.reset(paths)
    print(f"Deleted what deriva-local kept in {paths.data_dir}.")
    if external:
        print("The databases deriva_local, deriva_template_… and catalog_… of the PostgreSQL of --dsn are still there.")
    return 0


def _confirmed(paths: Paths) -> bool:
    if not sys.stdin.isatty():
        raise SystemExit("deriva-local: reset deletes every catalog; confirm with --yes")
    return input(f"Delete every catalog and object in {paths.data_dir}? Type yes: ").strip() == "yes"


def _hostname(paths: Paths) -> str | None:
    port = read_json(paths.config).get("port")
    return f"localhost:{port}" if port else None


def _write_credentials(paths: Paths) -> str:
    """Log the operating system's user in as the host's own user."""
    from deriva_local import credentials  # noqa: PLC0415
    from deriva_local.auth import Accounts  # noqa: PLC0415

    hostname = _hostname(paths)
    if hostname is None:
        raise Conflict(f"There is no host in {paths.data_dir} yet. Run: deriva-local start")
    accounts = Accounts(paths.accounts)
    client = accounts.default_user(*credentials.system_user())
    credentials.log_in(accounts, client, hostname)
    return f"{client.display_name} at {hostname}"


def _show(status: daemon.Status, options: argparse.Namespace, what: str) -> None:
    if options.json:
        print(json.dumps(status.as_json()))
        return
    where = f" at {status.url} (pid {status.pid})" if status.running else ""
    lines: dict[str, Any] = {"data": status.data_dir, "log": status.log}
    if status.running:
        lines["catalogs"] = "no answer" if status.catalogs is None else ", ".join(status.catalogs) or "none yet"
        lines["trust"] = 'eval "$(deriva-local env)"'
    print(f"deriva-local {what}{where}")
    for name, value in lines.items():
        print(f"  {name:<9}{value}")


if __name__ == "__main__":
    sys.exit(main())
