"""The HTTP interface of a model.

    POST /predict   {"features": {…}, "unit": …, "request_id": …}, or a list of these
    GET  /health    whether the process lives
    GET  /ready     whether it may be asked: 503 with the reasons where not
    GET  /info      which model this is, where it comes from, what it takes
    GET  /metrics   counts, as OpenMetrics

What is wrong with a request is answered with 4xx and `detail`, a list of `loc`, `msg` and `type`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from deriva_ml_kit.ops.golden import versions
from deriva_ml_kit.ops.predictions import Prediction
from deriva_ml_kit.ops.serving.metrics import CONTENT_TYPE
from deriva_ml_kit.ops.serving.schema import Refused, refusal
from deriva_ml_kit.ops.serving.service import FAILED, Service, Settings
from deriva_ml_kit.ops.serving.split import CANARY, PRODUCTION

NOT_READY = 503


def create_app(settings: Settings) -> FastAPI:
    """The application; it begins to load the model when it is started, and answers `/health` meanwhile.

    Raises:
        UsageError: The prediction log cannot be written.
    """
    service = Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(service.prepare())
        yield
        loading.cancel()
        await service.close()

    app = FastAPI(title="A model in service", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.service = service

    async def predict(request: Request) -> Response:
        """Answer one record, or a list of them."""
        try:
            if service.schema is None:
                raise Refused(NOT_READY, [{"loc": [], "msg": fault, "type": "not_ready"} for fault in service.faults])
            records, many = service.schema.read(await _body(request, settings))
            answers = await service.answer(records)
            if faults := _faults(answers, many):
                raise Refused(max(each.status for each in answers), faults)
        except Refused as refused:
            service.metrics.requests[refused.status] += 1
            return _json({"detail": refused.detail}, refused.status)
        service.metrics.requests[200] += 1
        shown = [_shown(answer) for answer in answers]
        return _json(shown if many else shown[0])

    # Not as one of FastAPI: the schema is known only with the model, and checking it alone is much faster.
    app.add_route("/predict", predict, methods=["POST"])

    @app.get("/health")
    async def health() -> Response:
        """Whether the process lives."""
        return _json({"alive": True})

    @app.get("/ready")
    async def ready() -> Response:
        """Whether the model may be asked."""
        golden = {
            arm: str(model.reproduction) for arm, model in service.models.items() if model.reproduction is not None
        }
        answer = {
            "ready": not service.faults,
            "faults": service.faults,
            "candidate_faults": service.candidate_faults,
            "golden": golden,
        }
        return _json(answer, NOT_READY if service.faults else 200)

    @app.get("/info")
    async def info() -> Response:
        """Which model this is, where it comes from, and what it takes."""
        models = {arm: model.bundle.manifest.model_dump(mode="json") for arm, model in service.models.items()}
        return _json(
            {
                **{arm: models.get(arm) for arm in (PRODUCTION, CANARY)},
                "split": settings.split().model_dump(),
                "libraries": versions(),
                "schema": service.schema.json_schema() if service.schema else None,
            }
        )

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counts."""
        shadow = service.shadow
        gauges = {
            "ready": ("Whether the model may be asked", float(not service.faults)),
            "candidate": ("Whether a candidate stands by", float(CANARY in service.models)),
        }
        counters = {"shadow_dropped": ("Records that the shadow did not see", float(shadow.dropped))} if shadow else {}
        if shadow:
            gauges["shadow_waiting"] = ("Records that wait for the shadow", float(shadow.waiting))
        return Response(service.metrics.text(gauges, counters), media_type=CONTENT_TYPE)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return _json({"detail": [{"loc": [], "msg": "The server failed", "type": "failed"}]}, FAILED)

    def openapi() -> dict[str, Any]:
        made = get_openapi(title=app.title, version="1", routes=app.routes)
        schema = service.schema.json_schema("#/components/schemas/{model}") if service.schema else {}
        made.setdefault("components", {}).setdefault("schemas", {}).update(schema.pop("$defs", {}))
        made["paths"]["/predict"] = {
            "post": {
                "summary": "Answer one record, or a list of them.",
                "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
                "responses": {"200": {"description": "The answer"}, "422": {"description": "What is wrong, and where"}},
            }
        }
        return made

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to change it
    return app


async def _body(request: Request, settings: Settings) -> bytes:
    """What was sent, if it says that it is JSON, is not too large, and comes in time.

    Raises:
        Refused: It is not.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise refusal(415, "content_type", f"Send application/json, and not {kind[:80] or 'a body without a type'}")
    too_large = refusal(413, "too_large", f"The body is larger than {settings.largest} bytes")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > settings.largest:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(settings.patience):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > settings.largest:
                    raise too_large
    except TimeoutError as error:
        raise refusal(408, "timeout", f"The body did not come within {settings.patience:g} seconds") from error
    except ClientDisconnect as error:
        raise refusal(400, "disconnected", "The client has gone") from error
    return b"".join(parts)


def _faults(answers: list[Prediction], many: bool) -> list[dict[str, Any]]:
    """Why records could not be answered; one of them is enough to answer none."""
    faults: list[dict[str, Any]] = []
    for number, answer in enumerate(answers):
        loc = ["body", *([number] if many else [])]
        if answer.status == FAILED:
            faults.append(
                {"loc": loc, "msg": f"The model failed; the log says why: {answer.request_id}", "type": "failed"}
            )
        elif answer.status != 200:
            faults += [
                {
                    "loc": [*loc, "features", name],
                    "msg": "The model was never trained on such a value",
                    "type": "unseen",
                }
                for name in answer.unseen
            ]
    return faults


def _shown(answer: Prediction) -> dict[str, Any]:
    return {
        "request_id": answer.request_id,
        "prediction": answer.prediction,
        "scores": answer.scores,
        "unseen": answer.unseen,
        "arm": answer.arm,
        "model_rid": answer.model_rid,
    }


def _json(content: Any, status: int = 200) -> Response:
    return Response(to_json(content), status, media_type="application/json")
