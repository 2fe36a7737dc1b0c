"""Serving: throughput and latency against plain FastAPI in the same run, the price of a shadow, a server under fuzz."""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ops_bench.goal import Goal

HERE = Path(__file__).resolve()
SUPPORT = HERE.parents[2] / "tests" / "support"
FEW, MANY = 8, 32  # connections
Load = dict[str, float]


def goals(quick: bool) -> Iterator[Goal]:
    """Measure."""
    sys.path[:0] = [str(SUPPORT), str(HERE.parents[1])]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    os.environ["OMP_NUM_THREADS"] = "1"
    from fuzz_server import fuzz, server  # noqa: PLC0415
    from tumours import classifier, exported, tumours  # noqa: PLC0415

    from ops_bench._slow_model import Slow  # noqa: PLC0415

    rounds, seconds = (1, 1.0) if quick else (5, 4.0)
    raw, _ = tumours()
    with tempfile.TemporaryDirectory(prefix="serving-bench-") as name, ExitStack() as running:
        folder = Path(name)
        for each in ("ours", "shadowed"):
            exported(folder / each, classifier(), raw)
        exported(folder / "candidate", Slow(classifier()), raw, rid="1-SLOW")
        (folder / "split.json").write_text('{"salt": "bench", "shadow": true}')
        (folder / "body.json").write_text(json.dumps({"features": raw.iloc[0].to_dict()}))
        shadow = ("--candidate", str(folder / "candidate"), "--split", str(folder / "split.json"))
        urls = {
            "ours": running.enter_context(server(folder / "ours")),
            "shadowed": running.enter_context(server(folder / "shadowed", *shadow)),
            "plain": running.enter_context(plain(folder / "ours" / "model.joblib")),
        }
        found: dict[str, list[Load]] = {each: [] for each in urls}
        for url in urls.values():
            load(url, folder, 0.5)
        found["many"] = []
        for _ in range(rounds):  # in turn, so that what else the machine does falls on all of them
            for each, url in urls.items():
                found[each].append(load(url, folder, seconds))
            found["many"].append(load(urls["ours"], folder, seconds, MANY))
        yield from compared(found)
        yield from counted(urls["shadowed"])
        requests = 500 if quick else 10_000
        report = fuzz(urls["ours"], requests)
        yield Goal(
            "serving",
            f"{requests} fuzzed requests: 0 answers of 5xx, right ones answered, wrong ones refused with a reason",
            f"{report.failed} failed, {len(report.wrong)} wrong; p99 of right ones {report.quantile(0.99):.1f} ms",
            report.failed == 0 and not report.wrong,
        )


def compared(found: dict[str, list[Load]]) -> Iterator[Goal]:
    def median(which: Callable[[int], float]) -> float:
        return statistics.median(which(number) for number in range(len(found["ours"])))

    ours, plain_, shadowed, many = found["ours"], found["plain"], found["shadowed"], found["many"]
    rate, p99 = median(lambda n: many[n]["per_second"]), median(lambda n: many[n]["p99_ms"])
    other = sum(each["other"] for each in [*ours, *many])
    yield Goal(
        "serving",
        f">= 2000 requests/s and p99 <= 15 ms, {MANY} connections, one process",
        f"{rate:.0f}/s, p99 {p99:.1f} ms; {FEW} connections: {median(lambda n: ours[n]['per_second']):.0f}/s, "
        f"p99 {median(lambda n: ours[n]['p99_ms']):.1f} ms; not 200: {other:.0f}",
        rate >= 2000 and p99 <= 15 and not other,
    )
    ratio = median(lambda n: ours[n]["per_second"] / plain_[n]["per_second"])
    yield Goal(
        "serving",
        f"at least as fast as plain FastAPI - 10 %, with schema, log and counts, {FEW} connections",
        f"{ratio:.2f} times; plain {median(lambda n: plain_[n]['per_second']):.0f}/s, "
        f"p99 {median(lambda n: plain_[n]['p99_ms']):.1f} ms",
        ratio >= 0.9,
    )
    cost = median(lambda n: shadowed[n]["p99_ms"] / ours[n]["p99_ms"] - 1)
    yield Goal(
        "serving",
        "a shadow of 20 ms a call costs <= 10 % of p99",
        f"{cost:+.0%} of p99; requests/s "
        f"{median(lambda n: shadowed[n]['per_second'] / ours[n]['per_second'] - 1):+.0%}",
        cost <= 0.1,
    )


def counted(url: str) -> Iterator[Goal]:
    """What the shadow did not see is counted."""

    def metrics() -> dict[str, float]:
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {key: float(value) for key, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    end = time.monotonic() + 60
    while (now := metrics())["deriva_ml_shadow_waiting"] and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(0.5)  # the last call
    now = metrics()
    by_arm: dict[str, float] = {}
    for key, value in now.items():
        if arm := re.match(r'deriva_ml_predictions_total\{arm="(\w+)"', key):
            by_arm[arm[1]] = by_arm.get(arm[1], 0) + value
    dropped, seen, asked = now["deriva_ml_shadow_dropped_total"], by_arm.get("shadow", 0), by_arm["production"]
    yield Goal(
        "serving",
        "every record is seen by the shadow or counted as dropped",
        f"{asked:.0f} answered, {seen:.0f} seen, {dropped:.0f} dropped",
        seen + dropped == asked,
    )


def load(url: str, folder: Path, seconds: float, connections: int = FEW) -> Load:
    """Ask as fast as a number of clients can, from another process."""
    program = [sys.executable, str(HERE.parent / "_load.py"), f"{url}/predict", str(folder / "body.json")]
    ran = subprocess.run([*program, str(connections), str(seconds)], capture_output=True, text=True, check=True)
    found: Load = json.loads(ran.stdout)
    return found


@contextmanager
def plain(model: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running: Any = subprocess.Popen([sys.executable, str(HERE.parent / "_plain_server.py"), str(model), str(port)])
    try:
        while running.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()
