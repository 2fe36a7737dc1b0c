"""Interrupt cycle-zero at random moments until it ends, and show that it ends as if nobody had touched it.

    uv run python scripts/interrupt_cycle_zero.py FOLDER [--hostname localhost:8443] [--seed 1] [--longest 40]

Each round starts `cycle-zero FOLDER`, sends it Ctrl-C after a random time, and checks that it says so (exit code 130).
Once a round ends by itself, the catalog is counted: every image once and made by an execution, one label an image,
datasets complete, as many predictions as test images. Exits 0 if all counts are right.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from deriva_ml_kit.mainline import DerivaML

PROGRAM = Path(sys.executable).with_name("cycle-zero")
MEMBERS = {"development": 100, "complete": 1797, "training": 1438, "testing": 359}


def main() -> int:
    """Interrupt until done, then count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="project folder; made if it does not exist")
    parser.add_argument("--hostname", help="a DERIVA host instead of the local catalog")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random moments")
    parser.add_argument("--longest", type=float, default=40, help="longest time in seconds before Ctrl-C")
    args = parser.parse_args()
    # A shell starts what it runs in the background with interrupts ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [str(PROGRAM), str(args.folder), "--json", *(["--hostname", args.hostname] if args.hostname else [])]
    moments = random.Random(args.seed)
    interrupts = 0
    while True:
        finished, output = play(command, moments.uniform(1, args.longest))
        if finished:
            break
        interrupts += 1
    steps = json.loads(output.splitlines()[-1])
    wrong = count(steps)
    print(f"{interrupts} interrupts; accuracy {steps['verdict']['value']}; {len(wrong)} counts wrong")
    print("\n".join(wrong))
    return 1 if wrong else 0


def play(command: list[str], seconds: float) -> tuple[bool, str]:
    """One round: whether it ended by itself, and its standard output."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    if process.returncode not in (0, 130):
        sys.exit(f"exit code {process.returncode} after {seconds:.1f} s:\n{errors}")
    step = errors.strip().splitlines()[-3:]
    print(f"{seconds:5.1f} s  exit {process.returncode}  {' | '.join(step)}", file=sys.stderr)
    return process.returncode == 0, output


def count(steps: dict) -> list[str]:
    """What is not as it has to be."""
    ml = DerivaML(steps["schema"]["hostname"], steps["schema"]["catalog_id"])
    tables = ml.pathBuilder.schemas[ml.domain_schema].tables
    rows = list(tables["Image"].entities().fetch())
    images = Counter(row["Source_Index"] for row in rows)
    made = {row["Image"] for row in tables["Image_Execution"].entities().fetch() if row["Asset_Role"] == "Output"}
    labels = Counter(value.Image for value in ml.feature_values("Image", "Digit"))
    of_tier3 = [steps["tier3"]["execution_rid"]]
    predictions = [value.Image for value in ml.feature_values("Image", "Predicted_Digit", execution_rids=of_tier3)]
    pins = {"development": steps["development"]["pin"]} | steps["split"]["datasets"]
    datasets = list(ml.find_datasets())
    checks = {
        "every image once": images == Counter(range(1797)),
        "an execution for every image": made == {row["RID"] for row in rows},
        "one label an image": len(labels) == 1797 and set(labels.values()) == {1},
        "a prediction an image": len(predictions) == len(set(predictions)) == 359,
        "five datasets": len(datasets) == 5,
    } | {
        f"{size} members in {name}": len(ml.lookup_dataset(pins[name].partition("@")[0]).list_members("Image")) == size
        for name, size in MEMBERS.items()
    }
    return [f"not so: {name}" for name, holds in checks.items() if not holds]


if __name__ == "__main__":
    sys.exit(main())
