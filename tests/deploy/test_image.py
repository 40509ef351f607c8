"""The Dockerfile: what it installs, what it copies and how it runs, without a container engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import ROOT
from deploy_files import copied, of_image, steps


def test_a_base_image_is_named_by_its_whole_version_and_holds_the_python_of_the_lock() -> None:
    bases = [step.rest.split() for step in steps() if step.name == "FROM"]
    images = {words[1] for words in bases}
    assert len(images) == 1, "the stages share one interpreter"
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", images.pop())
    assert {words[0] for words in bases} == {"--platform=linux/amd64"}


def test_the_image_does_not_run_as_root() -> None:
    user, _, group = of_image("USER")[-1].partition(":")
    assert int(user) > 0 < int(group)
    assert f"--uid {user}" in " ".join(of_image("RUN"))


def test_commands_of_the_image_are_lists_so_that_signals_reach_the_server() -> None:
    assert json.loads(of_image("ENTRYPOINT")[0]) == ["dateline"]
    assert json.loads(of_image("CMD")[0]) == ["serve"]
    assert of_image("STOPSIGNAL") == ["SIGTERM"]
    assert isinstance(json.loads(of_image("HEALTHCHECK")[0].partition(" CMD ")[2]), list)


def test_packages_of_the_system_are_few_and_their_lists_removed() -> None:
    installing = [step.rest for step in steps() if step.name == "RUN" and "apt-get install" in step.rest]
    assert len(installing) == 1
    assert "--no-install-recommends" in installing[0]
    assert "rm -rf /var/lib/apt/lists/*" in installing[0]
    assert "apt-get upgrade" not in installing[0]
    assert not [step for step in steps() if step.name == "ADD" or "sudo" in step.rest or "curl" in step.rest]


def test_packages_of_python_are_those_of_the_lock_by_hash_as_the_makefile_installs_them() -> None:
    locked = "--require-hashes --only-binary :all: --no-deps -r requirements.lock"
    pip_first = r"sed -n '/^pip==/,/[^\\]$/p' requirements.lock"
    makefile = (ROOT / "Makefile").read_text().replace("$$", "$")
    runs = " ".join(step.rest for step in steps() if step.name == "RUN")
    for wanted in (locked, pip_first):
        assert wanted in makefile
        assert wanted in runs
    installs = re.findall(r"pip install ([^&]*)", runs)
    assert all("--require-hashes" in one or one.strip() == "--no-deps --no-build-isolation ." for one in installs)


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {source.removeprefix("./") for source in copied()}
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_what_is_copied_makes_a_package_with_every_file_that_the_server_needs(tmp_path: Path) -> None:
    """The last `pip install` of the build, on the very files that it sees."""
    for source in copied():
        here, there = ROOT / source, tmp_path / "source" / source
        there.parent.mkdir(parents=True, exist_ok=True)
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), "."], cwd=tmp_path / "source", check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    needed = {
        path.relative_to(ROOT).as_posix()
        for room in ("rag", "ingest")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert needed - packed == set()
    assert "app.py" in packed
