"""Questions of each kind in seven languages: wordings with slots, filled with subjects, persons and outlets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("frames.txt")
FILLED = 3  # questions made of a wording with slots
_SECTION = re.compile(r"\[(\w+) (\w+)\]")
_SLOTS: Mapping[str, str] = {"s": "subject", "p": "person", "o": "outlet"}


@dataclass(frozen=True, slots=True)
class Example:
    """A question and its kind; `wording` is the one that it was made of, `fillings` stand in its slots."""

    text: str
    kind: str
    language: str
    wording: str
    fillings: tuple[str, ...] = ()


def examples(file: Path = FILE) -> list[Example]:
    """All questions, the same ones every time. Raises OSError, and ValueError for a line in no section."""
    sections = _sections(file.read_text(encoding="utf-8").splitlines())
    found: list[Example] = []
    for (kind, language), wordings in sections.items():
        if kind not in _SLOTS.values():
            fillings = {slot: sections[name, language] for slot, name in _SLOTS.items()}
            for wording in wordings:
                found += _filled(wording, kind, language, fillings, len(found))
    return found


def _sections(lines: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    sections: dict[tuple[str, str], list[str]] = {}
    own: list[str] | None = None
    for line in lines:
        if heading := _SECTION.fullmatch(line):
            own = sections.setdefault((heading[1], heading[2]), [])
        elif line and own is None:
            raise ValueError(f"no section in front of {line!r}")
        elif line and own is not None:
            own += line.split("|")
    return sections


def _filled(
    wording: str, kind: str, language: str, fillings: Mapping[str, Sequence[str]], number: int
) -> Iterator[Example]:
    for turn in range(FILLED if "{" in wording else 1):
        used: list[str] = []

        def fill(slot: re.Match[str], turn: int = turn, used: list[str] = used) -> str:
            choice = fillings[slot[1]]
            used.append(choice[(number * 5 + turn * 7 + len(used) * 3) % len(choice)])
            return used[-1]

        text = re.sub(r"\{(\w)\}", fill, wording)
        yield Example(text, kind, language, wording, tuple(used))
