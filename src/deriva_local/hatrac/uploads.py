"""Chunked upload jobs: create, send chunks in any order and again after a failure, finalize, cancel.

Chunk n is written at its place, n times the chunk length, of the file that becomes the content; the database notes it
as arrived once it is durable. A job survives a restart of the host; only its owner may go on with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from psycopg.errors import ForeignKeyViolation

from deriva_local.errors import BadRequest, Conflict, Forbidden, NotFound
from deriva_local.hatrac import records
from deriva_local.hatrac.call import Answer, Call, created, json_document, listing, no_content
from deriva_local.hatrac.contents import confirm
from deriva_local.hatrac.headers import Conditions, Description, base64_text
from deriva_local.hatrac.names import Host, add_version, check_update, define_ancestors, locate
from deriva_local.hatrac.records import Db, UploadRow
from deriva_local.hatrac.request import Chunk, Upload, UploadList
from deriva_local.hatrac.rights import Caller, require_login

CHUNK_LIMIT = 100_000  # chunks of a job
_ALIASES = {"chunk_bytes": "chunk-length", "total_bytes": "content-length", "content_md5": "content-md5"}


def create(call: Call, host: Host, target: UploadList) -> Answer:
    """POST of `;upload`: a new job, with the shape and description of the content to come."""
    caller = require_login(call.caller)
    chunk_length, content_length, description = _job_document(call)
    blob = host.contents.reserve(content_length)
    row = UploadRow(
        secrets.token_hex(16),
        target.name.path,
        caller.id,
        chunk_length,
        content_length,
        description.content_type,
        description.disposition,
        description.md5,
        description.sha256,
        blob,
    )
    try:
        with host.transaction() as db:
            records.lock(db)
            place = locate(db, target.name)
            check_update(db, place, caller, Conditions(), parents=call.parents)
            define_ancestors(db, place, caller)
            records.add_upload(db, row)
    except BaseException:
        host.contents.discard(blob)
        raise
    return created(_url(row))


def list_jobs(call: Call, host: Host, target: UploadList) -> Answer:
    """GET of `;upload`: the caller's pending jobs for this object."""
    caller = require_login(call.caller)
    with host.transaction() as db:
        rows = [row for row in records.uploads(db, target.name.path) if row.owner == caller.id]
        if not rows:
            locate(db, target.name).object()
    return listing(call, [_url(row) for row in rows])


def status(call: Call, host: Host, target: Upload) -> Answer:
    """GET of a job: its shape and description. Which chunks have arrived is for the client to know."""
    with host.transaction() as db:
        row, caller = _job(call, db, target)
    document: dict[str, Any] = {
        "url": _url(row),
        "owner": [caller.id],
        "target": target.name.url,
        "chunk-length": row.chunk_length,
        "content-length": row.content_length,
    }
    optional = {
        "content-type": row.content_type,
        "content-disposition": row.disposition,
        "content-md5": row.md5 and base64_text(row.md5),
        "content-sha256": row.sha256 and base64_text(row.sha256),
    }
    return json_document(call, document | {field: value for field, value in optional.items() if value})


def put_chunk(call: Call, host: Host, target: Chunk) -> Answer:
    """PUT of one chunk, exactly as long as its place."""
    with host.transaction() as db:
        row, _ = _job(call, db, target)
    if target.number >= row.chunk_count:
        raise Conflict(f"chunk {target.number} lies behind the end: the job has {row.chunk_count} chunks, from 0 on")
    offset = target.number * row.chunk_length
    length = min(row.chunk_length, row.content_length - offset)
    try:
        host.contents.write_at(row.blob, offset, length, call.body)
        with host.transaction() as db:
            records.add_chunk(db, row.id, target.number)
    except (FileNotFoundError, ForeignKeyViolation):
        raise NotFound(f"the upload job {target.job} was finalized or cancelled meanwhile") from None
    return no_content()


def finalize(call: Call, host: Host, target: Upload) -> Answer:
    """POST to a job: when all chunks are there and the checksums are right, the new version appears."""
    with host.transaction() as db:
        row, caller = _job(call, db, target)
        if missing := records.missing_chunks(db, row, limit=10):
            raise Conflict(
                f"{len(missing) if len(missing) < 10 else '10 or more'} of {row.chunk_count} chunks have not arrived: "
                f"{', '.join(map(str, missing))}"
            )
    announced = Description(row.content_type, row.disposition, row.md5, row.sha256)
    description = confirm(announced, host.contents.digest(row.blob, sha256=row.sha256 is not None), Conflict)
    host.contents.publish(row.blob)
    with host.transaction() as db:
        records.lock(db)
        _job(call, db, target)
        records.delete_upload(db, row.id)
        id = add_version(
            db,
            target.name,
            caller,
            Conditions(),
            parents=False,
            length=row.content_length,
            description=description,
            blob=row.blob,
        )
    host.contents.settle(row.blob)
    return created(f"{target.name.url}:{id}")


def cancel(call: Call, host: Host, target: Upload) -> Answer:
    """DELETE of a job."""
    with host.transaction() as db:
        records.lock(db)
        row, _ = _job(call, db, target)
        records.delete_upload(db, row.id)
    host.contents.discard(row.blob)
    return no_content()


def _url(row: UploadRow) -> str:
    return f"/hatrac{row.path};upload/{row.id}"


def _job(call: Call, db: Db, target: Upload | Chunk) -> tuple[UploadRow, Caller]:
    """Find a job of this very object, for its owner. Raises Unauthorized, NotFound, Forbidden."""
    caller = require_login(call.caller)
    row = records.upload(db, target.job)
    if row is None or row.path != target.name.path:
        raise NotFound(f"{target.name.url} has no upload job {target.job}: it may be finalized, cancelled or too old")
    if row.owner != caller.id:
        raise Forbidden(f"the upload job {target.job} belongs to {row.owner}")
    return row, caller


def _job_document(call: Call) -> tuple[int, int, Description]:
    """Read chunk length, content length and description. Raises BadRequest with all faults at once."""
    document = call.json()
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object with chunk-length and content-length")
    document = {_ALIASES.get(field, field): value for field, value in document.items()}
    faults = [*_shape_faults(document)]
    texts = ("content-type", "content-disposition", "content-md5", "content-sha256")
    faults += [f"{field} must be text" for field in texts if not isinstance(document.get(field), str | None)]
    description = Description()
    if not any(fault.endswith("must be text") for fault in faults):
        try:
            description = Description.read({field: document.get(field) for field in texts})
        except BadRequest as error:
            faults.append(error.message)
    if faults:
        raise BadRequest("\n".join(faults))
    return document["chunk-length"], document["content-length"], description


def _shape_faults(document: Mapping[str, Any]) -> list[str]:
    faults = []
    for field, least in (("chunk-length", 1), ("content-length", 0)):
        value = document.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 62:
            faults.append(f"{field} is {value!r}: it must be an integer of at least {least}")
    if not faults and document["content-length"] > CHUNK_LIMIT * document["chunk-length"]:
        faults.append(f"chunk-length is too small: a job has at most {CHUNK_LIMIT} chunks")
    return faults
