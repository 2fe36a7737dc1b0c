"""Every error that the service answers with, as one tree; nothing here knows HTTP beyond the number.

    ServiceError
    ├── BadRequest            400  the request cannot be understood or its data are wrong
    ├── Unauthorized          401  the caller is not logged in
    ├── Forbidden             403  the caller is known, and may not
    ├── NotFound              404  catalog, schema, table, column, RID, object … does not exist
    ├── MethodNotAllowed      405
    ├── Conflict              409  the request contradicts the state: duplicate key, missing reference, name in use
    ├── PreconditionFailed    412
    ├── PayloadTooLarge       413
    ├── UnsupportedMediaType  415
    ├── RangeNotSatisfiable   416
    └── Unavailable           503  PostgreSQL is not there (yet)

A message names the value found and what to change; it never holds SQL, a traceback or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping


class ServiceError(Exception):
    """A request that cannot be answered as asked."""

    status = 500
    title = "Internal Server Error"

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers or {})  # of the response: Retry-After, Content-Range …


class BadRequest(ServiceError):
    """The request cannot be understood, or its data are wrong."""

    status = 400
    title = "Bad Request"


class Unauthorized(ServiceError):
    """The caller is not logged in, and the resource needs it."""

    status = 401
    title = "Unauthorized"


class Forbidden(ServiceError):
    """The caller is known, and lacks the right."""

    status = 403
    title = "Forbidden"


class NotFound(ServiceError):
    """The named resource does not exist."""

    status = 404
    title = "Not Found"


class MethodNotAllowed(ServiceError):
    """The resource exists and does not answer this method."""

    status = 405
    title = "Method Not Allowed"


class Conflict(ServiceError):
    """The request contradicts the present state: duplicate key, missing reference, name in use."""

    status = 409
    title = "Conflict"


class PreconditionFailed(ServiceError):
    """An If-Match or If-None-Match condition does not hold."""

    status = 412
    title = "Precondition Failed"


class PayloadTooLarge(ServiceError):
    """The body exceeds a stated limit."""

    status = 413
    title = "Content Too Large"


class UnsupportedMediaType(ServiceError):
    """The body's content type is not one that the resource reads."""

    status = 415
    title = "Unsupported Media Type"


class RangeNotSatisfiable(ServiceError):
    """The byte range lies outside the object."""

    status = 416
    title = "Range Not Satisfiable"


class Unavailable(ServiceError):
    """PostgreSQL does not answer."""

    status = 503
    title = "Service Unavailable"
