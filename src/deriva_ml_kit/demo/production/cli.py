"""`ops-demo`: from cycle zero into production, on the digits and the catalog of cycle zero."""

from __future__ import annotations

import argparse
import sys

from deriva_ml_kit.demo import cli as cycle_zero
from deriva_ml_kit.demo.playing import play_steps
from deriva_ml_kit.demo.production.page import write_page
from deriva_ml_kit.demo.production.steps import STEPS, Production
from deriva_ml_kit.demo.state import State
from deriva_ml_kit.demo.steps import STEPS as CYCLE
from deriva_ml_kit.demo.steps import Run, as_json
from deriva_ml_kit.errors import KitError

PROGRAM = "ops-demo"
DESCRIPTION = """\
Watch a model go into production, in the project and the catalog of `cycle-zero` (played first where it was not):
criteria before training, a candidate that is refused and one that passes its gate, batches with and without drift, a
rollout to a real server that goes back, A/B tests, and a page that shows it all. It types what you would type; all of
it stands in cycle-zero.log.
"""
EPILOG = """\
examples:
  uv run ops-demo                          in ./cycle-zero-demo
  uv run ops-demo my-first-model           in another folder
  uv run ops-demo --hostname data.example.org --catalog-id 42

Run it again at any time: what is there stays, what was cut short is done.

exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted
"""


def main() -> None:
    """Run the demonstration; exits with 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    args = cycle_zero.parser(PROGRAM, DESCRIPTION, EPILOG).parse_args()
    try:
        run = prepare(args)
        play_steps(run, STEPS, write_page, heading="into production")
    except KeyboardInterrupt:
        print("\nInterrupted. The same command again continues where this stopped.", file=sys.stderr)
        sys.exit(130)
    except KitError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if args.json:
        print(as_json(run))


def prepare(args: argparse.Namespace) -> Run:
    """Have cycle zero played, and begin where the demonstration stopped."""
    cycle = cycle_zero.prepare(args)
    if any(step.name not in cycle.state.steps for step in CYCLE):
        cycle_zero.play(cycle)
    else:
        next(step for step in CYCLE if step.name == "host").work(cycle)  # it may have been stopped meanwhile
    state = State.load(cycle.folder, PROGRAM)
    return Production(cycle.folder, cycle.shell, state, cycle.hostname, cycle.catalog_id, cycle=cycle.state)


if __name__ == "__main__":
    main()
