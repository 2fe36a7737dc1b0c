"""Features: the join against pandas, DuckDB and Feast, against every pair, and against what leaks; the online store.

A year of events and values, a million and five million of them, of 100,000 keys; 30 % of the values come late, by three
days on average. Times include what a caller waits for: frames in, a frame out, every check of types and ties.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from deriva_ml_kit.numerics.asof import AsOfJoin, as_of_join, columnar, duck, reference
from deriva_ml_kit.numerics.asof.columnar import Values
from ops_bench._features_anchor import make
from ops_bench.goal import Goal, seconds

SIZE, SMALL = (1_000_000, 5_000_000, 100_000), (100_000, 1_000_000, 10_000)
QUICK = (20_000, 100_000, 2_000)
HOUR = 3600
LABELS = {None: "plain", "known": "event time and known time"}


def goals(quick: bool) -> Iterator[Goal]:
    """Every goal of the section."""
    yield agreement(300 if quick else 5000)
    yield from speed(QUICK if quick else SIZE, quick=quick)
    yield feast(QUICK if quick else SMALL, quick=quick)
    yield lookup(2_000 if quick else 100_000)
    yield from catalog(500 if quick else 5_000)


def agreement(cases: int) -> Goal:
    """Random keys, ties, unknown keys and late rows."""
    random = np.random.default_rng(1)
    rows = wrong = 0
    for case in range(cases):
        n, m, keys, times = (int(random.integers(1, most)) for most in (60, 40, 6, 12))
        rank = random.permutation(n)
        values = Values(
            code=random.integers(0, keys, n),
            time=random.integers(0, times, n),
            known=random.integers(0, times, n) if case % 2 else None,
            tie_break=lambda asked, rank=rank: rank[asked],
            codes=keys,
        )
        code, at = random.integers(-1, keys, m), random.integers(-1, times + 1, m)
        expected = reference.rows_of(code, at, values)
        engines: list[Callable[..., Any]] = [columnar.rows_of, *([duck.rows_of] if case % 20 < 2 else [])]
        for engine in engines:
            rows += m
            wrong += int((engine(code, at, values) != expected).sum())
    goal = "agrees with brute force on random ties, unknown keys and late rows (numpy; DuckDB in every tenth case)"
    return Goal("features", goal, f"{rows - wrong} of {rows} rows in {cases} cases", wrong == 0)


def speed(size: tuple[int, int, int], *, quick: bool) -> Iterator[Goal]:
    """Plain and bitemporal, at stamps of a second and of an hour."""
    events, values = make(*size)
    joins = {known: _join(events, values, known) for known in (None, "known")}
    for known, limit in ((None, 1.0), ("known", 2.5)):
        taken, clock = _processor(lambda known=known: _join(events, values, known))
        alternatives = {"pandas merge_asof": _pandas, "DuckDB, ties removed": _duckdb} if known is None else {}
        ratios = [f"{seconds(lambda f=f: f(events, values), 1) / clock:.1f} x {n}" for n, f in alternatives.items()]
        if known:
            began = time.perf_counter()
            other = _join(events, values, known, "duckdb")
            same = bool((other.rows["user:spend"] == joins[known].rows["user:spend"]).all())
            ratio = (time.perf_counter() - began) / clock
            ratios.append(f"{ratio:.1f} x our DuckDB engine, answers {'the same' if same else 'DIFFER'}")
        goal = f"{size[0]:.0e} x {size[1]:.0e}, {LABELS[known]}: <= {limit} s"
        measured = f"{taken:.2f} s ({clock:.2f} s on the clock); as fast as {', '.join(ratios)}"
        yield Goal("features", goal, measured, taken <= limit)
    yield leaks(events, values, joins[None], joins["known"])
    events, values = make(*size, step=HOUR)
    for known, limit in ((None, 1.0), ("known", 2.5)):
        taken, clock = _processor(lambda known=known: _join(events, values, known))
        goal = f"the same with stamps of an hour (ties), {LABELS[known]}: <= {limit} s"
        yield Goal("features", goal, f"{taken:.2f} s ({clock:.2f} s on the clock)", taken <= limit)


def leaks(events: pd.DataFrame, values: pd.DataFrame, plain: AsOfJoin, bitemporal: AsOfJoin) -> Goal:
    """How many events get a value that nobody knew yet."""
    known, at = values["known"].to_numpy(), events["event_timestamp"].to_numpy()
    share = {}
    for name, join in (("plain", plain), ("bitemporal", bitemporal)):
        rows = join.rows["user:spend"]
        found = rows >= 0
        share[name] = float((known[rows[found]] > at[found]).sum() / len(at))
    goal = "no value that was known later, where 30 % of the values come late"
    measured = f"{share['bitemporal']:.2%} of the events leak; {share['plain']:.2%} by event time alone"
    return Goal("features", goal, measured, share["bitemporal"] == 0 < share["plain"])


def feast(size: tuple[int, int, int], *, quick: bool) -> Goal:
    """Feast's local store, which reads Parquet; so do we, for this."""
    goal = f"{size[0]:.0e} x {size[1]:.0e} at least 30 x as fast as Feast's local store"
    if not (scratch := os.environ.get("OPS_BENCH_SCRATCH")):
        return Goal("features", goal, "not measured: no --scratch interpreter", None)
    program = [scratch, "-W", "ignore", str(Path(__file__).with_name("_features_anchor.py")), *map(str, size)]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    if ran.returncode:
        why = (ran.stderr.strip().splitlines() or ["failed"])[-1][:200]
        return Goal("features", goal, f"not measured: {why}", None)
    theirs = json.loads(ran.stdout.strip().splitlines()[-1])
    events, values = make(*size)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        file = f"{folder}/values.parquet"
        connection.register("given", values)
        connection.execute(f"COPY given TO '{file}' (FORMAT parquet)")
        connection.execute("SET TimeZone = 'UTC'")

        def ours() -> AsOfJoin:
            read = connection.execute("SELECT * FROM read_parquet(?)", [file]).df()
            return _join(events, read, "known")

        taken, join = seconds(ours), ours()
    measured = (
        f"{theirs['seconds'] / taken:.0f} x ({theirs['seconds']:.1f} s against {taken:.2f} s with reading the Parquet; "
        f"rows that came back: {theirs['rows']} of {size[0]}, ours {len(join.frame)}; in order: "
        f"{'yes' if theirs['same_order'] else 'no'}, ours yes; Feast's peak {theirs['peak_mb']:.0f} MB)"
    )
    return Goal("features", goal, measured, theirs["seconds"] / taken >= 30 or (None if quick else False))


