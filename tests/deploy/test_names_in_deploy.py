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
from deploy_files import DEPLOY, RUNBOOK, of_image, pod, services

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


def parser() -> argparse.ArgumentParser:
    return cli._parser(COMMANDS)


def commands() -> list[str]:
    """The arguments of each command `dateline` in the code of the runbook, in and outside of containers."""
    text = RUNBOOK.read_text()
    code = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.S) + re.findall(r"`([^`\n]+)`", text))
    container = r"docker compose run --rm(?: --volume \S+)? (?:one-machine|with-servers) "
    return [found.strip() for found in re.findall(rf"(?:(?<![\w/.:-])dateline |{container})([a-z][^\n|<>]*)", code)]


def test_the_runbook_names_the_commands_that_an_operator_needs() -> None:
    assert {command.split()[0] for command in commands()} >= {"key", "ingest", "doctor", "rebuild", "reindex"}


@pytest.mark.parametrize("command", sorted({*commands()}))
def test_every_command_is_one_with_these_options(command: str) -> None:
    if command not in {one.name for one in COMMANDS}:  # only its name, in a sentence
        parser().parse_args(shlex.split(command))  # ends the test where it is none


def test_the_services_and_profiles_of_the_runbook_are_those_of_compose() -> None:
    text = RUNBOOK.read_text()
    profiles = set(re.findall(r"COMPOSE_PROFILES=(\S+)", text))
    assert profiles
    assert profiles <= {profile for service in services().values() for profile in service["profiles"]}
    options = r"(?: --rm| -T| --volume \S+| --entrypoint \S+)*"
    named = re.findall(rf"docker compose (?:run|exec){options} ([a-z-]+)", text)
    assert len(named) >= 8
    assert set(named) <= set(services())


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
