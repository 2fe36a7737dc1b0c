"""`AbTestPlan`, what an A/B test is bound to, and `AbTestLook`, what one look at its data found."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from deriva_ml_kit.design.starting import SLUG
from deriva_ml_kit.numerics.assignment import Arms
from deriva_ml_kit.numerics.experiment.effects import Kind
from deriva_ml_kit.numerics.sequential.spending import Spending
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.frames import Origin
from deriva_ml_kit.ops.kinds import AssetType

Level = Annotated[float, Field(gt=0, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Metric(_Part):
    """A metric, and how it is made of rows.

    Attributes:
        name: For people.
        kind: `rate`, `mean` or `ratio`; see `numerics.experiment.effects.Kind`.
        column: Column of the rows.
        denominator: Column below the line of a ratio; rows are counted where not given.
        better: What is wanted of it.
        missing: What an empty value is: refused, or 0 (an outcome that did not come).
    """

    name: str
    kind: Kind
    column: str
    denominator: str | None = None
    better: Literal["higher", "lower"] = "higher"
    missing: Literal["refuse", "zero"] = "refuse"

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.better == "higher" else -1


class Guardrail(Metric):
    """A metric that must not become worse.

    Attributes:
        limit: How much worse it may become, absolute.
    """

    limit: Annotated[float, Field(ge=0)]


class Arm(_Part):
    """An arm.

    Attributes:
        name: As it stands in the rows.
        weight: Its part of the units that take part.
        model_rid: The model that answers there, where one does.
    """

    name: str
    weight: float
    model_rid: str | None = None


class AbTestPlan(Document):
    """What was decided before the start, and cannot be changed after it.

    Attributes:
        slug: Name of the test, and of its design document.
        question: What is asked.
        decision: What is done on a win, a loss, and no difference.
        starts: Rows before this moment are none of the test.
        arms: Control, then treatment.
        salt: Of this test alone; see `numerics.assignment`.
        share: Part of all units that takes part.
        unit: Column of what is assigned, which is also what is analysed.
        arm: Column of the arm.
        row: Column that names a row, where a unit may have several.
        time: Column of when a row came to be; without it the catalog's clock counts.
        metric: What decides.
        baseline: Its value under control.
        effect: Least absolute change that matters, above 0.
        sd: Standard deviation between units, of means and ratios.
        alpha: Two-sided level of the whole test.
        power: To find the effect.
        spending: How alpha is spent over the looks.
        looks: How many are planned; more or fewer may be made.
        design_effect: How many times as many units clusters cost.
        units: Of both arms; the horizon.
        per_day: New units a day.
        weeks_min: Whole weeks before which only harm may end it.
        weeks: That the planned units will take.
        weeks_max: After which it ends with what is there.
        guardrails: What may end it for harm at any time.
        guardrail_alpha: Level of all guardrails together, over all looks.
    """

    KIND: ClassVar[AssetType] = AssetType.AB_TEST_PLAN

    slug: Annotated[str, Field(pattern=rf"^{SLUG.pattern}$")]
    question: str
    decision: str
    starts: AwareDatetime
    arms: tuple[Arm, Arm]
    salt: str
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    unit: str
    arm: str = "arm"
    row: str | None = None
    time: str | None = None
    metric: Metric
    baseline: float
    effect: Annotated[float, Field(gt=0)]
    sd: Annotated[float, Field(gt=0)] | None = None
    alpha: Level = 0.05
    power: Level = 0.8
    spending: Spending = Spending.OBRIEN_FLEMING
    looks: Annotated[int, Field(ge=1)] = 5
    design_effect: Annotated[float, Field(ge=1)] = 1.0
    units: Annotated[int, Field(gt=0)]
    per_day: Annotated[float, Field(gt=0)]
    weeks_min: Annotated[int, Field(ge=1)] = 1
    weeks: Annotated[int, Field(ge=1)]
    weeks_max: Annotated[int, Field(ge=1)]
    guardrails: tuple[Guardrail, ...] = ()
    guardrail_alpha: Level = 0.01

    @model_validator(mode="after")
    def _fits(self) -> AbTestPlan:
        names = [each.name for each in self.arms]
        if len(set(names)) < len(names):
            raise ValueError(f"both arms are called {names[0]}")
        if self.weeks_max < self.weeks_min:
            raise ValueError(f"weeks_max is {self.weeks_max}, below weeks_min, {self.weeks_min}")
        metrics = [self.metric.name, *(each.name for each in self.guardrails)]
        if len(set(metrics)) < len(metrics):
            raise ValueError("two metrics have one name")
        assert self.assignment  # raises what is wrong with salt and weights
        return self

    @property
    def control(self) -> Arm:
        """The first arm."""
        return self.arms[0]

    @property
    def treated(self) -> Arm:
        """The second arm."""
        return self.arms[1]

    @property
    def assignment(self) -> Arms:
        """Which arm a unit belongs to."""
        return Arms(self.salt, {each.name: each.weight for each in self.arms}, self.share)

    @property
    def information(self) -> float:
        """Planned information, in units: n1 n2 / (n1 + n2) of the arms."""
        return self.units * self.control.weight * self.treated.weight


class Verdict(StrEnum):
    """What a look came to."""

    WIN = "win"
    LOSS = "loss"
    NO_DIFFERENCE = "no difference"
    CONTINUE = "continue"
    INVALID = "invalid"

    @property
    def exit_code(self) -> int:
        """0 where the test has ended without harm, 1 where treatment lost, 2 where there is no answer (yet)."""
        return {Verdict.WIN: 0, Verdict.NO_DIFFERENCE: 0, Verdict.LOSS: 1}.get(self, 2)

    @property
    def ends(self) -> bool:
        """Whether the test is over."""
        return self not in (Verdict.CONTINUE, Verdict.INVALID)


class Check(_Part):
    """Something that has to be so before anything is judged."""

    name: str
    passed: bool
    told: str


class Harm(_Part):
    """A guardrail.

    Attributes:
        name: Its metric.
        control: Value under control.
        treated: Value under treatment.
        worse: By how much it is worse.
        certain: By how much at least, at all looks together; -inf where there are too few units.
        limit: How much is tolerated.
        breached: Whether more is certain than is tolerated.
    """

    name: str
    control: float
    treated: float
    worse: float
    certain: float
    limit: float
    breached: bool


class Primary(_Part):
    """The metric that decides.

    Attributes:
        control: Value under control.
        treated: Value under treatment.
        difference: Treated minus control.
        low: Lower end of the repeated confidence interval, which holds at all looks together.
        high: Its upper end.
        z: Difference in standard errors; NaN where these are 0.
        boundary: That |z| has to reach.
        information: n1 n2 / (n1 + n2) of the units.
        time: Information over planned information.
        final: Whether this look ends the test in any case.
    """

    control: float
    treated: float
    difference: float
    low: float
    high: float
    z: float
    boundary: float
    information: float
    time: float
    final: bool


class Earlier(_Part):
    """An earlier look, as the catalog knows it.

    Attributes:
        execution_rid: The execution that had the plan as an input.
        created: Its RCT.
        documented: Whether it left what it found; one that failed has looked, too.
        units: That it had; None where it is not documented.
        information: At which it looked at the metric that decides; None where it did not, or is not documented.
        z: Of that metric, likewise.
        boundary: Of |z| at that look, likewise.
        verdict: That it came to.
    """

    execution_rid: str
    created: str
    documented: bool
    units: int | None = None
    information: float | None = None
    z: float | None = None
    boundary: float | None = None
    verdict: Verdict | None = None


class AbTestLook(Document):
    """What one look found.

    Attributes:
        plan_rid: RID of the plan.
        slug: Of the plan.
        registered: RCT of the plan.
        number: Of this look, counted by the catalog.
        earlier: The looks before it.
        data: Where the rows come from.
        units: Of each arm.
        left_out: Rows of units that do not take part.
        days: Since the start.
        checks: In their order.
        guardrails: Empty where a check failed.
        primary: None where a check failed or the minimum runtime is not over: it was not looked at.
        verdict: What it came to.
        reason: Why, in a sentence.
    """

    KIND: ClassVar[AssetType] = AssetType.AB_TEST_LOOK

    plan_rid: str
    slug: str
    registered: str
    number: int
    earlier: tuple[Earlier, ...]
    data: tuple[Origin, ...]
    units: dict[str, int]
    left_out: int
    days: float
    checks: tuple[Check, ...]
    guardrails: tuple[Harm, ...]
    primary: Primary | None
    verdict: Verdict
    reason: str
