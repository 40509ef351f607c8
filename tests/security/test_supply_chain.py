"""What others made and Dateline runs or loads: model files and packages."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rag.models.chat
from rag.errors import ModelUnavailable
from rag.models import files as weights
from rag.models.chat import EmbeddedChat, open_llm
from rag.models.embeddings import LazyEmbedder
from rag.settings import Settings

# --- the language model: 1.1 GB in 22 parts; here 3 parts of a few bytes ---------------------------------------

PARTS = [b"GGUF first ", b"second ", b"third"]
WHOLE = b"".join(PARTS)
SHA256 = hashlib.sha256(WHOLE).hexdigest()


class Quiet:
    """A process that serves a model, as far as opening and closing a model looks at it: these bytes are none."""

    key = "sesame"

    def __init__(self, file: Path, threads: int) -> None:
        self.closed = False

    def address(self) -> str:
        return "http://127.0.0.1:9"

    def ended(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], EmbeddedChat]:
    """Opens the packaged model, which is these parts."""
    files = [tmp_path / f"part{n:02d}.bin" for n in range(1, 4)]
    for file, data in zip(files, PARTS, strict=True):
        file.write_bytes(data)
    monkeypatch.setattr(weights, "_parts", lambda: iter(files))
    monkeypatch.setattr(weights, "LLM_SHA256", SHA256)
    monkeypatch.setattr(weights, "LLM_BYTES", len(WHOLE))
    monkeypatch.setattr(rag.models.chat, "ModelProcess", Quiet)
    settings = Settings(llm="packaged", model_cache=tmp_path / "cache" / "models")

    def open_it() -> EmbeddedChat:
        model = open_llm(settings)
        assert isinstance(model, EmbeddedChat)
        return model

    return open_it


@pytest.fixture
def packaged(opened: Callable[[], EmbeddedChat]) -> Callable[[], Path]:
    """Opens the packaged model, which is these parts, and says where it lies."""
    return lambda: opened()._found.path


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Files of this test are for everybody unless somebody sees to it."""
    before = os.umask(0)
    yield
    os.umask(before)


def replaced(file: Path, data: bytes) -> None:
    """Other bytes under the same size and time, and the note beside them that an older Dateline believed."""
    before = file.stat()
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    digest = SHA256 if file.name == weights.LLM_FILE else hashlib.sha256(data).hexdigest()
    file.with_name(f"{file.name}.sha256").write_text(f"{digest} {before.st_size} {before.st_mtime_ns}")


def test_a_model_file_of_the_same_size_and_time_is_refused(packaged: Callable[[], Path]) -> None:
    file = packaged()
    packaged()
    replaced(file, WHOLE[::-1])
    with pytest.raises(ModelUnavailable, match=r"has SHA-256 .*damaged or not the published one\. Delete it"):
        packaged()
    file.unlink()
    assert packaged().read_bytes() == WHOLE


def test_a_model_that_is_started_again_is_checked_again(opened: Callable[[], EmbeddedChat]) -> None:
    opened()  # joined now, and so checked at each start
    model = opened()
    model.process.close()  # as by a crash
    model.check()
    assert not model.process.ended()
    model.process.close()
    replaced(model._found.path, WHOLE[::-1])
    with pytest.raises(ModelUnavailable, match=r"has SHA-256 .*damaged or not the published one"):
        model.check()
    assert model.process.ended()


def test_only_the_owner_can_read_or_write_the_joined_file(packaged: Callable[[], Path], open_umask: None) -> None:
    file = packaged()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_link_that_waits_in_the_folder_is_not_written_through(packaged: Callable[[], Path], tmp_path: Path) -> None:
    target, cache = tmp_path / "precious", tmp_path / "cache" / "models"
    target.write_text("precious")
    cache.mkdir(parents=True)
    for name in (weights.LLM_FILE, f"{weights.LLM_FILE}.{os.getpid()}.part"):
        (cache / name).symlink_to(target)
    assert packaged().read_bytes() == WHOLE
    assert target.read_text() == "precious"


# --- the embedder: a folder of thirteen files --------------------------------------------------------------------

needs_embedder = pytest.mark.skipif(
    importlib.util.find_spec(weights.EMBEDDER_PACKAGE) is None, reason="the extra 'models' is not installed"
)


