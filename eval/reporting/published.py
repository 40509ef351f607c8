"""Results that are kept in the project: lean files in eval/results, and the README's tables made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.reporting import outcome, tables
from rag.errors import SettingsError

FOLDER = Path(__file__).parents[1] / "results"
README = outcome.ROOT / "README.md"
BEGIN, END = "<!-- from eval/results by: python -m eval table --write -->", "<!-- end of the tables -->"
TOLD = ("all-first.json", "all-kept.json", "demo.json", "load.json")  # the README tells of these in words of its own
_CRASHES_NAMED = 20


def lean(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result without paths, single latencies, and what crashes said: small, and the same on any machine."""
    found = {key: value for key, value in result.items() if key != "latencies_ms"}
    found["data"] = {key: value for key, value in result["data"].items() if key != "folder"}
    if "ingest" in found:
        found["ingest"] = {key: value for key, value in found["ingest"].items() if key != "rejections"}
    if "crashed" in found:
        found["crashed"] = {
            system: {"count": len(errors), "first": list(errors)[:_CRASHES_NAMED]}
            for system, errors in found["crashed"].items()
        }
    return found


def name_of(result: Mapping[str, Any]) -> str:
    """The file name of a result: what was run on which data, as `retrieval-xquad_en.json`."""
    command, data = result["command"], result["data"].get("name", "")
    parts = [command] if command in {"demo"} or command.startswith(("behaviour", "bench")) else [command, data]
    return "-".join(re.sub(r"[^\w.-]+", "-", part).strip("-") for part in parts) + ".json"


def keep(outs: Sequence[Path], folder: Path = FOLDER) -> list[Path]:
    """Writes the lean result of each folder given as --out, and returns the files. Raises SettingsError."""
    written = []
    for out in outs:
        found = lean(outcome.load(out))
        written.append(folder / name_of(found))
        outcome.write(written[-1], json.dumps(found, ensure_ascii=False, indent=1))
    return written


def results(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The kept results but those in TOLD, by file name, each with its `file`.

    Raises SettingsError naming a file that is none.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        one = outcome.load(path)
        if path.name in TOLD:
            continue
        if missing := [key for key in ("command", "data", "rows", "commit", "seed", "date") if key not in one]:
            raise SettingsError(f"{path} lacks {', '.join(missing)}: it was not written by python -m eval. Remove it.")
        found.append(one | {"file": path.name})
    return found


def section(folder: Path = FOLDER) -> str:
    """The README's tables between their two marks. Raises SettingsError."""
    return f"{BEGIN}\n{tables.readme(results(folder))}\n{END}"


def in_readme(text: str) -> str:
    """The tables as they stand in a README, marks included; "" without them."""
    found = re.search(f"{re.escape(BEGIN)}.*?{re.escape(END)}", text, re.S)
    return found.group() if found else ""


def write_readme(path: Path = README, folder: Path = FOLDER) -> None:
    """Puts the tables where they stood. Raises SettingsError when the marks are missing."""
    text = path.read_text(encoding="utf-8")
    old = in_readme(text)
    if not old:
        raise SettingsError(f"{path} has no place for the tables. Put these two lines where they belong: {BEGIN} {END}")
    path.write_text(text.replace(old, section(folder)), encoding="utf-8")
