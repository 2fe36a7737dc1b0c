"""`/deriva/export/…`: makes bags and files, and hands them out."""

from __future__ import annotations

import mimetypes
import os
from typing import BinaryIO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from deriva_local.blobs.content import read_range
from deriva_local.blobs.results import Result
from deriva_local.errors import BadRequest, PayloadTooLarge
from deriva_local.export.config import KINDS
from deriva_local.export.service import Exporter

DOCUMENT_LIMIT = 8 << 20  # bytes; the document of a dataset with a thousand paths has about 0.5 MB
LOG = "log"


def routes(exporter: Exporter) -> list[BaseRoute]:
    """The export service's routes. `request.state` holds the client and its token."""
    return [route for kind in KINDS for route in _routes(exporter, kind)]


def _routes(exporter: Exporter, kind: str) -> list[BaseRoute]:
    async def make(request: Request) -> Response:
        body = await _body(request)
        state = request.state
        result = await run_in_threadpool(exporter.make, kind, body, state.client, state.token)
        base = f"https://{request.headers['host']}/deriva/export/{kind}/{result.key}"
        urls = [f"{base}/{quote(name)}" for name in result.names]
        # deriva's client takes the second line for the bag if there is one: hence no line end after the only line.
        return PlainTextResponse("\n".join(urls), 201, {"Location": urls[0]}, media_type="text/uri-list")

    def fetch(request: Request) -> Response:
        result = exporter.find(request.path_params["key"], request.state.client)
        name = request.path_params.get("name") or _only(result)
        return _file(request, name.rpartition("/")[2], result.open(name))

    path = f"/deriva/export/{kind}"
    return [
        Route(path, make, methods=["POST"]),
        Route(f"{path}/{{key}}", fetch, methods=["GET", "HEAD"]),
        Route(f"{path}/{{key}}/{{name:path}}", fetch, methods=["GET", "HEAD"]),
    ]


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > DOCUMENT_LIMIT:
            raise PayloadTooLarge(f"the description of an export has at most {DOCUMENT_LIMIT} bytes")
    return bytes(body)


def _only(result: Result) -> str:
    if len(result.names) > 1:
        raise BadRequest(f"the export has {len(result.names)} files: add one to the URL ({', '.join(result.names)})")
    return result.names[0]


def _file(request: Request, name: str, file: BinaryIO) -> Response:
    size = os.fstat(file.fileno()).st_size
    headers = {
        "Content-Type": "text/plain" if name == LOG else mimetypes.guess_type(name)[0] or "application/octet-stream",
        "Content-Length": str(size),
        "Content-Disposition": f"filename*=UTF-8''{quote(name, safe='')}",
    }
    if request.method == "HEAD":
        file.close()
        return Response(headers=headers)
    return StreamingResponse(read_range(file, 0, size), headers=headers)
