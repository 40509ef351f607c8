"""What a reader is given and what it returns: options, places, articles or rejections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from ingest.metadata.records import NAMES
from rag.errors import BadInput, SettingsError

# What the parsers raise on damaged input beside their own errors (found by feeding them 48,000 damaged files).
DAMAGE_ERRORS = (ValueError, TypeError, AttributeError, LookupError, AssertionError, OSError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read files: limits, the names of fields, and defaults for what a source does not state.

    `max_bytes` limits one article's file, or one record of JSONL and CSV. `mapping` maps our field names
    (id, url, title, outlet, byline, published, modified, language, genre, text) to those of the user's JSON or CSV,
    with dots for nested ones: {"text": "doc.body"}. `published`, `outlet` and `language` are defaults. `min_chars`
    is the least length of title and text together; 15 keeps the shortest claim of clef2020_claims (17). `wanted` is
    called with the source of each archive member or record before it is read; those for which it returns False are
    skipped.
    """

    max_bytes: int = 50_000_000
    mapping: Mapping[str, str] = field(default_factory=dict)
    published: datetime | None = None
    outlet: str = ""
    language: str = ""
    min_chars: int = 15
    wanted: Callable[[str], bool] = field(default=lambda source: True, compare=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.mapping) - set(NAMES))
        if unknown:
            raise SettingsError(f"The mapping names the field '{unknown[0]}', expected one of {', '.join(NAMES)}.")
        if self.max_bytes < 1:
            raise SettingsError(f"max_bytes is {self.max_bytes}, expected at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A file, archive member or record that did not become an article, and why.

    `reason` is a class to count by, such as "malformed"; `message` names the source, the problem and a remedy.
    """

    source: str
    reason: str
    message: str


@dataclass(slots=True)
class Place:
    """Where something is read from.

    `name` is the file's name, whose suffix says the format; `source` the path, archive member or address that the
    user sees; `packed_bytes` the size on disk. `derived` holds the text for each id derived from a record's title
    and day: all records of a file share it, so that two of them never get one id.
    """

    name: str
    source: str
    packed_bytes: int
    derived: dict[str, str] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """The last suffix in lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        """The name without its last suffix."""
        return PurePosixPath(self.name).stem


def rejected(source: str, error: Exception) -> Rejected:
    """The rejection of a file, archive member or record whose reading raised `error`.

    Any exception is accepted: no list of what third-party parsers raise is complete, and one bad file must not end
    the ingest of the others.
    """
    problem = _problem(error)
    return Rejected(source=source, reason=problem.reason, message=f"{source}: {shortened(str(problem), 1000)}")


def _problem(error: Exception) -> BadInput:
    kind = type(error).__name__
    if isinstance(error, BadInput):
        return error
    if isinstance(error, MemoryError):
        return BadInput("too large", f"it takes more memory than there is ({kind}); split it")
    if isinstance(error, RecursionError):
        return BadInput("malformed", f"it is nested too deeply ({kind}); save it in a simpler form")
    if isinstance(error, OSError):
        return BadInput("unreadable", f"{error.strerror or error} ({kind}); check its permissions")
    return BadInput(
        "malformed", f"it cannot be read ({kind}: {shortened(str(error), 200)}); check it, or save it again"
    )


def shortened(text: str, most: int) -> str:
    """The text in at most `most` characters, with an ellipsis where it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
