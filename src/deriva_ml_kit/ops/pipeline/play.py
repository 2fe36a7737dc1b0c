"""Play a pipeline: one parent execution with the stages' executions as its parts, in order.

A stage whose key has a record, all of which is still there, is not run: its earlier executions become parts of this
parent, too. What a stage has left is recorded as soon as it has ended, so that any end of this program is one to go on
from. Where nothing has changed, nothing is written.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration, Workflow
from deriva_ml_kit.mainline.catalog.single import needs
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.mainline.execution.starting import NOTED
from deriva_ml_kit.ops import child
from deriva_ml_kit.ops.kinds import WorkflowType
from deriva_ml_kit.ops.pipeline import inputs, records
from deriva_ml_kit.ops.pipeline.definition import EXECUTION, Pipeline, Stage, filled, placeholders
from deriva_ml_kit.ops.pipeline.inputs import StageInputs
from deriva_ml_kit.ops.pipeline.records import StageRecord
from deriva_ml_kit.ops.pipeline.results import PipelineRecord, Played, StageFailed, StageResult, State, reused
from deriva_ml_kit.runner.outputs import attach
from deriva_ml_kit.runner.sweep.parent import Parent

RECORD = "pipeline.json"
INTERRUPTED = (130, -2)  # by script.run, by the signal itself


class Player:
    """Plays a pipeline.

    Args:
        ml: The catalog.
        root: The project's folder.
        file: The pipeline's file.
        pipeline: What it says.
        again: Stages that are run whatever has changed.
        say: Called with one line for a person at each step.

    Raises:
        UsageError: Files differ from the last commit, or no stage has a name of `again`.
    """

    def __init__(
        self,
        ml: DerivaML,
        root: Path,
        file: Path,
        pipeline: Pipeline,
        *,
        again: Collection[str] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        names = {stage.name for stage in pipeline.stages}
        if unknown := sorted(set(again) - names):
            raise UsageError(f"No stage is called {unknown[0]}.", remedy=f"There are {', '.join(sorted(names))}.")
        _refuse_changes(root)
        self._ml, self._root, self._file, self._pipeline = ml, root, file, pipeline
        self._again, self._say = set(again), say
        self._commit = inputs.head(root)
        self._parent: Parent | None = None
        self.played = Played()

    def plan(self) -> list[StageResult]:
        """What would be done; nothing is written, nothing is run."""
        found: list[StageResult] = []
        for stage in self._pipeline.stages:
            waits = [name for name in stage.needs if name not in self.played.left]
            if waits:
                found.append(StageResult(stage=stage.name, state=State.TO_RUN, why=f"after {', '.join(waits)}"))
                continue
            try:
                given = self._given(stage)
            except UsageError as error:
                if all(each.state is State.REUSED for each in found):
                    raise
                found.append(StageResult(stage=stage.name, state=State.OPEN, why=f"for now: {error}"))
                continue
            record, why = self._reusable(stage, given)
            if record is None:
                found.append(StageResult(stage=stage.name, state=State.TO_RUN, why=why))
            else:
                self.played.left[stage.name] = record
                found.append(reused(record))
        return found

    def play(self) -> Played:
        """Run what has changed, until a stage fails.

        Raises:
            KeyboardInterrupt: Somebody stopped it; parent and stage say so in the catalog.
            KitError: A stage lacks what it reads, or the catalog is not prepared.
        """
        try:
            for number, stage in enumerate(self._pipeline.stages, start=1):
                self._stage(number, stage)
                if self.played.failed:
                    break
        except KeyboardInterrupt:
            self._end(State.INTERRUPTED)
            raise
        except BaseException:
            self._end(State.FAILED)
            raise
        self._end(State.FAILED if self.played.failed else State.RAN)
        return self.played

    def _stage(self, number: int, stage: Stage) -> None:
        given = self._given(stage)
        record, why = self._reusable(stage, given)
        where = f"{number}/{len(self._pipeline.stages)} {stage.name}"
        if record is not None:
            self._say(f"{where}: reused, {', '.join(record.executions) or 'it makes no execution'}")
            self.played.left[stage.name] = record
            self.played.results.append(reused(record))
            if self._parent:
                self._link(record.executions, number)
            return
        self._say(f"{where}: runs, {why}")
        self._begin().running(f"Stage {where}: {why}")
        self._run(number, stage, given, why)

    def _run(self, number: int, stage: Stage, given: StageInputs, why: str) -> None:
        """Run the commands of a stage, and record what it left."""
        began, executions = time.perf_counter(), list[str]()
        commit = inputs.head(self._root)
        state, told, code = State.FAILED, "broken off", 1
        try:
            with tempfile.TemporaryDirectory(prefix="deriva-ml-stage-") as folder:
                noted = Path(folder, "executions")
                try:
                    for words in self._commands(stage, given):
                        self._run_command(stage, words, noted)
                finally:
                    executions = _noted(noted, str(self._ml.catalog_id))
                    self._link(executions, number)
            record = self._left(stage, given, executions, commit, time.perf_counter() - began)
            self._commit_files(stage, record)
        except StageFailed as error:
            state, told, code = State.FAILED, error.message, error.exit_code
            self._say(f"{stage.name}: {told}")
        except KeyboardInterrupt:
            state, told, code = State.INTERRUPTED, "interrupted", INTERRUPTED[0]
            raise
        else:
            attach(self._ml, self._rid, record.file, record.text(), str(record.KIND))
            self.played.left[stage.name] = record
            state, told, code = State.RAN, why, 0
        finally:
            self.played.results.append(
                StageResult(
                    stage=stage.name,
                    state=state,
                    why=told,
                    executions=tuple(executions),
                    seconds=time.perf_counter() - began,
                    exit_code=code,
                )
            )

    def _run_command(self, stage: Stage, words: list[str], noted: Path) -> None:
        try:
            code = child.run(words, self._root, {NOTED: str(noted)})
        except FileNotFoundError:
            raise StageFailed(f"stage {stage.name}: there is no program {words[0]}", 2) from None
        if code in INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            raise StageFailed(f"stage {stage.name}: `{' '.join(words)}` ended with {code}", 2 if code == 2 else 1)

    def _left(
        self, stage: Stage, given: StageInputs, executions: list[str], commit: str, seconds: float
    ) -> StageRecord:
        outputs = tuple(records.outputs_of(self._ml, executions))
        made = {kind for output in outputs for kind in output.types}
        if missing := [kind for kind in stage.makes if kind not in made]:
            raise StageFailed(
                f"stage {stage.name} makes {', '.join(missing)}, says {self._file.name}, and has left "
                f"{', '.join(sorted(made)) or 'no file'}"
            )
        return StageRecord(
            pipeline=self._pipeline.name,
            stage=stage.name,
            key=given.key,
            inputs=given,
            commit=commit,
            executions=tuple(records.topmost(self._ml, executions)),
            outputs=outputs,
            datasets=tuple(records.datasets_of(self._ml, executions)),
            seconds=round(seconds, 3),
        )

    def _commit_files(self, stage: Stage, record: StageRecord) -> None:
        """Commit what the stage may change; anything else that it changed is its failure."""
        changed = inputs.uncommitted(self._root)
        if other := sorted(set(changed) - set(stage.commits)):
            raise StageFailed(
                f"stage {stage.name} has changed {', '.join(other[:5])}; write them under commits, or into .gitignore"
            )
        if changed:
            made = f" by execution {', '.join(record.executions)}" if record.executions else ""
            inputs.commit(self._root, changed, f"Stage {stage.name} of pipeline {self._pipeline.name}{made}")

    def _given(self, stage: Stage) -> StageInputs:
        named = [name.partition(".") for command in stage.command for name in placeholders(command)]
        left = {
            name: self.played.left[name].left({kind for head, _, kind in named if head == name}) for name in stage.needs
        }
        return inputs.inputs_of(self._ml, self._root, self._pipeline, stage, left)

    def _reusable(self, stage: Stage, given: StageInputs) -> tuple[StageRecord | None, str]:
        """The record by which a stage need not run, or why it must."""
        if stage.always or stage.name in self._again:
            return None, "always" if stage.always else "as you asked"
        record = records.find(self._ml, self._pipeline.name, stage.name, given.key)
        if record is not None:
            lost = records.gone(self._ml, record) or next(
                (f"{file} is gone" for file in stage.commits if not (self._root / file).is_file()), None
            )
            return (None, lost) if lost else (record, "")
        before = records.last(self._ml, self._pipeline.name, stage.name)
        changed = inputs.changes(before.inputs, given) if before else []
        return None, f"changed: {', '.join(changed)}" if changed else "it never did"

    def _commands(self, stage: Stage, given: StageInputs) -> list[list[str]]:
        """Its commands as they are typed now.

        Raises:
            StageFailed: A stage before left several files of a type, or no execution.
        """
        values = {"hostname": self._ml.host_name, "catalog_id": str(self._ml.catalog_id)}
        values |= {f"parameter.{name}": str(value) for name, value in self._pipeline.parameters.items()}
        values |= {f"dataset.{name}": pin for name, pin in given.datasets.items()}
        for name in {each for command in stage.command for each in placeholders(command)} - values.keys():
            head, _, kind = name.partition(".")
            values[name] = _only(self.played.left[head], kind)
        return [filled(command, values) for command in stage.command]

    @property
    def _rid(self) -> str:
        return self._begin().rid

    def _begin(self) -> Parent:
        """The parent, made when the first stage runs; what was reused before becomes its parts."""
        if self._parent is None:
            self._parent = Parent(self._ml, self._recorded())
            self.played.execution = self._parent.rid
            for number, result in enumerate(self.played.results, start=1):
                self._link(result.executions, number)
        return self._parent

    def _recorded(self) -> str:
        needs(self._ml, nested.TABLE)
        url, checksum = Workflow.get_url_and_checksum(self._file)
        workflow = Workflow(
            name=f"Pipeline {self._pipeline.name}",
            workflow_type=str(WorkflowType.PIPELINE),
            description=self._pipeline.description,
            url=url,
            checksum=checksum,
            git_root=self._root,
        )
        text = f"{self._pipeline.description} [pipeline {self._pipeline.name}]".strip()
        made = self._ml.create_execution(ExecutionConfiguration(description=text), workflow=workflow)
        return str(made.execution_rid)

    def _link(self, executions: Collection[str], number: int) -> None:
        for rid in records.topmost(self._ml, executions):
            nested.add(self._ml, self._rid, rid, number)

    def _end(self, state: State) -> None:
        """Record how it ended; where it never began to run anything, there is nothing to record."""
        if self._parent is None:
            return
        results = self.played.results
        told = ", ".join(f"{each.stage} {each.state}" for each in results)
        record = PipelineRecord(
            pipeline=self._pipeline.name,
            commit=self._commit,
            parameters=self._pipeline.parameters,
            stages=tuple(results),
        )
        attach(self._ml, self._rid, RECORD, record.text(), str(record.KIND))
        if state is State.INTERRUPTED:
            self._parent.interrupted(told)
        else:
            self._parent.finished([], told, passed=state is State.RAN)


def _refuse_changes(root: Path) -> None:
    if changed := inputs.uncommitted(root):
        raise UsageError(
            f"Files differ from the last commit, so nobody could say what ran: {', '.join(changed[:5])}"
            f"{' …' if len(changed) > 5 else ''}",
            remedy="Commit them: git add -A && git commit",
        )


def _noted(file: Path, catalog_id: str) -> list[str]:
    """RIDs of the executions that programs have begun in this catalog, in their order."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = [json.loads(line) for line in lines]
    return [str(each["execution_rid"]) for each in found if each["catalog_id"] == catalog_id]


def _only(record: StageRecord, kind: str) -> str:
    """The RID that `{STAGE.KIND}` means."""
    found = (
        list(record.executions[-1:])
        if kind == EXECUTION
        else [output.rid for output in record.outputs if kind in output.types]
    )
    if len(found) != 1:
        raise StageFailed(f"{{{record.stage}.{kind}}} means {', '.join(found) or 'nothing'}: it must be one", 2)
    return found[0]
