"""The result of an evaluation on disk: figures with intervals, and what is needed to trust and repeat them.

OUT/result.json      rows, settings, data digest, code, versions, machine, seed
OUT/per_query.json   system → measure → query → value, which `compare` pairs
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from eval.metrics.statistics import SEED, interval
from rag.errors import SettingsError
from rag.settings import Settings

RESULT, PER_QUERY = "result.json", "per_query.json"
ROOT = Path(__file__).parents[2]
_LIBRARIES = (
    "chromadb", "ir_measures", "llama-index-core", "llama-index-embeddings-huggingface", "numpy",
    "pytrec_eval-terrier", "sentence-transformers", "tantivy", "torch", "trafilatura", "transformers", "xllamacpp",
)  # fmt: skip

_PRIVATE = {
    "llm_key",
    "embedder_key",
    "catalog",
    "index",
    "data_dir",
    "model_cache",
}  # secrets, and paths of one machine
PerQuery = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one system: the mean of n values with its 95% bootstrap interval."""

    measure: str
    system: str
    value: float
    low: float
    high: float
    n: int


def once(measure: str, system: str, value: float, n: int = 1) -> Row:
    """A value that was measured once and so has no interval; `n` says over how many events it was taken."""
    return Row(measure, system, value, value, value, n)


def row(measure: str, system: str, values: Sequence[float]) -> Row:
    """The mean of the values and its interval (percentile bootstrap, 2,000 rounds); nan without values."""
    low, high = interval(values)
    mean = math.fsum(values) / len(values) if values else float("nan")
    return Row(measure, system, mean, low, high, len(values))


def rows_of(per_query: PerQuery) -> list[Row]:
    """A row for each system and measure."""
    return [row(m, s, list(values.values())) for s, found in per_query.items() for m, values in found.items()]


def result(
    command: str, rows: Sequence[Row], *, data: Mapping[str, Any], settings: Settings | None = None, **more: Any
) -> dict[str, Any]:
    """The result as plain data that JSON can hold: nan becomes None, and a measure without any value has no row."""
    return {
        "command": command,
        "data": dict(data),
        "settings": public(settings) if settings else {},
        "seed": SEED,
        **provenance(),
        "rows": plain(rows),
        **{key: _clean(value) for key, value in more.items()},
    }


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows that have a value as plain data, floats rounded to six decimals."""
    return [_clean(asdict(one)) for one in rows if one.n]


def save(
    out: Path, command: str, rows: Sequence[Row], per_query: PerQuery, *,
    data: Mapping[str, Any], settings: Settings | None = None, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """Writes both files and returns the result."""
    found = result(command, rows, data=data, settings=settings, **more)
    write(out / RESULT, json.dumps(found, ensure_ascii=False, indent=1))
    write(out / PER_QUERY, json.dumps(_clean(per_query), ensure_ascii=False))
    return found


def public(settings: Settings) -> dict[str, Any]:
    """The settings without secrets and without paths of this machine; a model file appears by its name alone."""
    found: dict[str, Any] = settings.model_dump(mode="json", exclude=_PRIVATE)
    for name in ("embedder", "llm"):
        if Path(found[name]).expanduser().exists():
            found[name] = Path(found[name]).name
    return found


def load(out: Path) -> dict[str, Any]:
    """The result of a folder, or of a result file itself. Raises SettingsError when there is none."""
    path = out / RESULT if out.is_dir() else out
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path} is not a result of python -m eval: {error}. Name a folder given as --out."
        raise SettingsError(message) from None
    return found


def load_per_query(out: Path) -> PerQuery:
    """System → measure → query → value of a folder, or of the file of a demo run: whether each answer is right.

    For the editor's questions the measure is "pass" with their digest: other labels are not to be compared.
    Raises SettingsError when there is none.
    """
    if out.is_file() and (predictions := (result := load(out)).get("predictions")):
        section = result.get("editor")
        edited = {f"pass, {section['data']['digest']}": section["predictions"]} if section else {}
        return {
            result["model"]: {
                measure: {one["id"]: one["right"] for one in asked}
                for measure, asked in ({"right": predictions} | edited).items()
            }
        }
    path = out / PER_QUERY
    try:
        found: PerQuery = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Name a folder given as --out.") from None
    return found


@lru_cache(maxsize=1)
def provenance() -> dict[str, Any]:
    """Commit, digest of the code, library versions, machine and moment of the first call.

    `load` is the load average of the minute before: near 0 on an idle machine. The command line calls this first, so
    that files which change during a long run do not change what the result says about its code.
    """
    return {
        "commit": commit(),
        "code": code_digest("rag", "ingest", "eval"),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "load": _load()},
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
    }


def code_digest(*places: str) -> str:
    """12 hex digits over these Python files and those in these folders: tells a changed tree from its commit."""
    whole = sha256()
    found = {p for place in places for p in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))}
    for path in sorted(found):
        whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


def commit(folder: Path = ROOT / ".git") -> str:
    """The commit that is checked out, read from the files of git; "" outside a checkout."""
    try:
        if folder.is_file():  # a worktree names its folder in a file
            folder = Path(folder.read_text().removeprefix("gitdir:").strip())
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        common = folder / (folder / "commondir").read_text().strip() if (folder / "commondir").exists() else folder
        name = head.removeprefix("ref: ")
        if (common / name).exists():
            return (common / name).read_text().strip()
        packed = (common / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _load() -> float | None:
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def _clean(value: Any) -> Any:
    """Plain data without nan, floats rounded to six decimals."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value


def write(path: Path, text: str) -> None:
    """Writes a text and a line end, atomically: an interrupted run leaves the earlier file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(path)
