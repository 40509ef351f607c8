"""The order of the packages of eval, as its docstring gives it: imports go to the left only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import eval as package

FOLDER = Path(str(package.__file__)).parent
BASE = {"datasets", "metrics"}
MIDDLE = BASE | {"systems", "reporting"}
MAY_IMPORT = {
    "datasets": BASE,
    "metrics": {"metrics"},
    "systems": BASE | {"systems"},
    "reporting": BASE | {"reporting"},
    "experiments": MIDDLE | {"experiments"},
    "protocols": MIDDLE | {"experiments", "protocols"},
    "performance": MIDDLE | {"experiments", "performance", "relevance"},  # whose stories are texts to draw from
    "kinds": {"kinds", "reporting"},
    "relevance": {"relevance", "reporting"},
    "ablation": MIDDLE | {"experiments", "ablation"},
    "gate": MIDDLE | {"experiments"},
    "commands": MIDDLE | {"ablation", "experiments", "protocols", "performance", "gate", "commands"},
    "cli": {"commands", "reporting"},
    "__main__": {"cli"},
}


def modules(name: str) -> list[Path]:
    """The files of a package or module of eval."""
    return sorted((FOLDER / name).rglob("*.py")) if (FOLDER / name).is_dir() else [FOLDER / f"{name}.py"]


def imported(path: Path) -> set[str]:
    """The packages and modules of eval that a file imports, also within functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "eval":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("eval."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("eval.")}
    return found


def test_every_package_and_module_has_its_place() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders | {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_imports_go_to_the_left(name: str) -> None:
    files = modules(name)
    assert all(path.is_file() for path in files)
    assert {path.name: wrong for path in files if (wrong := imported(path) - MAY_IMPORT[name])} == {}


def test_no_two_classes_have_one_name() -> None:
    names = [
        node.name
        for path in FOLDER.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted(names) == sorted(set(names))
