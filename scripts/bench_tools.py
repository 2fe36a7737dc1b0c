"""Measure `deriva-ml-mcp`: how soon it answers, what it weighs, and what many calls at a time gain.

    uv run python scripts/bench_tools.py [--calls 50] [--runs 5] [--json] [--command "uv run --project … deriva-ml-mcp"]

A `deriva-local` with two catalogs is started in a temporary folder, and removed again. The client is the SDK's. Times
of starts are medians, and stand beside what the same machine needs to import deriva_ml. The host works on the same
processors as the server: calls at once gain more where it is elsewhere. Figures of a busy machine are no figures: its
load is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import psutil
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

BESIDE = Path(sys.executable).parent
TOOL = "list_vocabularies"


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50, help="how many calls at a time (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="how often it is started (default: %(default)s)")
    parser.add_argument("--command", default=str(BESIDE / "deriva-ml-mcp"), help="how it is started")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON document")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-tools-") as folder:
        figures = measured(Path(folder), shlex.split(args.command), args.calls, args.runs)
    print(json.dumps(figures, indent=1) if args.json else table(figures))
    return 0


def measured(folder: Path, command: list[str], calls: int, runs: int) -> dict[str, Any]:
    """All figures, in seconds and megabytes."""
    load = [os.getloadavg()[0]]
    environment = os.environ | {
        "PATH": os.pathsep.join([str(BESIDE), os.environ["PATH"]]),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache/uv")),
        "HOME": str(folder / "home"),
        "DERIVA_LOCAL_DATA_DIR": str(folder / "local"),
    }
    (folder / "home").mkdir()
    (folder / "project").mkdir()
    local = json.loads(run(environment, "-m", "deriva_local.cli", "start", "--json"))
    try:
        places = [new_catalog(environment, local["hostname"], name) for name in ("one", "two")]
        starts = [anyio.run(started, command, environment, folder / "project") for _ in range(runs)]
        figures = {
            "start": {name: statistics.median(start[name] for start in starts) for name in starts[0]},
            "import_deriva_ml": min(seconds(lambda: run(environment, "-c", "import deriva_ml")) for _ in range(runs)),
            **anyio.run(worked, command, environment, folder / "project", places, calls),
        }
    finally:
        run(environment, "-m", "deriva_local.cli", "reset", "--yes")
    return {"calls": calls, "cpus": os.cpu_count(), "load": [*load, os.getloadavg()[0]], **figures}


async def started(command: list[str], environment: dict[str, str], project: Path) -> dict[str, float]:
    """From the start of the process until it is initialised and until it has listed its tools."""
    began = time.perf_counter()
    async with client(command, environment, project) as agent:
        initialised = time.perf_counter() - began
        await agent.list_tools()
        return {"initialised": initialised, "listed": time.perf_counter() - began}


async def worked(
    command: list[str], environment: dict[str, str], project: Path, places: list[dict[str, str]], calls: int
) -> dict[str, Any]:
    """The first call, later ones, and many: one after the other and at once, on two catalogs."""
    before = set(psutil.Process().children(recursive=True))
    async with client(command, environment, project) as agent:

        async def call(number: int) -> float:
            began = time.perf_counter()
            result = await agent.call_tool(TOOL, dict(places[number % len(places)]))
            assert not result.is_error, result.content
            return time.perf_counter() - began

        await agent.list_tools()
        idle = memory(before)
        first = await call(0)
        after = memory(before)
        await call(1)
        later = statistics.median([await call(number) for number in range(10)])
        began = time.perf_counter()
        for number in range(calls):
            await call(number)
        one_by_one = time.perf_counter() - began
        at_once = []
        for _ in range(2):  # the first time, connections are made for it
            began = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                for number in range(calls):
                    tasks.start_soon(call, number)
            at_once.append(time.perf_counter() - began)
        return {
            "call": {"first": first, "later": later},
            "many": {"one_by_one": one_by_one, "at_once": at_once[0], "at_once_again": at_once[1]},
            "memory": {"idle": idle, "after_the_first_call": after, "after_many": memory(before)},
        }


def client(command: list[str], environment: dict[str, str], project: Path) -> Client:
    """The SDK's client, with a server of its own."""
    program, *arguments = command
    return Client(stdio_client(StdioServerParameters(command=program, args=arguments, env=environment, cwd=project)))


def memory(before: set[psutil.Process]) -> float:
    """Resident megabytes of the processes that were started since."""
    new = set(psutil.Process().children(recursive=True)) - before
    return sum(process.memory_info().rss for process in new) / 1e6


def new_catalog(environment: dict[str, str], hostname: str, name: str) -> dict[str, str]:
    """A DerivaML catalog, as the arguments that name it."""
    make = (
        "import sys; from deriva_ml_kit.mainline import create_ml_catalog; "
        "print(create_ml_catalog(sys.argv[1], project_name=sys.argv[2]).catalog_id)"
    )
    return {"hostname": hostname, "catalog_id": run(environment, "-c", make, hostname, name).split()[-1]}


def run(environment: dict[str, str], *arguments: str) -> str:
    """What a Python program prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def table(figures: dict[str, Any]) -> str:
    """The figures for a person."""
    start, call, many, weight = (figures[name] for name in ("start", "call", "many", "memory"))
    unit = figures["import_deriva_ml"]

    def times(label: str, value: float) -> str:
        return f"{label:44}{value:8.2f} s {value / unit:8.2f} imports of deriva_ml"

    def gain(label: str, value: float) -> str:
        return f"{label:44}{value:8.2f} s {many['one_by_one'] / value:8.2f} times as fast"

    n = figures["calls"]
    lines = [
        times("started and initialised", start["initialised"]),
        times("started, initialised, tools listed", start["listed"]),
        times("the first call to a catalog", call["first"]),
        times("later calls", call["later"]),
        f"{n} calls one after the other{'':22}"[:44] + f"{many['one_by_one']:8.2f} s",
        gain(f"{n} calls at once", many["at_once"]),
        gain(f"{n} calls at once, again", many["at_once_again"]),
        *(f"{f'memory, {name}'.replace('_', ' '):44}{value:8.0f} MB" for name, value in weight.items()),
        f"{figures['cpus']} CPUs, load {figures['load'][0]:.1f} before and {figures['load'][1]:.1f} after.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
