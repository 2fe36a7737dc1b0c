"""What a feature is: `<entity>:<feature>`, its version, and where its values stand in the catalog.

A project keeps its definitions in one TOML file; a training keeps those that it used as an output, with their digest.

    [entities]
    user = "Subject"                   # the table whose rows are users; the entity's own name where not said

    [features."user:age"]
    table = "Visit"                    # rows of values; or feature = "Age" for a feature of the catalog
    column = "Age"
    event_time = "Visited_At"          # when the value held

    [features."user:30d_spend"]
    version = 2                        # raised when anything but the description changes
    table = "Spending"
    column = "Sum_30d"
    event_time = "Until"
    max_age_days = 45
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from deriva_ml_kit import nearest
from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.ops.documents import Document, load
from deriva_ml_kit.ops.kinds import AssetType

_PART = r"[A-Za-z][A-Za-z0-9_]*"
NAME = re.compile(rf"({_PART}):([A-Za-z0-9][A-Za-z0-9_]*)")
REFERENCE = re.compile(rf"(?P<name>{NAME.pattern})(?:@(?P<version>[1-9][0-9]*))?")
RECORDED = "RCT"  # when the catalog got a row

FeatureName = Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")]


class FeatureDefinition(BaseModel):
    """Where the values of a feature stand, and how the one that counts is chosen.

    Attributes:
        name: `<entity>:<feature>`, such as `user:30d_spend`.
        version: Raised with every change but that of the description.
        description: What it means, for people.
        table: Table of the values; the entity's own where neither this nor `feature` is given.
        feature: Or the feature of the catalog that they are values of.
        column: Column of the value; may be left out for a feature that has one.
        key: Column with the entity; found by itself where one foreign key leads there.
        event_time: Column that says when a value held.
        known_time: Column that says since when it was known. The catalog's own record of that is RCT; another column
            is for values that were brought in later than people had them.
        tie_break: Column that decides between values with the same key and times; without it, they are refused.
        where: Only rows with these values, such as `{Side = "left"}`.
        max_age_days: An older value is none; this age still counts.
        skip_null: Whether the newest value counts that is not null, and not the newest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: FeatureName
    version: int = Field(default=1, ge=1)
    description: str = ""
    table: str | None = None
    feature: str | None = None
    column: str | None = None
    key: str | None = None
    event_time: str = RECORDED
    known_time: str = RECORDED
    tie_break: str | None = None
    where: dict[str, str] = Field(default_factory=dict)
    max_age_days: float | None = Field(default=None, ge=0)
    skip_null: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> FeatureDefinition:
        if self.table and self.feature:
            raise ValueError("values stand in a table or are those of a feature: give one of the two")
        if not self.column and not self.feature:
            raise ValueError("say which column holds the value")
        return self

    @property
    def entity(self) -> str:
        """What it is about."""
        return self.name.partition(":")[0]

    @property
    def short(self) -> str:
        """Its name without the entity."""
        return self.name.partition(":")[2]

    @property
    def max_age(self) -> timedelta | None:
        """How old a value may be."""
        return None if self.max_age_days is None else timedelta(days=self.max_age_days)

    def digest(self) -> str:
        """SHA-256 of what makes the feature what it is, hexadecimal: neither its description nor its version."""
        content = self.model_dump(mode="json", exclude={"description", "version"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class FeatureDefinitions(Document):
    """The definitions of a project, or those that a training used.

    Attributes:
        entities: Entity to the table of its rows; an entity that is not here is called like its table.
        features: By name.
        transform: SHA-256 of the module that makes features of raw records, where one does.
    """

    KIND: ClassVar[AssetType] = AssetType.FEATURE_DEFINITIONS

    entities: dict[str, str] = Field(default_factory=dict)
    features: tuple[FeatureDefinition, ...] = ()
    transform: str | None = None

    @model_validator(mode="after")
    def _names_once(self) -> FeatureDefinitions:
        names = [feature.name for feature in self.features]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"defined twice: {', '.join(twice)}")
        return self

    def chosen(self, references: Iterable[str]) -> FeatureDefinitions:
        """Only the features that are asked for, in that order.

        Args:
            references: `<entity>:<feature>`, or `<entity>:<feature>@<version>` to insist on a version.

        Raises:
            Faults: Some are not written like that, not defined, or defined in another version.
        """
        known = {feature.name: feature for feature in self.features}
        chosen: dict[str, FeatureDefinition] = {}
        faults: list[Fault] = []
        for reference in references:
            found = REFERENCE.fullmatch(reference)
            if not found:
                faults.append(Fault("features are written <entity>:<feature>, such as user:30d_spend", value=reference))
            elif found["name"] not in known:
                faults.append(
                    Fault("there is no such feature", value=reference, remedy=nearest.suggestion(found["name"], known))
                )
            elif found["version"] and int(found["version"]) != known[found["name"]].version:
                faults.append(
                    Fault(f"the definition is in version {known[found['name']].version} now", value=reference)
                )
            else:
                chosen[found["name"]] = known[found["name"]]
        if faults or not chosen:
            faults = faults or [Fault("no feature was asked for")]
            raise Faults(faults, message="The features cannot be given; nothing was written.")
        entities = {feature.entity for feature in chosen.values()}
        tables = {name: table for name, table in self.entities.items() if name in entities}
        return self.model_copy(update={"features": tuple(chosen.values()), "entities": tables})

    def changed_since(self, before: FeatureDefinitions) -> list[Fault]:
        """Features that are another than they were, in the same version or in a lower one."""
        old = {feature.name: feature for feature in before.features}
        faults = []
        for new in self.features:
            was = old.get(new.name)
            same_table = self.entities.get(new.entity) == before.entities.get(new.entity)
            if was and (was.digest() != new.digest() or not same_table) and new.version <= was.version:
                message = f"{new.name} is another than before, and still in version {new.version}"
                faults.append(Fault(message, column=new.name, remedy=f"make it version {was.version + 1}"))
        return faults


def read_definitions(file: Path | str) -> FeatureDefinitions:
    """Read the definitions of a project (TOML), or those that a training kept (JSON).

    Raises:
        UsageError: There is no such file, or it is no TOML.
        Faults: Everything that is wrong with the definitions.
    """
    path = Path(file)
    if path.suffix.lower() == ".json":
        return load(path, FeatureDefinitions)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    features = content.get("features")
    if not isinstance(features, dict) or set(content) - {"features", "entities"}:
        raise UsageError(
            f"{path} defines no features: it has {', '.join(content) or 'nothing'}.",
            remedy='Write [features."user:age"], and below it table, column and event_time; [entities] if needed.',
        )
    try:
        return FeatureDefinitions.model_validate(
            {
                "entities": content.get("entities", {}),
                "features": [
                    {"name": name, **fields} if isinstance(fields, dict) else fields
                    for name, fields in features.items()
                ],
            }
        )
    except ValidationError as error:
        raise Faults(_faults(path, list(features), error), message=f"{path} defines no valid features.") from error


def _faults(path: Path, names: Sequence[str], error: ValidationError) -> list[Fault]:
    faults = []
    for each in error.errors():
        place = list(each["loc"])
        if len(place) > 1 and place[0] == "features" and isinstance(place[1], int):
            place[:2] = [names[place[1]]]
        remedy = "write <entity>:<feature>, such as user:30d_spend" if place[-1:] == ["name"] else None
        faults.append(
            Fault(
                each["msg"].removeprefix("Value error, "),
                file=str(path),
                column=".".join(map(str, place)) or None,
                value=None if each["type"] in ("missing", "value_error") else str(each["input"])[:80],
                remedy=remedy,
            )
        )
    return faults