def lookup(entities: int) -> Goal:
    """Ten features of a key, of as many entities, while the file is watched for a newer one."""
    from deriva_ml_kit.ops.features.definitions import FeatureDefinitions  # noqa: PLC0415  (reads HOME)
    from deriva_ml_kit.ops.features.online import Materialized, OnlineStore, write_store  # noqa: PLC0415

    names = [f"f{number}" for number in range(10)]
    features = [{"name": f"user:{name}", "column": name, "max_age_days": 400} for name in names]
    definitions = FeatureDefinitions.model_validate({"features": features})
    now = datetime.now(UTC)
    made = Materialized("1@2TA", now, None, definitions, 0, {"user": entities})
    content = {
        (f"{number // 10_000}-{number % 10_000:04d}", "user"): {
            name: [number / 7, 1_750_000_000_000_000] for name in names
        }
        for number in range(entities)
    }
    keys = [key for key, _ in content]
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "online.sqlite"
        write_store(file, made, {feature["name"]: "float8" for feature in features}, content)
        with OnlineStore(file) as store:
            taken = []
            for number in random.integers(0, entities, 20_000):
                began = time.perf_counter()
                store.get_features(keys[number])
                taken.append(time.perf_counter() - began)
    p50, p99 = (float(np.quantile(taken, share)) * 1e6 for share in (0.5, 0.99))
    measured = f"p50 {p50:.0f} µs, p99 {p99:.0f} µs; ten features of one of {entities:,} entities"
    return Goal("features", "online lookup p50 < 1 ms", measured, p50 < 1000)


def catalog(entities: int) -> Iterator[Goal]:
    """Values of a catalog on this machine, in a process of its own: a login is found when deriva is imported."""
    code = f"from ops_bench.features import in_catalog; in_catalog({entities})"
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    for found in json.loads(subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], env=here, text=True)):
        yield Goal(**found)


def in_catalog(entities: int) -> None:
    """Ten values of each entity; online compared with offline, and asked twice. Prints the goals as JSON."""
    from own_host import own_host  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, own_host(Path(folder)) as hostname:
        print(json.dumps([asdict(goal) for goal in _in_catalog(hostname, entities, Path(folder) / "online.sqlite")]))


