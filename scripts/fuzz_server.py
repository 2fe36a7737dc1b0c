"""Send a model's server what it must survive: 10,000 requests, right, nearly right, broken, huge, many at a time.

    uv run python scripts/fuzz_server.py                       a server of its own, with scikit-learn's tumours
    uv run python scripts/fuzz_server.py --url http://127.0.0.1:8000    one that runs (its log gets all of it)

Requests follow from the seed and the schema that the server tells in /info. Right ones must be answered with 200, wrong
ones with 4xx and a reason, none with 5xx. Prints counts by kind and status, and the latency of right ones.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

UNICODE = ["ü", "\x00", "🙂", "\u202e", "a" * 10_000, "", "' OR 1=1", "../../etc", "\n", "NaN", "١٢", "\ufffe"]
VALUES: list[Any] = [
    None, True, "1", "", [], {}, [1.0], math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0, 10**30, 10**400,
    *UNICODE,
]  # fmt: skip
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        kind: What is wrong with it.
        body: What is sent.
        right: Whether it must be answered with 200; None where it may be.
        headers, path, method: As they are sent.
    """

    kind: str
    body: bytes
    right: bool | None = False
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    path: str = "/predict"
    method: str = "POST"


class Generator:
    """Requests for a schema."""

    def __init__(self, schema: dict[str, Any], seed: int) -> None:
        self.random = random.Random(seed)
        self.features = schema["$defs"]["Features"]["properties"]
        ways: list[tuple[int, Callable[[], Request]]] = [
            (40, self.good), (20, self.near), (8, self.many), (4, self.envelope), (12, self.broken), (6, self.bytes),
            (5, self.elsewhere), (3, self.nested), (1, self.too_many), (1, self.huge),
        ]  # fmt: skip
        self._ways = [way for weight, way in ways for _ in range(weight)]

    def __iter__(self) -> Iterator[Request]:
        while True:
            yield self.random.choice(self._ways)()

    def record(self) -> dict[str, Any]:
        return {name: self._value(about) for name, about in self.features.items()}

    def good(self) -> Request:
        unit = self.random.choice([None, f"S{self.random.randrange(1000)}", "🙂"])
        return Request("good", _json({"features": self.record(), "unit": unit}), right=True)

    def near(self) -> Request:
        record, name = self.record(), self.random.choice(list(self.features))
        way = self.random.randrange(4)
        if way == 0:
            del record[name]
        elif way == 1:
            record[self.random.choice(UNICODE) or "more"] = 1
        else:
            record[name] = self.random.choice(VALUES)
        return Request("near", _json({"features": record}), right=None if way > 1 else False)

    def many(self) -> Request:
        records = [{"features": self.record()} for _ in range(self.random.randrange(1, 40))]
        right: bool | None = True
        if self.random.random() < 0.5:
            chosen = self.random.choice(records)["features"]
            chosen[self.random.choice(list(self.features))] = self.random.choice(VALUES)
            right = None
        return Request("many", _json(records), right=right)

    def envelope(self) -> Request:
        name, value = self.random.choice(["unit", "request_id", "more"]), self.random.choice(VALUES)
        return Request("envelope", _json({"features": self.record(), name: value}), right=None)

    def broken(self) -> Request:
        body = bytearray(self.good().body)
        if self.random.random() < 0.5:
            return Request("broken", bytes(body[: self.random.randrange(len(body))]))
        for _ in range(self.random.randrange(1, 5)):
            body[self.random.randrange(len(body))] = self.random.randrange(256)
        return Request("broken", bytes(body), right=None)

    def bytes(self) -> Request:
        return Request("bytes", self.random.randbytes(self.random.randrange(300)))

    def nested(self) -> Request:
        deep = self.random.choice([50, 500, 50_000])
        opening, closing = self.random.choice([(b"[", b"]"), (b'{"features":', b"}")])
        return Request("nested", opening * deep + b"1" + closing * deep)

    def elsewhere(self) -> Request:
        path = self.random.choice(["/", "/predict/", "/predictions", "/%00", "/../x", "/predict?x=1" * 50, "/docs"])
        method = self.random.choice(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
        kind = self.random.choice(["text/plain", "application/xml", "application/json, x", "a" * 500])
        if self.random.random() < 0.5:
            return Request("type", self.good().body, headers={"Content-Type": kind})
        return Request("route", b"{}", path=path, method=method)

    def too_many(self) -> Request:
        return Request("too many", _json([{"features": self.record()}] * 1001))

    def huge(self) -> Request:
        return Request("huge", b'{"features": "' + b"x" * (9 * 2**20) + b'"}')

    def _value(self, about: dict[str, Any]) -> Any:
        seen = about.get("x-trained", {})
        if "levels" in seen:
            return self.random.choice(seen["levels"])
        kind = about.get("type") or next(each["type"] for each in about["anyOf"] if each["type"] != "null")
        if kind == "boolean":
            return self.random.random() < 0.5
        value = self.random.uniform(seen.get("low", 0.0), seen.get("high", 1.0))
        return {"number": value, "integer": round(value)}.get(kind, "text")


@dataclass
class Report:
    """What came of it.

    Attributes:
        counts: Kind, then status to requests; status 0 where the connection was lost.
        wrong: Requests that were answered otherwise than they must be.
        milliseconds: Of the right ones.
    """

    counts: dict[str, Counter[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Milliseconds that this share of the right requests took at most."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan

    @property
    def failed(self) -> int:
        """Answers of 5xx, and lost connections."""
        return sum(n for counts in self.counts.values() for status, n in counts.items() if status == 0 or status >= 500)

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": sum(sum(counts.values()) for counts in self.counts.values()),
            "failed": self.failed,
            "wrong": self.wrong[:20],
            "p50_ms": round(self.quantile(0.5), 2),
            "p99_ms": round(self.quantile(0.99), 2),
            "by_kind": {kind: dict(sorted(counts.items())) for kind, counts in sorted(self.counts.items())},
        }


def fuzz(url: str, requests: int, seed: int = 0, workers: int = 8) -> Report:
    """Send requests to a server, some at a time."""
    with urllib.request.urlopen(f"{url}/info", timeout=60) as answer:
        schema = json.load(answer)["schema"]
    report, lock = Report(), threading.Lock()
    source = iter(Generator(schema, seed))
    left = iter(range(requests))

    def work() -> None:
        place = urlsplit(url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        while True:
            with lock:
                if next(left, None) is None:
                    connection.close()
                    return
                request = next(source)
            began = time.perf_counter()
            status, body = _send(connection, request)
            taken = (time.perf_counter() - began) * 1000
            with lock:
                report.counts.setdefault(request.kind, Counter())[status] += 1
                if request.kind == "good":
                    report.milliseconds.append(taken)
                if (fault := _fault(request, status, body)) is not None:
                    report.wrong.append(f"{request.kind}: {status} {fault}: {request.body[:200]!r}")

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return report


def _send(connection: http.client.HTTPConnection, request: Request) -> tuple[int, bytes]:
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        # A body that is refused before it was sent to its end may end the connection with it.
        return (413, b'{"detail": ["-"]}') if request.kind == "huge" else (0, b"")


def _fault(request: Request, status: int, body: bytes) -> str | None:
    """What is wrong with an answer."""
    if status == 0 or status >= 500:
        return "failed"
    if request.right is not None and (status == 200) != request.right:
        return "must be answered" if request.right else "must be refused"
    try:
        content = json.loads(body)
    except ValueError:
        return "is no JSON"
    return None if status == 200 or content.get("detail") else "has no reason"


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()


@contextmanager
def server(folder: Path, *options: str) -> Iterator[str]:
    """A server of a folder's model in a process of its own; gives its address, and fails where it ends badly."""
    command = [sys.executable, "-m", "deriva_ml_kit.cli.ops.main", "serve", "--folder", str(folder), "--port", "0"]
    running = subprocess.Popen(
        [*command, "--log", str(folder / "log"), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    told: list[str] = []
    while not any("ready: " in line for line in told):
        line = running.stderr.readline()
        if not line or "not ready" in line:
            running.kill()
            raise RuntimeError("".join([*told, line]))
        told.append(line)
    threading.Thread(target=lambda: told.extend(running.stderr or ()), daemon=True).start()
    try:
        yield next(line.split()[-1] for line in told if "http://" in line)
    finally:
        running.terminate()
        if running.wait(60):
            raise RuntimeError("".join(told))


def main() -> int:
    """Fuzz, and say what came of it; 1 if anything was answered as it must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a server that runs; one of its own where not given")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=8)
    args = parser.parse_args()
    if args.url:
        report = fuzz(args.url, args.requests, args.seed, args.workers)
    else:
        from tumours import classifier, exported, tumours  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as folder:
            raw, _ = tumours()
            exported(Path(folder) / "model", classifier(), raw)
            with server(Path(folder) / "model") as url:
                report = fuzz(url, args.requests, args.seed, args.workers)
    print(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    return int(bool(report.wrong))


if __name__ == "__main__":
    raise SystemExit(main())
