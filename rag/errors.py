"""The errors that are shown to users. Every message says what is wrong, what was expected and what to do."""

import re
from pathlib import Path

_DATABASE = re.compile(r"(?: at)? (?:postgres(?:ql)?|milvuss?)://\S*[^\s.,;:]")
_COMMAND = re.compile(r": (?:DATELINE_CATALOG=\S+ )?dateline move .*")


class DatelineError(Exception):
    """Base of all errors that are shown to a user as one line, without a traceback."""

    exit_code = 1


class SettingsError(DatelineError):
    """A setting, an option or an argument has a value that cannot be used."""

    exit_code = 2


class QuestionError(SettingsError):
    """The question or its filters cannot be used: empty, too long, or a date range that ends before it begins."""


class ArchiveMissing(DatelineError):
    """The archive does not exist yet, or holds no article."""


class ArchiveMismatch(DatelineError):
    """The archive was written with another embedding model, another chunking or a newer program."""

    exit_code = 2


class ArchiveBusy(DatelineError):
    """Another process is writing to the archive."""


class StorageError(DatelineError):
    """The disk is full, read-only or damaged; what was committed before is still there."""


class CatalogueAway(StorageError):
    """The server of the catalogue cannot be reached, or is overloaded; it may be back in a moment.

    `answers`: the server is there, but a statement, a lock or a connection took too long.
    """

    answers = False


class ArticleRefused(StorageError):
    """The database does not take a value of one article; others are not affected."""


class IndexDamaged(StorageError):
    """A derived index cannot be read. Nothing is lost: it is rebuilt from the catalogue."""


class ModelUnavailable(DatelineError):
    """A model that the settings name cannot be found, verified, loaded or reached."""

    exit_code = 2


class BadInput(DatelineError):
    """A file or a record cannot become an article. `reason` is a short class, counted in the ingest report."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidJson(DatelineError):
    """A request body is not JSON."""


class UploadTooLarge(DatelineError):
    """An upload is larger than the space that is set apart for uploads."""


class Busy(DatelineError):
    """More work is waiting than is accepted, or one client asks too often. `retry_seconds`: when to try again."""

    def __init__(self, message: str, retry_seconds: int) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class AnswerGone(DatelineError):
    """An answer was stopped, or its stream is not kept any longer."""


def without_location(error: DatelineError, folder: Path | None) -> str:
    """The message of an error for a reader elsewhere: it names neither the folder of the archive nor its database."""
    text = _DATABASE.sub("", _COMMAND.sub(".", str(error)))
    return text.replace(f" at {folder}", "").replace(str(folder), "the archive") if folder else text