@pytest.fixture
def embedder_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the packaged embedder that is loaded in its place."""
    folder = tmp_path / "package" / "model"
    original = weights._package_folder(weights.EMBEDDER_PACKAGE) / "model"
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("*.sha256"))
    monkeypatch.setattr(weights, "_package_folder", lambda package: folder.parent)
    return folder


@needs_embedder
@pytest.mark.parametrize(
    "name",
    [
        "config.json", "config_sentence_transformers.json", "modules.json", "sentence_bert_config.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "1_Pooling/config.json",
        "model.safetensors",
    ],
)  # fmt: skip
def test_every_file_that_the_embedder_is_made_of_is_checked(embedder_folder: Path, tmp_path: Path, name: str) -> None:
    file = embedder_folder / name
    data = bytearray(file.read_bytes())
    data[-2] ^= 1
    replaced(file, bytes(data))
    if name == "model.safetensors":  # the note that an older Dateline wrote when it found this file right
        when = file.stat()
        note = f"{weights.EMBEDDER_FILES[name]} {when.st_size} {when.st_mtime_ns}"
        file.with_name(f"{name}.sha256").write_text(note)
    with pytest.raises(ModelUnavailable, match=f"{name} has SHA-256 .*expected .*install the packaged"):
        LazyEmbedder("minilm", cache=tmp_path / "converted").embed_queries(["ferry"])


@needs_embedder
@pytest.mark.parametrize(
    "name",
    ["pytorch_model.bin", "adapter_config.json", "modeling_evil.py", "added_tokens.json", "2_Normalize/config.json"],
)
def test_a_file_that_was_laid_beside_the_embedders_own_is_refused(
    embedder_folder: Path, tmp_path: Path, name: str
) -> None:
    file = embedder_folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}")
    with pytest.raises(ModelUnavailable, match=f"holds {name}, which is none of the published files"):
        LazyEmbedder("minilm", cache=tmp_path / "converted").embed_queries(["ferry"])


@needs_embedder
def test_a_link_to_a_folder_beside_the_embedders_files_is_refused(embedder_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (embedder_folder / "2_Normalize").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelUnavailable, match="holds 2_Normalize, which is none"):
        LazyEmbedder("minilm", cache=tmp_path / "converted").embed_queries(["ferry"])


@needs_embedder
def test_a_file_that_is_missing_is_reported(embedder_folder: Path, tmp_path: Path) -> None:
    (embedder_folder / "vocab.txt").unlink()
    with pytest.raises(ModelUnavailable, match=r"vocab.txt cannot be read.*Install"):
        LazyEmbedder("minilm", cache=tmp_path / "converted").embed_queries(["ferry"])


@pytest.mark.skipif(not weights.has_packaged_e5(), reason="the multilingual embedder is not installed")
def test_the_file_of_the_multilingual_embedder_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / weights.E5_FILE
    data = bytearray((weights._package_folder(weights.E5_PACKAGE) / weights.E5_FILE).read_bytes())
    data[-2] ^= 1
    file.write_bytes(data)
    monkeypatch.setattr(weights, "_package_folder", lambda package: tmp_path)
    with pytest.raises(ModelUnavailable, match=f"{weights.E5_FILE} has SHA-256 .*expected .*install the packaged"):
        LazyEmbedder(cache=tmp_path / "converted").embed_queries(["ferry"])


# --- models that the user names --------------------------------------------------------------------------------------


@pytest.fixture
def own_model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be changed."""
    return shutil.copytree(tiny_model, tmp_path / "own")


def test_weights_in_a_pickle_are_not_read(own_model: Path) -> None:
    import torch
    from safetensors.torch import load_file

    (saved,) = own_model.rglob("model.safetensors")
    torch.save(load_file(saved), saved.with_name("pytorch_model.bin"))
    saved.unlink()
    with pytest.raises(ModelUnavailable, match=r"pytorch_model.bin is a pickle.*model\.safetensors instead"):
        LazyEmbedder(str(own_model)).embed_queries(["ferry"])


