"""What the tests of the HTTP interface share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from fakes import ScriptedLLM, WordEmbedder

from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.settings import Settings

QUESTION = "Where did the ferry Castellan run aground?"
REPLY = "The ferry Castellan ran aground on a sandbank off Port Selwyn. Nobody was hurt."


def without_times(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "timings"}


def events_of(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(id, kind, data) of each server-sent event."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


def slow(archive: Archive, reply: str, pause: float = 0.05, **settings: Any) -> tuple[Assistant, ScriptedLLM]:
    llm = ScriptedLLM(*[reply] * 50, seconds_a_word=pause)
    return Assistant(archive, WordEmbedder(), llm, Settings(data_dir=archive.folder, llm="none", **settings)), llm


def eventually(what: Callable[[], bool], seconds: float = 8) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.02)
    return False
