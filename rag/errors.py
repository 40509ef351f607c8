"""The errors that are shown to users. Every message says what is wrong, what was expected and what to do."""


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
