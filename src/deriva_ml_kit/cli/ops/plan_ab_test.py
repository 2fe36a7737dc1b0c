"""`deriva-ml-ops plan-ab-test`: the sample size of an A/B test, and its plan into the catalog before it starts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.ops.abtest.documents import AbTestPlan
    from deriva_ml_kit.ops.abtest.planning import Size

DESCRIPTION = """\
Bind an A/B test before it starts: the metric that decides, the effect that matters, sample size, looks, shortest and
longest runtime, salt and arms, guardrails, and what follows from each verdict. The plan becomes an output of an
execution, whose time is the catalog's, and a design document below docs/design/experiment. It cannot be changed
afterwards. The same call again finds what is there.

With --sample-size-only nothing is written and no catalog is needed: from the plan, or from options.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops plan-ab-test --sample-size-only --baseline 0.10 --effect 0.01 --per-day 1200
  uv run deriva-ml-ops plan-ab-test --sample-size-only --kind mean --effect 0.5 --sd 4 --looks 10 --power 0.9
  uv run deriva-ml-ops plan-ab-test reminder.toml --dry-run     everything but the writing
  uv run deriva-ml-ops plan-ab-test reminder.toml

a plan, as TOML (units, weeks, weeks_max and salt follow from the rest):
  slug = "reminder-model"
  question = "Do reminders by the new model bring more patients to their appointments?"
  decision = "Win: promote the model. Loss or no difference: keep the present one."
  starts = 2027-01-11T00:00:00Z
  unit = "patient"            # the column that is assigned to arms; `arm` holds the arm
  row = "request_id"          # the column that names a row, where a unit may have several
  time = "time"
  baseline = 0.10
  effect = 0.01               # absolute; what is smaller does not matter
  per_day = 1200              # new units
  looks = 10
  weeks_min = 2
  arms = [ { name = "control", weight = 0.5, model_rid = "2-AAAA" },
           { name = "treatment", weight = 0.5, model_rid = "2-BBBB" } ]
  [metric]                    # kind: rate (units with it), mean (per unit), ratio (of two sums over units)
  name = "attendance"
  kind = "rate"
  column = "attended"
  missing = "zero"            # who did not come has no outcome
  [[guardrails]]
  name = "error rate"
  kind = "ratio"
  column = "failed"
  better = "lower"
  limit = 0.005               # how much worse it may become

exit codes: 0 registered, or the size is told; 2 the plan is wrong (all of it is listed), another has its name or salt
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "plan-ab-test",
        main,
        help_="sample size and registration of an A/B test",
        description=DESCRIPTION,
        epilog=EPILOG,
        dry_run=True,
        catalog=False,
    )
    place.options(made)
    made.add_argument("plan", nargs="?", type=Path, metavar="PLAN.toml", help="the plan")
    made.add_argument("--sample-size-only", action="store_true", help="tell the size and write nothing")
    group = made.add_argument_group("sample size without a plan")
    group.add_argument("--kind", choices=("rate", "mean", "ratio"), default="rate", help="of the metric (rate)")
    group.add_argument("--baseline", type=float, metavar="VALUE", help="the rate under control")
    group.add_argument(
        "--effect", type=float, metavar="CHANGE", help="absolute change that matters; below 0 for a fall"
    )
    group.add_argument("--sd", type=float, metavar="VALUE", help="standard deviation between units, of a mean or ratio")
    group.add_argument("--alpha", type=float, default=0.05, metavar="LEVEL", help="two-sided level (0.05)")
    group.add_argument("--power", type=float, default=0.8, metavar="POWER", help="to find the effect (0.8)")
    group.add_argument("--looks", type=int, default=5, metavar="N", help="planned looks (5); 1 for a fixed end")
    group.add_argument("--spending", choices=("obrien-fleming", "pocock"), default="obrien-fleming", help="of alpha")
    group.add_argument("--ratio", type=float, default=1.0, metavar="R", help="units treated for each under control (1)")
    group.add_argument("--design-effect", type=float, default=1.0, metavar="D", help="what clusters cost (1)")
    group.add_argument("--per-day", type=float, metavar="UNITS", help="new units a day, for the weeks")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Tell the size, or register.

    Raises:
        UsageError: Neither a plan nor what a size takes was given, or the plan is wrong.
    """
    if args.plan is None:
        if not args.sample_size_only or args.effect is None or (args.kind == "rate" and args.baseline is None):
            raise UsageError(
                "Give a plan, or --sample-size-only with --effect, and --baseline of a rate or --sd of another metric."
            )
        return _size_of_options(args)

    from deriva_ml_kit.ops.abtest.planning import read_plan  # noqa: PLC0415  (takes seconds)

    plan = read_plan(args.plan)
    return _told(plan) if args.sample_size_only else _register(args, plan)


def _size_of_options(args: argparse.Namespace) -> dict[str, Any]:
    from deriva_ml_kit.numerics.experiment.effects import Kind  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.numerics.power.planning import whole_weeks  # noqa: PLC0415
    from deriva_ml_kit.numerics.sequential.spending import Spending  # noqa: PLC0415
    from deriva_ml_kit.ops.abtest.planning import size  # noqa: PLC0415

    found: Size = size(
        Kind(args.kind),
        baseline=args.baseline if args.baseline is not None else 0.0,
        effect=args.effect,
        sd=args.sd,
        alpha=args.alpha,
        power=args.power,
        looks=args.looks,
        spending=Spending(args.spending),
        ratio=args.ratio,
        design_effect=args.design_effect,
    )
    weeks = {"weeks": whole_weeks(found.units, args.per_day)} if args.per_day is not None else {}
    return {
        "units": found.units,
        "control": found.control,
        "treated": found.treated,
        "control_with_a_fixed_end": found.fixed,
        "inflation_by_looks": found.inflation,
        **weeks,
    }


def _told(plan: AbTestPlan) -> dict[str, Any]:
    return {
        "slug": plan.slug,
        "units": plan.units,
        "weeks": plan.weeks,
        "weeks_min": plan.weeks_min,
        "weeks_max": plan.weeks_max,
        "looks": plan.looks,
        "salt": plan.salt,
    }


def _register(args: argparse.Namespace, plan: AbTestPlan) -> dict[str, Any]:
    root = place.root()
    from deriva_ml_kit.ops.abtest.design import design_file, design_text  # noqa: PLC0415
    from deriva_ml_kit.ops.abtest.registering import register  # noqa: PLC0415

    ml = place.connect(args)
    found = register(ml, plan, dry_run=args.dry_run)
    result = _told(plan)
    if found.rid is None:
        return {"dry_run": "nothing was written", **result}
    file = design_file(root, plan)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(design_text(plan, found.rid), encoding="utf-8")
    return {
        "plan_rid": found.rid,
        "execution_rid": found.execution_rid,
        "was_there": not found.is_new,
        "design": str(place.near(file)),
        **result,
    }
