"""Put faults into a working project, one at a time, and show which tier catches each, and at what cost.

    uv run python scripts/fault_suite.py                       every fault with 5 seeds, 50 healthy runs
    uv run python scripts/fault_suite.py --seeds 1 --healthy 2 --only receipt,dataset
                                                               a quick look

It makes a project with `new-project` and a local catalog in a temporary folder, and goes through the tiers with
`deriva-ml-run`: dry run and small run on the development dataset, dry run and full run on all data. A fault counts as
caught when it is caught, for its own reason, with four of five seeds; it is where it belongs when that is no later than
where the workflow promises it. Exit code 0: at least 95 % are, and no healthy run was refused.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from fault_bench import Bench, Outcome, load_libraries
from fault_catalogue import FAULTS, Fault

SHARE = 0.95
ENOUGH = 0.8  # of the seeds


def main() -> int:
    """Play, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds for each fault")
    parser.add_argument("--healthy", type=int, default=50, help="healthy runs, each with a seed of its own")
    parser.add_argument("--only", default="", help="faults whose name has one of these words in it, with commas")
    parser.add_argument("--images", type=int, help="as many of the 1,797 images, at least 300; all if not given")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON document")
    args = parser.parse_args()
    wanted = [fault for fault in FAULTS if any(word in fault.name for word in args.only.split(","))]
    with tempfile.TemporaryDirectory(prefix="fault-suite-") as folder:
        bench = Bench(Path(folder))
        tell("making the project …")
        bench.start_host()
        try:
            bench.make_project(args.images)
            load_libraries()
            figures = {"faults": [caught(bench, fault, args.seeds) for fault in wanted]}
            figures["healthy"] = healthy(bench, args.healthy)
        finally:
            bench.remove_host()
    print(json.dumps(figures, indent=1) if args.json else table(figures))
    right = sum(row["caught"] for row in figures["faults"])
    return int(right < SHARE * len(wanted) or figures["healthy"]["refused"] != [])


def caught(bench: Bench, fault: Fault, seeds: int) -> dict[str, Any]:
    """A fault's row: at which steps it was caught, how often for its own reason, and what that cost."""
    outcomes = []
    for seed in range(seeds):
        outcomes.append(bench.play(seed, fault))
        if fault.stops_host:
            bench.start_host()
    right = sum(is_right(outcome, fault) for outcome in outcomes)
    steps = Counter(outcome.step or "never" for outcome in outcomes)
    row = {
        "name": fault.name,
        "promised": fault.tier,
        "steps": dict(steps),
        "right": right,
        "seeds": seeds,
        "caught": right >= ENOUGH * seeds,
        "seconds": round(statistics.median(sum(outcome.seconds.values()) for outcome in outcomes), 1),
    }
    if not row["caught"]:
        row["said"] = outcomes[0].said[-1500:]
    tell(f"{'caught' if row['caught'] else 'MISSED':7} {fault.name}: {dict(steps)}, {row['seconds']} s")
    return row


def is_right(outcome: Outcome, fault: Fault) -> bool:
    """Whether a fault was caught in time, for its own reason, and without a traceback of ours."""
    in_time = outcome.tier is not None and outcome.tier <= fault.tier
    return in_time and re.search(fault.says, outcome.said) is not None


def healthy(bench: Bench, count: int) -> dict[str, Any]:
    """Play the project as it is, with one seed after the other."""
    outcomes = {seed: bench.play(seed) for seed in range(count)}
    refused = [
        {"seed": seed, "step": outcome.step, "said": outcome.said[-1500:]}
        for seed, outcome in outcomes.items()
        if outcome.step
    ]
    steps = {
        step: [o.seconds[step] for o in outcomes.values() if step in o.seconds]
        for step in ("tier 1", "tier 2", "tier 3")
    }
    return {
        "runs": count,
        "refused": refused,
        "seconds": {step: round(statistics.median(values), 1) for step, values in steps.items() if values},
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{'fault':56} {'promised':>8}  {'caught at':24} {'seeds':>6} {'cost':>7}"]
    for row in figures["faults"]:
        where = ", ".join(sorted(row["steps"]))
        mark = "" if row["caught"] else "  MISSED"
        cost = f"{row['seconds']:.1f} s"
        lines.append(
            f"{row['name']:56} {row['promised']:>8}  {where:24} {row['right']:>3}/{row['seeds']} {cost:>7}{mark}"
        )
    right, runs = sum(row["caught"] for row in figures["faults"]), figures["healthy"]
    lines.append(f"{right} of {len(figures['faults'])} faults caught where they are promised to be")
    lines.append(f"{len(runs['refused'])} of {runs['runs']} healthy runs refused; seconds {runs['seconds']}")
    lines += [f"MISSED {row['name']}:\n{row['said']}" for row in figures["faults"] if "said" in row]
    lines += [f"REFUSED seed {run['seed']} at {run['step']}:\n{run['said']}" for run in runs["refused"][:5]]
    return "\n".join(lines)


def tell(text: str) -> None:
    """Say how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
