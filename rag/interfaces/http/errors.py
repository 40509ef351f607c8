"""Errors as HTTP responses: the status of each kind, the headers that belong to it, and the body after RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from rag.errors import (
    AnswerGone,
    ArchiveBusy,
    ArchiveMismatch,
    ArchiveMissing,
    BadInput,
    Busy,
    CatalogueAway,
    DatelineError,
    InvalidJson,
    ModelUnavailable,
    QuestionError,
    SettingsError,
    StorageError,
    UploadTooLarge,
    without_location,
)
from rag.interfaces.json import FieldProblem, ProblemData

# The first that fits. 4xx: the request, or the state of the archive; 5xx: this server cannot do its work now.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (InvalidJson, 400),
    (QuestionError, 422),
    (SettingsError, 422),
    (BadInput, 422),
    (ArchiveMissing, 409),
    (ArchiveBusy, 409),
    (AnswerGone, 410),
    (UploadTooLarge, 413),
    (Busy, 429),
    (ArchiveMismatch, 503),
    (ModelUnavailable, 503),
    (CatalogueAway, 503),
    (StorageError, 507),
)
RETRY_SECONDS: dict[type[BaseException], int] = {ArchiveBusy: 5, ModelUnavailable: 10, CatalogueAway: 5}


class HttpError(DatelineError):
    """A request that is answered with an HTTP status for a reason of HTTP's own: no such route, no key, too large."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})


def status_of(error: BaseException) -> int:
    """The HTTP status of an error; 500 for anything but a DatelineError."""
    if isinstance(error, HttpError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def headers_of(error: BaseException) -> dict[str, str]:
    """Retry-After where trying again helps, and whatever else the status asks for."""
    if isinstance(error, HttpError):
        return error.headers
    seconds = error.retry_seconds if isinstance(error, Busy) else RETRY_SECONDS.get(type(error))
    return {"Retry-After": str(seconds)} if seconds else {}


def client_message(error: BaseException, folder: Path | None = None) -> str:
    """What a client is told. `folder` is that of the archive, which is not named; unexpected errors say nothing."""
    if not isinstance(error, DatelineError):
        return "The server failed on this request. Its log says why, under the request id."
    return without_location(error, folder)


def problem(
    status: int, detail: str, request_id: str, *, kind: str = "", errors: Sequence[FieldProblem] = ()
) -> ProblemData:
    """The body of an error. `kind` is the class of a DatelineError, from which the `type` of the problem is made."""
    data: ProblemData = {
        "type": f"urn:dateline:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    if errors:
        data["errors"] = list(errors)
    return data
