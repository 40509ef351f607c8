"""The files of deploy/, read for their tests."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from conftest import ROOT

DEPLOY = ROOT / "deploy"
RUNBOOK = ROOT / "docs" / "operating.md"


@dataclass(frozen=True)
class Step:
    """An instruction of the Dockerfile: its name, the rest of it in one line, and the number of its stage from 1."""

    name: str
    rest: str
    stage: int


@cache
def steps() -> list[Step]:
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    found: list[Step] = []
    for line in filter(None, "\n".join(lines).replace("\\\n", " ").splitlines()):
        name, _, rest = line.partition(" ")
        stage = sum(step.name == "FROM" for step in found) + (name == "FROM")
        found.append(Step(name, " ".join(rest.split()), stage))
    return found


def of_image(name: str) -> list[str]:
    """What the instructions of this name in the last stage say."""
    return [step.rest for step in steps() if step.name == name and step.stage == steps()[-1].stage]


def environment_of_image() -> dict[str, str]:
    return dict(pair.split("=", 1) for text in of_image("ENV") for pair in shlex.split(text))


def copied() -> set[str]:
    """What comes from the folder of the repository."""
    from_here = [step.rest.split() for step in steps() if step.name == "COPY" and "--from=" not in step.rest]
    return {source for words in from_here for source in words[:-1]}


@cache
def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"])


@cache
def resources() -> dict[str, dict[str, Any]]:
    """The objects of Kubernetes by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


def pod() -> dict[str, Any]:
    return dict(resources()["StatefulSet"]["spec"]["template"]["spec"])


def deployment() -> dict[str, Any]:
    """The workers on Kubernetes."""
    return dict(yaml.safe_load((DEPLOY / "workers.yaml").read_text()))
