"""A model in service: which model answers a record, what is logged, whether it may be served at all. Knows no HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deriva_ml_kit.ops.golden import Transform
from deriva_ml_kit.ops.predictions import Prediction
from deriva_ml_kit.ops.serving.answering import Answer
from deriva_ml_kit.ops.serving.bundle import Bundle, Loaded, load_bundle
from deriva_ml_kit.ops.serving.log import PredictionLog
from deriva_ml_kit.ops.serving.metrics import Metrics
from deriva_ml_kit.ops.serving.model import Load
from deriva_ml_kit.ops.serving.queue import Queue
from deriva_ml_kit.ops.serving.schema import UNPROCESSABLE, Asked, Schema, refusal
from deriva_ml_kit.ops.serving.shadow import Shadow
from deriva_ml_kit.ops.serving.split import CANARY, PRODUCTION, SHADOW, Split

_log = logging.getLogger(__name__)
BUSY = 429
FAILED = 500
SLOW = 0.005  # seconds; a model that takes longer must not keep others from being heard


def unsplit() -> Split:
    """No split: everything goes to production."""
    return Split(salt="none")


@dataclass(frozen=True)
class Settings:
    """How a model is served.

    Attributes:
        find: Gives the folder of the model; may take long, may fail.
        log: Folder of the prediction log.
        candidate: Gives the folder of a second model, which stands by.
        load: Reads a model's file; joblib's where not given.
        transform: Makes features of raw records, as in the training.
        split: Gives the split between model and candidate that holds now.
        refuse_unseen: Refuse records with values that the training never had, instead of naming them.
        most: Most records of a request.
        largest: Most bytes of a request.
        waiting: Most records that wait for the model; above that clients are told to come again.
        retry: Seconds until `find` is tried again where it failed.
        patience: Seconds that a request may take to arrive, and the shadow to finish at the end.
    """

    find: Callable[[], Bundle]
    log: Path
    candidate: Callable[[], Bundle] | None = None
    load: Load | None = None
    transform: Transform | None = None
    split: Callable[[], Split] = unsplit
    refuse_unseen: bool = False
    most: int = 1000
    largest: int = 8 * 2**20
    waiting: int = 5000
    retry: float = 30.0
    patience: float = 10.0


class Service:
    """The models and their log.

    Attributes:
        models: Arm to model, those that were loaded.
        faults: Why nothing is answered; empty when it is ready.
        candidate_faults: Why the candidate is not there, which keeps nobody from being answered.
        schema: What a request may say, once it is known.
        metrics: What was counted.
        shadow: The candidate's process, where there is a candidate.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.models: dict[str, Loaded] = {}
        self.faults = ["the model is being loaded"]
        self.candidate_faults: list[str] = []
        self.schema: Schema | None = None
        self.metrics = Metrics()
        self.shadow: Shadow | None = None
        self._queues: dict[str, Queue] = {}
        self._pools: dict[str, ThreadPoolExecutor | None] = {}
        self._lines = PredictionLog(settings.log)

    async def prepare(self) -> None:
        """Load the model, again and again until it is found; what it answers wrongly does not change by trying."""
        while True:
            try:
                model = await asyncio.to_thread(self._load, self.settings.find)
                break
            except Exception as error:  # the server stays up and says why it is not ready
                self.faults = [_said(error)]
                _log.error("not ready: %s", self.faults[0])
                await asyncio.sleep(self.settings.retry)
        self.models[PRODUCTION] = model
        if model.answerer is None or model.faults:
            self.faults = model.faults
            _log.error("not ready: %s", "; ".join(self.faults))
            return
        self._stand(PRODUCTION, model)
        if self.settings.candidate:
            await self._prepare_candidate(self.settings.candidate, model.answerer.types)
        # What was loaded stays; looking through it for garbage would stop all answers for a tenth of a second.
        gc.collect()
        gc.freeze()
        self.schema = Schema(model.answerer.types, model.seen, most=self.settings.most)
        self.faults = []
        _log.info("ready: %s", {arm: each.bundle.manifest.model_rid for arm, each in self.models.items()})

    async def _prepare_candidate(self, find: Callable[[], Bundle], types: Mapping[str, str]) -> None:
        """Load the candidate; where that fails, the model in production answers everybody."""
        try:
            candidate = await asyncio.to_thread(self._load, find)
            self.candidate_faults = candidate.faults
            if candidate.answerer and candidate.answerer.types != types:  # a request does not know who answers it
                other = sorted({name for name, _ in candidate.answerer.types.items() ^ types.items()})
                self.candidate_faults = [
                    f"the candidate takes other columns, or other types of them: {', '.join(other)}"
                ]
        except Exception as error:
            self.candidate_faults = [_said(error)]
        if self.candidate_faults:
            _log.error("no candidate: %s", "; ".join(self.candidate_faults))
            return
        assert candidate.answerer is not None
        self._stand(CANARY, replace(candidate, answerer=candidate.answerer.given(types)))
        how = self.settings
        self.shadow = Shadow(candidate.bundle.folder, tuple(types), load=how.load, transform=how.transform)

    def _load(self, find: Callable[[], Bundle]) -> Loaded:
        return load_bundle(find(), load=self.settings.load, transform=self.settings.transform)

    def _stand(self, arm: str, model: Loaded) -> None:
        assert model.answerer is not None
        pool = ThreadPoolExecutor(1, thread_name_prefix=arm) if model.seconds > SLOW else None
        self.models[arm], self._pools[arm] = model, pool
        self._queues[arm] = Queue(model.answerer.answer, pool, self.settings.waiting)

    async def answer(self, asked: Sequence[Asked]) -> list[Prediction]:
        """Answer records, and log what was answered.

        Raises:
            Refused: More wait than can be answered.
        """
        now, split = datetime.now(UTC), self.settings.split()
        names = [each.request_id or uuid.uuid4().hex for each in asked]
        # Without a unit every request is a unit of its own: its share is right, and it is not sticky.
        arms = [
            split.arm(each.unit or name) if CANARY in self._queues else PRODUCTION
            for each, name in zip(asked, names, strict=True)
        ]
        places = {arm: [number for number, each in enumerate(arms) if each == arm] for arm in dict.fromkeys(arms)}
        waiting = {arm: self._queues[arm].offer([asked[i].values for i in numbers]) for arm, numbers in places.items()}
        if any(each is None for each in waiting.values()):
            raise refusal(BUSY, "busy", "More records wait than can be answered; come again in a second")
        made: list[Prediction | None] = [None] * len(asked)
        for arm, answering in waiting.items():
            assert answering is not None
            for number, answer in zip(places[arm], await answering, strict=True):
                made[number] = self._predicted(arm, now, asked[number], names[number], answer)
        predictions = [each for each in made if each is not None]
        self._keep(predictions)
        if self.shadow and split.shadow:
            self._show(now, [(asked[i], names[i]) for i in places.get(PRODUCTION, [])])
        return predictions

    def _predicted(self, arm: str, now: datetime, asked: Asked, name: str, answer: Answer) -> Prediction:
        model = self.models[CANARY if arm == SHADOW else arm]
        status = 200
        if answer.error is not None:
            # What it was never trained on, it may fail on; the shadow not, since production has answered it.
            status = UNPROCESSABLE if answer.unseen and arm != SHADOW else FAILED
        elif self.settings.refuse_unseen and answer.unseen:
            status = UNPROCESSABLE
        self.metrics.predicted(arm, status, answer.latency_ms, unseen=bool(answer.unseen))
        return Prediction(
            request_id=name,
            time=now,
            unit=asked.unit,
            arm=arm,
            model_rid=model.bundle.manifest.model_rid,
            features=answer.features,
            prediction=answer.prediction,
            scores=answer.scores,
            latency_ms=answer.latency_ms,
            status=status,
            error=answer.error,
            unseen=answer.unseen,
        )

    def _keep(self, predictions: list[Prediction]) -> None:
        try:
            self._lines.write(predictions)
        except OSError as error:  # a full disk must not stop the service
            self.metrics.unlogged += len(predictions)
            _log.error("%d predictions could not be logged: %s", len(predictions), error)

    def _show(self, now: datetime, shown: list[tuple[Asked, str]]) -> None:
        def answered(answers: list[Answer]) -> None:
            pairs = zip(shown, answers, strict=True)
            self._keep([self._predicted(SHADOW, now, asked, name, answer) for (asked, name), answer in pairs])

        if self.shadow and shown:
            self.shadow.offer([asked.values for asked, _ in shown], answered)

    async def close(self) -> None:
        """Finish what was taken, and close the log."""
        if self.shadow:
            await self.shadow.close(self.settings.patience)
        for pool in filter(None, self._pools.values()):
            pool.shutdown()
        self._lines.close()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