def test_python_files_of_a_model_are_not_run(own_model: Path, tmp_path: Path) -> None:
    modules = json.loads((own_model / "modules.json").read_text())
    modules[0]["type"] = "evil.Evil"
    (own_model / "modules.json").write_text(json.dumps(modules))
    (own_model / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        LazyEmbedder(str(own_model)).embed_queries(["ferry"])
    assert not (tmp_path / "ran").exists()


_WITHOUT_NETWORK = """
import socket, sys
tried = []
def hook(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or event == "socket.connect":
        tried.append(arguments)
        raise OSError("this test allows no network")
sys.addaudithook(hook)
from rag.models.embeddings import LazyEmbedder
print(LazyEmbedder(sys.argv[1]).embed_queries(["ferry"]).shape, tried)
"""


@pytest.mark.parametrize("source", ["packaged", "own"])
def test_a_model_on_this_disk_is_loaded_without_the_network(
    source: str, own_model: Path, child_environment: dict[str, str], python: str
) -> None:
    if source == "packaged" and importlib.util.find_spec(weights.EMBEDDER_PACKAGE) is None:
        pytest.skip("the extra 'models' is not installed")
    named = str(own_model) if source == "own" else source
    ran = subprocess.run(
        [python, "-c", _WITHOUT_NETWORK, named], env=child_environment, capture_output=True, text=True, timeout=300
    )
    assert ran.stdout.strip() == f"(1, {64 if source == 'own' else 384}) []", ran.stderr


# --- what pip installs ----------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+]+)")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, tuple[str, list[str]]]:
    """Of each requirement in the lock, by its normal name (`torch+cpu` for the CPU build): the version and hashes."""
    text = "\n".join(line for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1] != "#")
    found = {}
    for requirement in text.replace("\\\n", " ").splitlines():
        pinned = _PINNED.match(requirement)
        assert pinned, requirement
        version, _, build = pinned[2].partition("+")
        name = normal(pinned[1]) + (f"+{build}" if build else "")
        assert name not in found, requirement
        found[name] = (version, re.findall(r"--hash=sha256:([0-9a-f]{64})(?= |$)", requirement))
    return found


def test_torch_on_linux_is_the_cpu_build_and_no_other() -> None:
    """Where the lock allowed both under one version, pip took the index's, which cannot be imported without CUDA."""
    text = (ROOT / "requirements.lock").read_text()
    found = re.findall(r"^torch==([\d.]+)(\S*) ; (sys_platform .= 'linux') ", text, flags=re.M)
    assert [(build, where) for _, build, where in found] == [
        ("+cpu", "sys_platform == 'linux'"),
        ("", "sys_platform != 'linux'"),
    ]
    assert found[0][0] == found[1][0]


def test_everything_in_the_lock_has_a_version_and_hashes() -> None:
    lock = locked()
    assert len(lock) > 100
    assert [name for name, (_, hashes) in lock.items() if not hashes] == []
    # pip, which installs, and setuptools, which builds, are code that runs as well.
    assert {"pip", "setuptools"} <= set(lock)


def test_the_lock_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text() + (ROOT / "constraints.txt").read_text()
    assert re.findall(r"\S*://\S*|^\s*-(?!-hash=)\S+.*|@ \S+|(?<=\s)/\S+", text, flags=re.M) == []


def test_the_lock_and_the_constraints_are_of_one_mind() -> None:
    constraints = [
        _PINNED.fullmatch(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"
    ]
    assert None not in constraints
    assert {normal(m[1]): m[2] for m in constraints if m} == {
        name: version for name, (version, _) in locked().items() if "+" not in name
    }


def test_every_dependency_is_locked() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        project = tomllib.load(stream)
    own = project["project"]
    wanted = [
        *own["dependencies"],
        *sum(own["optional-dependencies"].values(), []),
        *project["build-system"]["requires"],
    ]
    names = {normal(re.split(r"[\[<>=!~; ]", text)[0]) for text in wanted} - {"dateline"}
    assert len(names) > 60
    assert names - set(locked()) == set()


def test_ci_installs_from_the_lock() -> None:
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup", "LOCKED=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    installs = [line for line in re.split(r"\n|&&", planned.stdout) if "pip install" in line]
    assert len(installs) == 3
    assert [
        line for line in installs if "--require-hashes" not in line and "--no-deps --no-build-isolation" not in line
    ] == []
    assert "make setup LOCKED=1" in (ROOT / ".ci" / "run").read_text()