def _in_catalog(hostname: str, entities: int, file: Path) -> Iterator[Goal]:
    from deriva.core.ermrest_model import Column, ForeignKey, Schema, Table, builtin_types  # noqa: PLC0415

    from deriva_ml_kit.mainline import DerivaML, create_ml_catalog  # noqa: PLC0415
    from deriva_ml_kit.ops.features import (  # noqa: PLC0415
        FeatureDefinitions,
        OnlineStore,
        assert_offline_is_online,
        get_historical_features,
        materialize,
    )

    made = create_ml_catalog(hostname, project_name="bench")
    schema = made.getCatalogModel().create_schema(Schema.define("bench"))
    schema.create_table(Table.define("User", [Column.define("Name", builtin_types.text)]))
    columns = [
        Column.define("User", builtin_types.text),
        Column.define("At", builtin_types.timestamptz),
        Column.define("Spend", builtin_types.float8),
    ]
    schema.create_table(
        Table.define("Spending", columns, fkey_defs=[ForeignKey.define(["User"], "bench", "User", ["RID"])])
    )
    ml = DerivaML(hostname, made.catalog_id)
    tables = ml.pathBuilder.schemas["bench"].tables
    users = [row["RID"] for row in _inserted(tables["User"], [{"Name": str(n)} for n in range(entities)])]
    random = np.random.default_rng(3)
    stamps = pd.to_datetime(1_700_000_000 + random.permutation(entities * 10), unit="s", utc=True)
    rows = [
        {"User": users[number % entities], "At": stamp.isoformat(), "Spend": float(random.normal())}
        for number, stamp in enumerate(stamps)
    ]
    last = _inserted(tables["Spending"], rows)[-1]["RCT"]
    feature = {"name": "user:spend", "table": "Spending", "column": "Spend", "event_time": "At"}
    definitions = FeatureDefinitions.model_validate({"features": [feature]})
    began = time.perf_counter()
    materialize(ml, ["user:spend"], file, definitions=definitions)
    taken = time.perf_counter() - began
    with OnlineStore(file) as store:
        compared = assert_offline_is_online(ml, store)
    measured = f"{compared} values compared, no difference; {len(rows)} rows read and the store made in {taken:.1f} s"
    yield Goal("features", "offline as of the snapshot = online, row by row", measured, compared == entities)
    events = pd.DataFrame({"user_id": users, "event_timestamp": pd.Timestamp(last).as_unit("us")})
    one = get_historical_features(ml, events, ["user:spend"], definitions=definitions)
    tables["Spending"].insert([{**rows[0], "Spend": 0.0}])
    again = get_historical_features(ml, events, ["user:spend"], definitions=definitions, as_of=one.origin.as_of)
    same = one.frame.equals(again.frame) and one.origin.sources == again.origin.sources
    measured = f"{len(events)} events of {len(rows)} rows: {'the same' if same else 'NOT the same'} after a later write"
    yield Goal("features", "the same snapshot gives the same table again", measured, same)


def _inserted(table: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for start in range(0, len(rows), 5000) for row in table.insert(rows[start : start + 5000])]


def _processor(work: Callable[[], Any], runs: int = 3) -> tuple[float, float]:
    """Medians of seconds of processor time and on the clock, without the first run: it uses memory that nobody had."""
    work()
    taken = []
    for _ in range(runs):
        began, clock = time.process_time(), time.perf_counter()
        work()
        taken.append((time.process_time() - began, time.perf_counter() - clock))
    processor, clocks = np.median(taken, axis=0)
    return float(processor), float(clocks)


def _join(events: pd.DataFrame, values: pd.DataFrame, known: str | None, engine: Any = None) -> AsOfJoin:
    return as_of_join(
        events,
        values,
        entity="user",
        features=["spend"],
        key="user",
        time="event_timestamp",
        event_time="held",
        known_time=known,
        tie_break="number",
        engine=engine,
    )


def _pandas(events: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    return pd.merge_asof(
        events.sort_values("event_timestamp"),
        values[["user", "held", "spend"]].sort_values("held"),
        left_on="event_timestamp",
        right_on="held",
        by="user",
    )


def _duckdb(events: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """ASOF JOIN of one value for each key and time, from frames to a frame."""
    with duckdb.connect() as connection:
        connection.register("events", events.reset_index())
        connection.register("held", values)
        return connection.execute(
            "WITH one AS (SELECT user, held, arg_max(spend, number) AS spend FROM held GROUP BY user, held) "
            "SELECT events.*, one.spend FROM events ASOF LEFT JOIN one "
            'ON events."user" = one."user" AND events.event_timestamp >= one.held'
        ).df()
