"""Settings, commands, versions and messages that deploy/ and the runbook name: all are of this program."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from deploy_files import DEPLOY, RUNBOOK, of_image, pod

import rag
from app import SERVE
from ingest.cli import COMMANDS as ARCHIVE_COMMANDS
from rag.interfaces import cli
from rag.settings import Settings

FILES = [*sorted(DEPLOY.iterdir()), RUNBOOK]
COMMANDS = [*cli.COMMANDS, *ARCHIVE_COMMANDS, SERVE]
by_name = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


@by_name
def test_every_variable_is_a_setting(file: Path) -> None:
    named = {name.removeprefix("DATELINE_").lower() for name in re.findall(r"DATELINE_[A-Z_]+", file.read_text())}
    assert named - set(Settings.model_fields) == set()


def commands_in(file: Path) -> list[str]:
    """The arguments of each command `dateline` in code of a page, in comments and lists of the other files."""
    text = file.read_text()
    if file.suffix == ".md":
        text = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.S) + re.findall(r"`([^`\n]+)`", text))
    in_container = r"(?:run --rm|exec)(?: --volume \S+)? (?:one-machine|with-servers) (?!python|cat)(?:dateline )?"
    return [
        found.strip()
        for found in re.findall(rf"(?:(?<![\w/.:-])dateline |{in_container})([a-z][^\n`|]*)", text)
        if found.split()[0] not in ("is", "would", "container")
    ]


def test_the_runbook_names_every_command_that_an_operator_needs() -> None:
    named = {command.split()[0] for command in commands_in(RUNBOOK)}
    assert named >= {"key", "ingest", "doctor", "rebuild", "reindex"}


def parser() -> argparse.ArgumentParser:
    return cli._parser(COMMANDS)


@by_name
def test_every_command_is_one_with_these_options(file: Path) -> None:
    if file.name == "compose.yaml" or file.suffix in (".md", ""):
        for command in commands_in(file):
            if command in {one.name for one in COMMANDS}:
                continue  # only its name, in a sentence
            parser().parse_args(shlex.split(command))  # ends the test where it is none


def test_what_the_image_and_the_pod_run_by_themselves_are_commands() -> None:
    for arguments in (json.loads(of_image("CMD")[0]), pod()["containers"][0]["args"]):
        assert parser().parse_args(arguments).command == "serve"


@by_name
def test_no_image_is_called_latest_and_ours_has_our_version(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r":latest\b", text)
    assert {version for version in re.findall(r"\bdateline:(\d[\w.]*)", text)} <= {rag.__version__}


@by_name
def test_no_secret_is_in_a_file(file: Path) -> None:
    assert not re.search(r"dateline_[\w-]{43}|sk-\w{20}|BEGIN [A-Z ]*PRIVATE KEY", file.read_text())
    assert not re.search(r"(?i)(password|token|_KEY)[\"']?\s*[:=]\s*[\"']?\w{6}", file.read_text())


def test_the_message_of_every_trouble_is_one_that_the_program_has() -> None:
    table = RUNBOOK.read_text().partition("\n## Messages\n")[2]
    messages = re.findall(r"^\| `([^`]+)`", table, re.M)
    assert len(messages) > 15
    known = " ¶ ".join(texts_of_the_program())
    assert [message for message in messages if message.removeprefix("… ").removesuffix("…") not in known] == []


def texts_of_the_program() -> Iterator[str]:
    """Every string in the source, with … for each value that is put into it."""
    for path in [*(ROOT / "rag").rglob("*.py"), *(ROOT / "ingest").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
