"""A run before it is played: what it is given, and what its work is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline import AssetSpec, DatasetSpec, DerivaML, Execution, ExecutionConfiguration, Workflow
from deriva_ml_kit.runner.limit import DRY_RUN_SECONDS
from deriva_ml_kit.runner.outputs import Outputs
from deriva_ml_kit.tiers.estimate import Estimate
from deriva_ml_kit.tiers.evidence import Evidence
from deriva_ml_kit.tiers.gate import Passage, Request
from deriva_ml_kit.tiers.receipt import Check, Receipt, config_hash, seal, verdict
from deriva_ml_kit.tiers.state import environment

Work = Callable[[Execution, Outputs, "RunEvidence"], Mapping[str, Any] | None]
Data = TypeVar("Data")
Model = TypeVar("Model")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that is to be played.

    Attributes:
        name: Name of the run, such as that of its script or experiment.
        script: The program, whose repository says which code runs.
        config: The resolved configuration, without datasets and assets.
        workflow: What runs.
        datasets: Input datasets in their versions.
        roles: RID of a dataset to the part that it plays.
        assets: RIDs of input assets.
        cached: Those whose files are kept for later executions.
        choices: What was chosen of each group of a configuration.
        description: What the run is for.
        dry_run: Write nothing: tier 1.
        tier: The tier that was asked for; it can raise what the datasets say.
        override: Why the gate shall let the run pass without the receipts that it asks for.
        swept: Keys of the configuration that a sweep varies.
        parent: RID of the execution that this is a part of.
        sequence: Place among its parts.
        command: What a person types to run it, for remedies.
        limit_seconds: How long a dry run may take that does not limit itself.
    """

    name: str
    script: Path
    config: Mapping[str, Any]
    workflow: Workflow
    datasets: Sequence[DatasetSpec] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    assets: Sequence[str] = ()
    cached: frozenset[str] = frozenset()
    choices: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    dry_run: bool = False
    tier: int | None = None
    override: str | None = None
    swept: frozenset[str] = frozenset()
    parent: str | None = None
    sequence: int | None = None
    command: str | None = None
    limit_seconds: float = DRY_RUN_SECONDS


class RunEvidence(Evidence):
    """The evidence of a run that is played.

    Attributes:
        reached: The parts of the work that have ended, if it says so (`hooks` does).
    """

    def __init__(self, tier: int, *, dry_run: bool = False) -> None:
        super().__init__(tier, dry_run=dry_run)
        self.reached: set[str] = set()

    def loss(self, value: Any) -> None:
        """Record a loss; on a full dataset a run whose loss is no number any more is ended at once.

        Raises:
            KitError: Tier 3, and the loss is not finite.
        """
        super().loss(value)
        if self.tier == 3 and not _is_finite(value):
            raise KitError(
                f"The loss became {value} at value {len(self.recorded.losses)}; the run was ended there.",
                remedy="Lower the learning rate or normalise the inputs, and go through the tiers again.",
            )


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):  # no number at all: the checks will say so
        return True


def hooks(
    load: Callable[[Any, Mapping[str, list[Path]]], Data],
    build: Callable[[Data, Mapping[str, Any]], Model],
    run: Callable[[Model, Data, Outputs, Any], Mapping[str, Any] | None],
    config: Mapping[str, Any],
) -> Work:
    """Make the work of a run of three functions: `load(bags, assets)`, `build(data, config)`, `run(model, data, …)`."""

    def work(exe: Execution, out: Outputs, ev: RunEvidence) -> Mapping[str, Any] | None:
        data = load(exe.datasets, {table: [Path(path) for path in paths] for table, paths in exe.asset_paths.items()})
        ev.reached.add("loading")
        model = build(data, config)
        ev.reached.add("model")
        return run(model, data, out, ev)

    return work


@dataclass(frozen=True)
class Admitted:
    """A run that may begin.

    Attributes:
        ml: The connection.
        plan: What is run on what.
        work: Does it.
        request: What the gate was asked.
        passage: What it answered.
        ready: The checks that were passed so far.
        bag_bytes: Size of its datasets.
    """

    ml: DerivaML
    plan: Plan
    work: Work
    request: Request
    passage: Passage
    ready: Sequence[Check]
    bag_bytes: int

    @property
    def configuration(self) -> ExecutionConfiguration:
        """The configuration of its execution; the description tells what was overridden."""
        told = [f"[tier override: {each.reason}]" for each in self.passage.overrides]
        return ExecutionConfiguration(
            datasets=list(self.plan.datasets),
            assets=[AssetSpec(rid=rid, cache=rid in self.plan.cached) for rid in self.plan.assets],
            config_choices=dict(self.plan.choices),
            description=" ".join(filter(None, [self.plan.description or self.plan.name, *told])),
        )

    @property
    def records(self) -> int | None:
        """How many records its datasets hold together."""
        counts = [each.records for each in self.request.datasets]
        return sum(count for count in counts if count is not None) if None not in counts else None

    def receipt(
        self,
        checks: Sequence[Check],
        *,
        execution_rid: str | None,
        profile: Mapping[str, Any] | None,
        estimate: Estimate | None,
    ) -> Receipt:
        """The sealed receipt of this run."""
        request, passage = self.request, self.passage
        return seal(
            Receipt(
                tier=request.tier,
                name=request.name,
                made=datetime.now(UTC),
                hostname=request.hostname,
                catalog_id=request.catalog_id,
                execution_rid=execution_rid,
                config=dict(request.config),
                config_hash=config_hash(request.config),
                code=request.code,
                datasets=request.datasets,
                assets=request.assets,
                environment=environment(),
                checks=tuple(checks),
                verdict=verdict(checks),
                profile=dict(profile) if profile else None,
                estimate=asdict(estimate) if estimate else None,
                swept=tuple(sorted(request.swept)),
                builds_on=tuple(each.digest for each in passage.builds_on),
                overrides=passage.overrides,
                digest="",
                seal=None,
            )
        )
