"""What a server may be asked: records with exactly the columns that the model was trained on, of their types.

The columns and their types are those of the golden records' inputs; ranges, levels and whether something may be missing
are those of the baseline profile. Wrong records are refused with the path of every wrong field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    StrictBool,
    TypeAdapter,
    ValidationError,
    create_model,
)

if TYPE_CHECKING:
    from deriva_ml_kit.numerics.drift.profile import BaselineProfile

Detail = list[dict[str, Any]]
Value = bool | int | float | str | datetime | None
Name = Annotated[str, Field(min_length=1, max_length=200)]

BAD_JSON = 400
UNPROCESSABLE = 422


class Refused(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status, 4xx.
        detail: What is wrong and where: `loc`, `msg`, `type` of each fault.
    """

    def __init__(self, status: int, detail: Detail) -> None:
        super().__init__(str(detail))
        self.status = status
        self.detail = detail


def refusal(status: int, kind: str, message: str, loc: Sequence[str | int] = ("body",)) -> Refused:
    """A refusal for one reason."""
    return Refused(status, [{"loc": list(loc), "msg": message, "type": kind}])


@dataclass(frozen=True)
class Seen:
    """What a column held in the training.

    A value that it did not hold is answered and named, since a model's answer to it is a guess; see `Answer.unseen`.

    Attributes:
        low: Smallest value; None where it holds no numbers.
        high: Largest value.
        levels: Its values, where it holds categories that are all known.
        nullable: Whether it was missing in some record.
    """

    low: float | None = None
    high: float | None = None
    levels: frozenset[str] | None = None
    nullable: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a value is within what was seen; a missing one is."""
        if value is None:
            return True
        if self.low is not None and self.high is not None:
            return bool(self.low <= value <= self.high)
        return self.levels is None or str(value) in self.levels


def seen_in(profile: BaselineProfile) -> dict[str, Seen]:
    """What the features of a baseline held."""
    return {
        column.name: Seen(
            column.minimum,
            column.maximum,
            # Levels beyond the bounded number are not known by name.
            frozenset(column.levels) if column.levels and not column.other else None,
            column.nullable,
        )
        for column in profile.features
    }


@dataclass(frozen=True)
class Asked:
    """A record that is to be answered.

    Attributes:
        values: In the order of the schema's columns.
        unit: What is assigned to an arm.
        request_id: As the client calls the request; None where it does not.
    """

    values: tuple[Value, ...]
    unit: str | None
    request_id: str | None


class Schema:
    """The records that a model takes.

    Args:
        types: Column to pandas dtype.
        seen: Column to what the training saw; of others, that code makes features of, anything may be missing.
        most: Most records of one request.
    """

    def __init__(self, types: Mapping[str, str], seen: Mapping[str, Seen], *, most: int = 1000) -> None:
        self.types = dict(types)
        self._seen = {name: seen[name] for name in types if name in seen}
        # Columns may have any name; fields of a model may not.
        fields: dict[str, Any] = {
            f"f{number}": (_annotation(dtype, seen.get(name)), Field(alias=name))
            for number, (name, dtype) in enumerate(types.items())
        }
        features = create_model("Features", __config__=ConfigDict(extra="forbid"), **fields)
        self._record: type[BaseModel] = create_model(
            "Record",
            __config__=ConfigDict(extra="forbid"),
            features=(features, ...),
            unit=(Name | None, None),
            request_id=(Name | None, None),
        )
        self._one: TypeAdapter[Any] = TypeAdapter(self._record)
        records: Any = Annotated[list[self._record], Field(min_length=1, max_length=most)]  # type: ignore[name-defined]
        self._many: TypeAdapter[Any] = TypeAdapter(records)

    def read(self, body: bytes) -> tuple[list[Asked], bool]:
        """The records of a request: one, or a list of them.

        Returns:
            The records, and whether they came as a list.

        Raises:
            Refused: It is no JSON (400), or not such records (422).
        """
        many = body.lstrip()[:1] == b"["
        try:
            found: Any = (self._many if many else self._one).validate_json(body)
        except ValidationError as error:
            # Values are not given back: they may be what no JSON can say, and they may be confidential.
            detail = [
                {"loc": ["body", *each["loc"]], "msg": each["msg"], "type": each["type"]}
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise Refused(BAD_JSON if detail[0]["type"] == "json_invalid" else UNPROCESSABLE, detail) from error
        records = found if many else [found]
        names = [record.request_id for record in records if record.request_id]
        if len(set(names)) < len(names):
            raise refusal(UNPROCESSABLE, "request_id_twice", "Two records have the same request_id")
        return [
            Asked(tuple(record.features.__dict__.values()), record.unit, record.request_id) for record in records
        ], many

    def json_schema(self, references: str = "#/$defs/{model}") -> dict[str, Any]:
        """The JSON Schema of one record, with what the training saw as `x-trained`.

        Args:
            references: Where its definitions will stand.
        """
        made = self._one.json_schema(ref_template=references)
        properties = made["$defs"]["Features"]["properties"]
        for name, seen in self._seen.items():
            known = {"low": seen.low, "high": seen.high, "levels": sorted(seen.levels or ())}
            properties[name]["x-trained"] = {key: value for key, value in known.items() if value not in (None, [])}
        return made


def _annotation(dtype: str, seen: Seen | None) -> Any:
    """The type of a column's values in JSON: strict, finite, and within what the dtype holds."""
    name = dtype.lower()
    nullable = seen.nullable if seen else not dtype.startswith(("bool", "int", "uint"))  # these hold no missing value
    made: Any
    if name in {"bool", "boolean"}:
        made = StrictBool
    elif name.startswith(("int", "uint")):
        bounds = np.iinfo(name)
        made = Annotated[int, Field(strict=True, ge=int(bounds.min), le=int(bounds.max))]
    elif name.startswith("float"):
        largest = float(np.finfo(name).max)
        made = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-largest, le=largest)]
    elif name.startswith("datetime64"):
        made = AwareDatetime if "," in name else NaiveDatetime
    else:
        made = Annotated[str, Field(strict=True)]
    return made | None if nullable else made
