"""The object store as one object. What a kind of resource and a method mean together stands in one table here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from psycopg_pool import ConnectionPool

from deriva_local.blobs.content import ContentFolder
from deriva_local.errors import MethodNotAllowed
from deriva_local.hatrac import contents, details, names, records, uploads
from deriva_local.hatrac.call import Answer, Call
from deriva_local.hatrac.headers import NAMESPACE_TYPE
from deriva_local.hatrac.names import Host
from deriva_local.hatrac.records import Db
from deriva_local.hatrac.request import AclPart, Chunk, Metadata, Name, Upload, UploadList, Version, VersionList

UPLOAD_DAYS = 14  # a job that nobody finalised for so long is dropped at the next start


class Hatrac:
    """Hatrac over a connection pool (database `deriva_local`) and a folder for contents."""

    def __init__(self, pool: ConnectionPool[Db], folder: Path) -> None:
        self._host = Host(pool, ContentFolder(folder))

    def prepare(self) -> None:
        """Make the tables, and clear away what a crash or an abandoned upload left. Before the first request."""
        contents = self._host.contents
        with self._host.transaction() as db:
            records.create_tables(db)
            records.delete_stale_uploads(db, UPLOAD_DAYS)
            blobs = set(contents.in_doubt())
            of_versions, of_uploads = records.owned_files(db, list(blobs))
        for blob in of_versions:
            contents.settle(blob)
        for blob in blobs - of_versions - of_uploads:
            contents.discard(blob)

    def handle(self, call: Call) -> Answer:
        """Answer one call. Raises ServiceError."""
        method = "GET" if call.method == "HEAD" else call.method
        handler = _HANDLERS.get((type(call.resource), method))
        if handler is None:
            known = ", ".join(sorted(verb for kind, verb in _HANDLERS if kind is type(call.resource)))
            raise MethodNotAllowed(f"{call.method} is not a method of this resource, which knows {known}")
        return handler(call, self._host, call.resource)


def _put(call: Call, host: Host, name: Name) -> Answer:
    """The namespace content type makes a namespace, unless the name is an object already."""
    if call.headers.get("content-type", "").partition(";")[0].strip() == NAMESPACE_TYPE:
        with host.transaction() as db:
            row = names.locate(db, name).row
        if row is None or row.is_namespace:
            return names.put_namespace(call, host, name)
    return contents.put(call, host, name)


_HANDLERS: dict[tuple[type, str], Callable[[Call, Host, Any], Answer]] = {
    (Name, "GET"): contents.get,
    (Name, "PUT"): _put,
    (Name, "POST"): names.rename,
    (Name, "DELETE"): names.delete,
    (Version, "GET"): contents.get,
    (Version, "DELETE"): names.delete_version,
    (VersionList, "GET"): contents.list_versions,
    (Metadata, "GET"): details.get_metadata,
    (Metadata, "PUT"): details.put_metadata,
    (Metadata, "DELETE"): details.delete_metadata,
    (AclPart, "GET"): details.get_acl,
    (AclPart, "PUT"): details.put_acl,
    (AclPart, "DELETE"): details.delete_acl,
    (UploadList, "GET"): uploads.list_jobs,
    (UploadList, "POST"): uploads.create,
    (Upload, "GET"): uploads.status,
    (Upload, "POST"): uploads.finalize,
    (Upload, "DELETE"): uploads.cancel,
    (Chunk, "PUT"): uploads.put_chunk,
}
