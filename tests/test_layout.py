"""The shape that the design promises: imports go one way, each library comes in by one door, starting is quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from time import perf_counter

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"rag", "ingest", "eval", "app"}
# Libraries that are a language of their own here; everything else has one file that knows it.
EVERYWHERE = {"numpy"}
_ROUTES = {
    f"rag/interfaces/http/{name}.py" for name in ("app", "article_routes", "ask_routes", "openai_routes", "bodies")
}
SEVERAL_DOORS = {
    "fastapi": _ROUTES,  # the HTTP face, a file for each kind of route
    "starlette": _ROUTES,  # what FastAPI is made of
    "llama_index": {
        "rag/models/chat.py",
        "rag/interfaces/llama_index.py",
    },  # hosted models; our own classes
    "filelock": {
        "rag/archive/indexer.py",
        "ingest/spool.py",
    },  # one writer; one owner of uploads
    "gradio": {  # components and their handlers, a file for each tab
        f"rag/interfaces/page/{name}.py" for name in ("server", "blocks", "ask_tab", "archive_tab")
    },
    "lxml": {
        "ingest/readers/documents.py",
        "ingest/cleaning/visibility.py",
    },  # names a type only
    "tqdm": {"ingest/cli.py", "eval/__main__.py"},  # two command lines, each with its own bar
}
# What Dateline is measured against is written with the very libraries that it competes with.
COMPETITORS = {"eval/systems/baselines.py"}


def sources() -> list[Path]:
    found = [path for folder in ("rag", "ingest", "eval") for path in (ROOT / folder).rglob("*.py")]
    return [*found, *ROOT.glob("app.py")]


def imports(path: Path) -> set[str]:
    """Top-level names of all that a file imports, also inside functions and under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(str(node.module).split(".")[0])
    return found


def test_the_walk_sees_the_tree() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in sources()}
    assert {"rag/archive/archive.py", "ingest/pipeline.py"} <= names
    assert "chromadb" in imports(ROOT / "rag" / "archive" / "vector_index.py")  # a lazy one


@pytest.mark.parametrize(("folder", "may_import"), [("rag", {"rag"}), ("ingest", {"ingest", "rag"})])
def test_imports_go_one_way(folder: str, may_import: set[str]) -> None:
    wrong = {
        path.name: names
        for path in (ROOT / folder).rglob("*.py")
        if (names := (imports(path) & OURS) - may_import)
    }  # fmt: skip
    assert wrong == {}


def test_every_library_is_imported_in_one_file() -> None:
    doors: dict[str, set[str]] = defaultdict(set)
    for path in (path for path in sources() if path.relative_to(ROOT).as_posix() not in COMPETITORS):
        for name in imports(path) - OURS - EVERYWHERE - set(sys.stdlib_module_names):
            doors[name].add(path.relative_to(ROOT).as_posix())
    several = {
        name: files for name, files in doors.items() if len(files) > 1 and not files <= SEVERAL_DOORS.get(name, set())
    }
    assert several == {}


def test_the_types_need_no_third_party() -> None:
    assert imports(ROOT / "rag" / "schema.py") <= set(sys.stdlib_module_names)


def fastest(arguments: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of the best of three runs, and what the last one printed."""
    seconds = []
    for _ in range(3):
        began = perf_counter()
        ran = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        seconds.append(perf_counter() - began)
    return min(seconds), ran.stdout


def test_import_rag_is_quick_and_loads_no_heavy_library(child_environment: dict[str, str]) -> None:
    heavy = ["torch", "gradio", "chromadb", "llama_index", "sentence_transformers", "pydantic", "numpy"]
    code = f"import rag, sys; print([name for name in {heavy} if name in sys.modules])"
    seconds, printed = fastest(["-c", code], child_environment)
    assert printed.strip() == "[]"
    assert seconds < 0.3


def test_the_command_line_says_how_to_use_it_at_once(child_environment: dict[str, str]) -> None:
    seconds, printed = fastest(["-m", "app", "--help"], child_environment)
    assert "usage: dateline" in printed
    assert seconds < 0.5


@pytest.mark.parametrize(
    "module",
    [
        "rag.archive.archive",
        "rag.assistant",
        "ingest.pipeline",
        "rag.interfaces.page.conversation_view",
        "rag.interfaces.http.app",
        "rag.interfaces.mcp",
    ],
)
def test_no_module_loads_a_model_library_when_imported(module: str, child_environment: dict[str, str]) -> None:
    if not (ROOT / f"{module.replace('.', '/')}.py").exists():
        pytest.skip(f"there is no {module}")
    heavy = ["torch", "gradio", "chromadb", "llama_index", "sentence_transformers", "trafilatura"]
    code = f"import {module}, sys; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
