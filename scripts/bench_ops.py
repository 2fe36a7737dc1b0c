"""Measure what operations promise: speed against the libraries that people use, exactness, false alarms and power.

    uv run python scripts/bench_ops.py                    every goal (about half an hour)
    uv run python scripts/bench_ops.py drift abtest       some capabilities
    uv run python scripts/bench_ops.py --quick            small sizes and few runs: does it work?

Ratios are of one run on one machine. Alternatives that cannot be installed beside deriva-ml are measured in an
environment of their own, where one is named: --scratch PYTHON (with Evidently, NannyML or Feast in it). Figures of a
busy machine are no figures: its load is printed with them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
from dataclasses import asdict

import ops_bench
from ops_bench.goal import Goal

CAPABILITIES = sorted(
    found.name
    for found in pkgutil.iter_modules(ops_bench.__path__)
    if found.name != "goal" and not found.name.startswith("_")
)


def main() -> int:
    """Measure, and print each goal as it is known; 1 if one was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capabilities", nargs="*", metavar="CAPABILITY", help=f"{', '.join(CAPABILITIES)} (all)")
    parser.add_argument("--quick", action="store_true", help="small sizes and few runs")
    parser.add_argument("--scratch", metavar="PYTHON", help="interpreter with the alternatives")
    parser.add_argument("--json", action="store_true", help="print one JSON document at the end")
    args = parser.parse_args()
    if unknown := set(args.capabilities) - set(CAPABILITIES):
        parser.error(f"no such capability: {', '.join(sorted(unknown))}; there are {', '.join(CAPABILITIES)}")
    if args.scratch:
        os.environ["OPS_BENCH_SCRATCH"] = args.scratch
    found: list[Goal] = []
    if not args.json:
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name in args.capabilities or CAPABILITIES:
        for goal in importlib.import_module(f"ops_bench.{name}").goals(args.quick):
            found.append(goal)
            if not args.json:
                word = {True: "met   ", False: "MISSED", None: "-     "}[goal.met]
                print(f"{word} {goal.capability:<9} {goal.goal}\n       {'':<9} {goal.measured}", flush=True)
    if args.json:
        print(json.dumps({"load": os.getloadavg()[0], "goals": [asdict(goal) for goal in found]}, indent=1))
    return int(any(goal.met is False for goal in found))


if __name__ == "__main__":
    raise SystemExit(main())
