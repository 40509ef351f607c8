"""Errors as HTTP tells them: a status, and one sentence in our words."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from rag.errors import (
    ArchiveBusy,
    ArchiveMismatch,
    ArchiveMissing,
    BadInput,
    DatelineError,
    ModelUnavailable,
    QuestionError,
    SettingsError,
    StorageError,
)
from rag.interfaces.shapes import FieldProblem, ProblemData

# The first that fits. 4xx: the request or the archive's state; 5xx: this server cannot do its work now.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (QuestionError, 422),
    (SettingsError, 422),
    (BadInput, 422),
    (ArchiveMissing, 409),
    (ArchiveBusy, 409),
    (ArchiveMismatch, 503),
    (ModelUnavailable, 503),
    (StorageError, 507),
)
RETRY_SECONDS: dict[type[BaseException], int] = {ArchiveBusy: 5, ModelUnavailable: 10}


class Busy(DatelineError):
    """More questions are waiting than are let in, or one client asks too often. `seconds`: when to come back."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Refused(DatelineError):
    """A request that is answered with a plain HTTP status."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class Ended(DatelineError):
    """An answer stream that is not kept any more."""


def status_of(error: BaseException) -> int:
    """The HTTP status of an error; 500 for what is no DatelineError."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, Busy):
        return 429
    if isinstance(error, Ended):
        return 410
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def headers_of(error: BaseException) -> dict[str, str]:
    """Retry-After where coming back helps, and what the status asks for."""
    if isinstance(error, Refused):
        return error.headers
    seconds = error.seconds if isinstance(error, Busy) else RETRY_SECONDS.get(type(error))
    return {"Retry-After": str(seconds)} if seconds else {}


def said(error: BaseException, folder: Path | None = None) -> str:
    """The message for someone who may sit elsewhere: without the place of the archive on this machine."""
    if not isinstance(error, DatelineError):
        return "The server failed on this request. Its log says why, under the request id."
    text = str(error)
    return text.replace(f" at {folder}", "").replace(str(folder), "the archive") if folder else text


def problem(
    status: int, detail: str, request_id: str, *, kind: str = "", errors: Sequence[FieldProblem] = ()
) -> ProblemData:
    """The body of an error after RFC 9457. `kind` names the class of the error."""
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
