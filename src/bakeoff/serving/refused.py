"""What is answered in place of a result: a code by the names of gRPC, and the message."""

from __future__ import annotations

# As TensorFlow Serving has them, but RESOURCE_EXHAUSTED: a full queue is 503, so that proxies ask the next server.
HTTP = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 503,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A request that gets no result.

    Attributes:
        code: as `INVALID_ARGUMENT`.
        message: what the client reads.
        retry_after: seconds after which there may be room; None: it would be refused again.
        status: of HTTP; that of the code otherwise.
    """

    def __init__(self, code: str, message: str, *, retry_after: int | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.retry_after = code, message, retry_after
        self.status = status or HTTP[code]


def invalid(message: str) -> Refused:
    """INVALID_ARGUMENT, the most frequent."""
    return Refused("INVALID_ARGUMENT", message)
