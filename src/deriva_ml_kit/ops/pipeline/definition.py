"""`pipeline.toml`: the stages of a pipeline, and everything that is wrong with them, told at once.

A command may hold `{hostname}`, `{catalog_id}`, `{parameter.NAME}`, `{dataset.PIN}` (RID@VERSION of a pin),
`{STAGE.execution}` (RID of the last execution of a stage that it needs) and `{STAGE.TYPE}` (RID of the asset of that
type that the stage made); `{{` and `}}` are braces.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.ops.kinds import Stage as ModelStage

NAME = r"^[a-z0-9][a-z0-9_-]*$"
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
EXECUTION = "execution"
CATALOG = ("hostname", "catalog_id")


def _several(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Part):
    """One step.

    Attributes:
        name: Lower case, digits, `-` and `_`.
        command: What is typed, one or several in order; the programs of this environment are found by name.
        code: Committed files that it is made of, as paths or patterns; all of src/ and uv.lock where not given.
        files: Files that it reads.
        datasets: Names of pins of the datasets that it reads.
        assets: RIDs of files of the catalog that it reads.
        tables: `SCHEMA:TABLE` that it reads as they are now, without a version.
        needs: Earlier stages whose outputs it reads.
        makes: Asset types that it must leave.
        commits: Files that it may change; they are committed after it.
        always: Run it whatever has changed.
    """

    name: str = Field(pattern=NAME)
    command: Annotated[tuple[str, ...], BeforeValidator(_several)] = Field(min_length=1)
    code: tuple[str, ...] | None = None
    files: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    always: bool = False


class Pipeline(_Part):
    """The stages, in the order in which they run.

    Attributes:
        name: Of the pipeline; earlier runs are found by it.
        description: What it is for.
        parameters: Values that commands may name.
        stages: At least one.
    """

    name: str = Field(pattern=NAME)
    description: str = ""
    parameters: dict[str, bool | int | float | str] = {}
    stages: tuple[Stage, ...] = Field(min_length=1)

    def with_parameters(self, given: Mapping[str, str]) -> Pipeline:
        """The same with other values of some parameters.

        Raises:
            UsageError: It has no such parameter.
        """
        for name in given:
            if name not in self.parameters:
                raise UsageError(f"The pipeline has no parameter {name}.", remedy=suggestion(name, self.parameters))
        return self.model_copy(update={"parameters": {**self.parameters, **given}})

    @property
    def committed(self) -> frozenset[str]:
        """Files that stages change and that are committed after them."""
        return frozenset(file for stage in self.stages for file in stage.commits)


def read(file: Path) -> Pipeline:
    """Read a pipeline.

    Raises:
        Faults: Everything that is wrong with it.
        UsageError: It is not there, or not TOML.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from error
    try:
        pipeline = Pipeline.model_validate(document)
    except ValidationError as error:
        faults = [
            Fault(each["msg"], file=str(file), column=_place(each["loc"], document), value=str(each["input"])[:80])
            for each in error.errors()
        ]
        raise Faults(faults, message=f"{file} is no pipeline; nothing was run.") from error
    if faults := list(_faults(pipeline, str(file))):
        raise Faults(faults, message=f"{file} is no pipeline; nothing was run.")
    return pipeline


def placeholders(command: str) -> list[str]:
    """The names that stand in braces."""
    return [found[1] for found in PLACEHOLDER.finditer(command) if found[1]]


def filled(command: str, values: Mapping[str, str]) -> list[str]:
    """The words of a command, each placeholder replaced; a value stays within its word.

    Args:
        command: As it stands in the file.
        values: Placeholder to text; one that is not there stays as it is.
    """

    def text(found: re.Match[str]) -> str:
        return values.get(found[1], found[0]) if found[1] else found[0][0]

    return [PLACEHOLDER.sub(text, word) for word in shlex.split(command)]


def _place(loc: tuple[int | str, ...], document: Mapping[str, Any]) -> str:
    """Where a fault is, stages by their names."""
    parts = [str(part) for part in loc]
    if loc[:1] == ("stages",) and len(loc) > 1 and isinstance(loc[1], int):
        stage = document["stages"][loc[1]]
        parts[1] = str(stage.get("name", loc[1])) if isinstance(stage, dict) else parts[1]
    return ".".join(parts)


def _faults(pipeline: Pipeline, file: str) -> Iterator[Fault]:
    earlier: dict[str, Stage] = {}
    for stage in pipeline.stages:
        here = f"stages.{stage.name}"
        if stage.name in earlier or stage.name in (*CATALOG, "parameter", "dataset"):
            yield Fault("the name is used already", file=file, column=here, value=stage.name)
        for name in stage.needs:
            if name not in earlier:
                yield Fault(
                    "no earlier stage has this name",
                    file=file,
                    column=f"{here}.needs",
                    value=name,
                    remedy=suggestion(name, earlier),
                )
        for table in stage.tables:
            if table.count(":") != 1:
                yield Fault("is no SCHEMA:TABLE", file=file, column=f"{here}.tables", value=table)
        for command in stage.command:
            yield from (
                Fault(what, file=file, column=f"{here}.command", value=value, remedy=remedy)
                for what, value, remedy in _wrong(command, stage, pipeline, earlier)
            )
        earlier[stage.name] = stage


def _wrong(
    command: str, stage: Stage, pipeline: Pipeline, earlier: Mapping[str, Stage]
) -> Iterator[tuple[str, str, str | None]]:
    """What is wrong with a command: message, value, remedy."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        yield f"cannot be taken apart into words: {error}", command, None
        return
    if not words:
        yield "is empty", command, None
    if "promote" in words and any(str(ModelStage.PRODUCTION) in word for word in words):
        yield (
            "promotes to Production",
            command,
            f"a pipeline proposes ({ModelStage.STAGING}), a person promotes",
        )
    for name in placeholders(command):
        head, _, rest = name.partition(".")
        known = {*CATALOG, *(f"parameter.{each}" for each in pipeline.parameters)}
        known |= {f"dataset.{pin}" for pin in stage.datasets}
        for other in stage.needs:
            if other in earlier:
                known |= {f"{other}.{kind}" for kind in (EXECUTION, *earlier[other].makes)}
        if name in known:
            continue
        remedy = suggestion(name, known)
        if head == "dataset" and rest:
            remedy = f'write datasets = ["{rest}"] for this stage'
        elif head in earlier and head not in stage.needs:
            remedy = f'write needs = ["{head}"] for this stage'
        elif head in earlier:
            remedy = f'write makes = ["{rest}"] for stage {head}'
        yield "is nothing that a command can name", f"{{{name}}}", remedy
