"""Whether an execution could start, said before anything is fetched or written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.datasets.queries import resembling
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.validation.configurations import UNSET, Configuration, Input, Problem, read, version_of
from deriva_ml_kit.tools.validation.workflow import WorkflowResult, looked_at, workflow_rid

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import ExecutionConfigurationValidationReport
    from deriva_ml_kit.mainline.validation.report import AssetSpecResult, DatasetSpecResult

# How many unknown RIDs are compared with those there are, and how many candidates are shown.
SEARCHES = 10
SHOWN = 8
# Stands for a version that is missing or cannot be read, so that the rest can be looked at.
NO_VERSION = "0.0.0"


class DatasetResult(BaseModel):
    """A dataset as an input."""

    place: str
    rid: str
    role: str | None
    version: str | None
    valid: bool
    reasons: list[str]
    actual_table: str | None = Field(description="Table of the RID, if it is no dataset")
    available_versions: list[str] | None = Field(description="Newest first, if the one asked for is missing")
    dataset_name: str | None


class AssetResult(BaseModel):
    """An asset as an input."""

    place: str
    rid: str
    valid: bool
    reasons: list[str]
    actual_table: str | None = Field(description="Table of the RID, if it is no asset")
    asset_table: str | None
    filename: str | None


class CrossIssue(BaseModel):
    """What does not go together."""

    issue: str = Field(description="duplicate_rid, version_conflict or role_conflict")
    rids: list[str]
    places: list[str]
    detail: str


class ValidationAnswer(Answer):
    """Whether an execution could start, and everything that stands against it."""

    valid: bool
    problems: list[Problem] = Field(description="Everything that stands against it")
    warnings: list[Problem] = Field(description="What does not stand against it")
    dataset_results: list[DatasetResult]
    asset_results: list[AssetResult]
    workflow_result: WorkflowResult | None = Field(description="None if no workflow is given")
    cross_spec_issues: list[CrossIssue]


@tool("Check an execution's configuration", Effect.READ)
def deriva_ml_validate_execution_configuration(
    call: Call,
    *,
    config: Annotated[
        dict[str, Any],
        Field(
            description='Datasets, assets and workflow: {"datasets": [{"rid", "version"} or "RID@VERSION"], "assets": '
            '[RID], "workflow": RID or {"name", "workflow_type"}}, or a composed configuration with datasets by role'
        ),
    ],
) -> ValidationAnswer:
    """Whether an execution with this configuration could start: whether every dataset, version, asset and the workflow
    exist and go together. It names all problems at once; an invalid configuration is an answer, with `valid` false, and
    no error. Call it before every dry run and every real one: nothing is fetched or written.
    """
    given = read(config)
    report = _looked_up(call, given)
    workflow, of_workflow = looked_at(call, given.workflow, report.workflow_result)
    issues = list(_issues(given, report))
    of_datasets = list(_of_datasets(call, given.datasets, report.dataset_results))
    of_assets = [_of_asset(each, found) for each, found in zip(given.assets, report.asset_results, strict=True)]
    problems = [
        *given.problems,
        *_elsewhere(call, config),
        *(problem for found in of_datasets for problem in found),
        *(problem for found in of_assets for problem in found),
        *of_workflow,
        *(Problem(place=", ".join(each.places), reason=each.issue, message=each.detail) for each in issues),
    ]
    dataset_results = [
        DatasetResult.model_validate(
            result.model_dump(exclude={"spec", "reasons", "valid", "warnings"})
            | {"place": each.place, "rid": each.rid, "role": each.role, "version": _text(each.version)}
            | {"valid": not found, "reasons": [problem.reason for problem in found]}
        )
        for each, result, found in zip(given.datasets, report.dataset_results, of_datasets, strict=True)
    ]
    asset_results = [
        AssetResult.model_validate(result.model_dump(exclude={"spec"}) | {"place": each.place, "rid": each.rid})
        for each, result in zip(given.assets, report.asset_results, strict=True)
    ]
    return ValidationAnswer(
        valid=not problems,
        problems=problems,
        warnings=[*given.warnings, *_warnings(config, given.datasets)],
        dataset_results=dataset_results,
        asset_results=asset_results,
        workflow_result=workflow,
        cross_spec_issues=issues,
        next_step=_next(call, dataset_results, sound=not problems),
    )


def _next(call: Call, datasets: Sequence[DatasetResult], *, sound: bool) -> str | None:
    if not sound:
        return f"Correct what problems name, then call {call.tool} again: what was cut here is named then."
    if not datasets:
        return None
    return call.example("deriva_ml_bag_info", dataset_rid=datasets[0].rid, version=datasets[0].version)


def _looked_up(call: Call, given: Configuration) -> ExecutionConfigurationValidationReport:
    """What the catalog says about everything that looks like a RID."""
    from deriva_ml_kit.mainline import AssetSpec, DatasetSpec, ExecutionConfiguration  # noqa: PLC0415  (takes seconds)

    return call.ml.validate_execution_configuration(
        ExecutionConfiguration(
            datasets=[
                DatasetSpec(rid=each.rid, version=version_of(each.version)[0] or NO_VERSION) for each in given.datasets
            ],
            assets=[AssetSpec(rid=each.rid) for each in given.assets],
            workflow=workflow_rid(given.workflow),
        )
    )


def _of_datasets(call: Call, given: Sequence[Input], results: Sequence[DatasetSpecResult]) -> Iterator[list[Problem]]:
    """What is wrong with each dataset."""
    searches = SEARCHES
    for each, result in zip(given, results, strict=True):
        rid, there = each.rid, result.available_versions or []
        newest = next((version for version in there if ".dev" not in version), None)
        pin = f'Write "{rid}@{newest}".' if newest else f"Release it first: {_release(call, rid)}"
        version, wrong = version_of(each.version)
        if "rid_not_found" in result.reasons:
            near = resembling(call.ml, rid) if searches > 0 else []
            searches -= 1
            remedy = f"{call.example('deriva_ml_list_datasets')} lists the datasets."
            yield [_problem(each, "rid_not_found", f"The catalog has no RID {rid}.", remedy, near)]
        elif "not_a_dataset" in result.reasons:
            yield [_problem(each, "not_a_dataset", f"{rid} is a row of {result.actual_table}, not a dataset.")]
        elif wrong == "version_missing":
            yield [_problem(each, wrong, f"Dataset {rid} is given without version.", pin, there)]
        elif wrong:
            yield [_problem(each, wrong, f"{each.version!r} is no version; those are like 0.2.0.", pin, there)]
        elif version is not None and version.is_devrelease:
            message = f"{version} is a state in development, which changes, so that no execution can use it."
            yield [_problem(each, "version_in_development", message, f"Release it first: {_release(call, rid)}", there)]
        elif result.reasons:
            yield [_problem(each, "version_not_found", f"Dataset {rid} has no version {version}.", pin, there)]
        elif result.warnings:
            message = f"Dataset {rid} is marked as deleted, so that no execution can fetch it."
            yield [_problem(each, "dataset_deleted", message)]
        else:
            yield []


def _of_asset(given: Input, result: AssetSpecResult) -> list[Problem]:
    """What is wrong with an asset."""
    if "rid_not_found" in result.reasons:
        return [_problem(given, "rid_not_found", f"The catalog has no RID {given.rid}.")]
    if "not_an_asset" in result.reasons:
        message = f"{given.rid} is a row of {result.actual_table}, which holds no files."
        remedy = "A dataset belongs into datasets, with its version." if result.actual_table == "Dataset" else None
        return [_problem(given, "not_an_asset", message, remedy)]
    return []


def _issues(given: Configuration, report: ExecutionConfigurationValidationReport) -> Iterator[CrossIssue]:
    """What does not go together, with all places."""
    places: dict[str, list[str]] = defaultdict(list)
    roles: dict[str, list[str]] = defaultdict(list)
    for each in [*given.datasets, *given.assets]:
        places[each.rid].append(each.place)
        if each.role:
            roles[each.rid].append(each.role)
    if rid := workflow_rid(given.workflow):
        places[rid].append("workflow")
    versionless = {each.rid for each in given.datasets if version_of(each.version)[1]}
    for issue in report.cross_spec_issues:
        [rid] = issue.rids
        told_below = issue.issue == "duplicate_rid" and len(roles[rid]) > 1
        if issue.issue == "role_conflict" or not (told_below or rid in versionless):
            yield CrossIssue(places=places[rid], **issue.model_dump())
    for rid, played in roles.items():
        if len(played) > 1:
            detail = f"{rid} is given as {' and as '.join(played)}; a run has one role for it."
            yield CrossIssue(issue="role_conflict", rids=[rid], places=places[rid], detail=detail)


def _elsewhere(call: Call, config: Mapping[str, Any]) -> Iterator[Problem]:
    """Whether the configuration says another catalog than the call."""
    said = config.get("deriva_ml")
    if not isinstance(said, Mapping):
        return
    here = {"hostname": call.hostname, "catalog_id": call.catalog_id}
    there = {name: str(said[name]).removeprefix("https://").rstrip("/") for name in here if said.get(name) not in UNSET}
    if any(here[name] != value for name, value in there.items()):
        arguments = ", ".join(f'{name}="{value}"' for name, value in there.items())
        yield Problem(
            place="deriva_ml",
            reason="other_catalog",
            message=f"It is for another catalog than this one, catalog {call.catalog_id} on {call.hostname}.",
            remedy=f"Call this with {arguments}.",
        )


def _warnings(config: Mapping[str, Any], datasets: Sequence[Input]) -> Iterator[Problem]:
    if not datasets:
        yield Problem(place="datasets", reason="no_datasets", message="It names no datasets.")
    if config.get("description") in UNSET:
        message = "It has no description, which the execution would record."
        yield Problem(place="description", reason="no_description", message=message)


def _problem(
    given: Input, reason: str, message: str, remedy: str | None = None, candidates: Sequence[str] = ()
) -> Problem:
    near = list(candidates[:SHOWN])
    return Problem(place=given.place, reason=reason, message=message, remedy=remedy, candidates=near)


def _release(call: Call, rid: str) -> str:
    return call.example("deriva_ml_release_dataset", dataset_rid=rid, bump="minor")


def _text(version: Any) -> str | None:
    """A version as it is written in a pin; what is none as it was given."""
    made, _ = version_of(version)
    return str(made) if made else None if version is None else str(version)
