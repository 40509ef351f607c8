"""The structure that the design promises: one direction of imports, one file a library, small files, a quick start."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("rag", "ingest", "eval")
MOST_LINES, MOST_MODULES = 400, 12  # of a file; in a folder, without its __init__.py

# Each part, and those whose modules it may import beside its own. A part is a module, or a package with all in it.
FOUNDATION = {"rag.schema", "rag.errors", "rag.settings", "rag.terminal"}
ARCHIVE = FOUNDATION | {"rag.language", "rag.models", "rag.archive"}
ANSWERING = ARCHIVE | {"rag.answering"}
SERVING = ANSWERING | {"rag.assistant", "rag.serving"}
INTERFACES = SERVING | {"rag.interfaces", "rag"}  # `rag` itself for its version
MAY_IMPORT = {
    "rag.schema": set[str](),
    "rag.errors": set[str](),
    "rag.settings": {"rag.schema", "rag.errors"},
    "rag.terminal": {"rag.errors"},
    "rag.language": FOUNDATION,
    "rag.models": FOUNDATION | {"rag.language"},
    "rag.archive": ARCHIVE,
    "rag.answering": ANSWERING,
    "rag.assistant": ANSWERING,
    "rag.serving": SERVING,
    "rag.interfaces": INTERFACES,
    "rag": FOUNDATION | {"rag.assistant"},  # what `from rag import …` offers
    "ingest": ARCHIVE,
    "app": INTERFACES | {"ingest"},
    "eval": INTERFACES | {"ingest", "app"},
}
# Modules that import by a name that is computed, and what they import.
COMPUTED_IMPORTS = {
    "rag/__init__.py": "the names that `rag` offers, on first use",
    "rag/serving/tracing.py": "the exporter of OpenTelemetry for the protocol that the environment names",
}

# Libraries that any module may use.
EVERYWHERE = {"numpy"}
_HTTP = {
    f"rag/interfaces/http/{name}.py"
    for name in ("app", "article_routes", "ask_routes", "openai_routes", "story_routes", "bodies")
}
SEVERAL_FILES = {
    "torch": {"rag/models/embeddings.py", "eval/relevance/fit.py", "eval/kinds/fit.py"},  # own models; weights
    "fastapi": _HTTP,  # a file for each kind of route
    "starlette": _HTTP,  # what FastAPI is made of
    "pydantic": {  # settings; schemas of the OpenAPI document; bounds of a tool's arguments
        "rag/settings.py",
        "rag/interfaces/http/bodies.py",
        "rag/interfaces/mcp.py",
    },
    "httpx": {"rag/models/endpoint.py", "rag/models/hosted_embedder.py"},  # language models; embedding models
    "typing_extensions": {"rag/interfaces/json.py", "rag/interfaces/story_json.py"},  # what faces return
    "uvicorn": {"rag/interfaces/http/server.py"},
    "jinja2": {"eval/reporting/html_report.py", "rag/interfaces/page/templating.py"},  # the report; the page
    "filelock": {"rag/archive/indexer.py", "ingest/spool.py"},  # one writer; one owner of uploads
    "gradio": {  # components and their handlers, a file for each tab
        f"rag/interfaces/page/{name}.py" for name in ("server", "blocks", "ask_tab", "archive_tab", "gradio_import")
    },
}
# What Dateline is measured against is written with the very libraries that it competes with.
COMPETITORS = {"eval/systems/baselines.py"}


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [*found, ROOT / "app.py"]


def name_of(path: Path) -> str:
    """The name under which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/") / "__init__.py").exists()


def is_module(name: str) -> bool:
    return is_package(name) or (ROOT / f"{name.replace('.', '/')}.py").exists()


def called(node: ast.Call) -> str:
    """The name of what is called: `f` for `f()`, `f` for `a.b.f()`."""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def imports(tree: ast.AST) -> Iterator[str]:
    """All that a file imports, also in functions, under TYPE_CHECKING and by importlib; "" for a computed name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            # `from rag import interfaces` imports a module, `from rag import Answer` a name in one.
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if is_module(name) else str(node.module) for name in names)
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__", "run_module"):
            name = node.args[0] if node.args else None
            yield name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""


def imports_of(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text())))


def part_of(module: str) -> str:
    """The part of MAY_IMPORT that a module of ours belongs to: the longest name that it begins with."""
    found = [part for part in MAY_IMPORT if module == part or (part != "rag" and module.startswith(f"{part}."))]
    assert found, f"{module} is in no part: say in MAY_IMPORT what it may import"
    return max(found, key=len)


def is_ours(module: str) -> bool:
    return module.split(".")[0] in {*PACKAGES, "app"}


def test_every_module_that_these_tests_name_exists() -> None:
    files = {*COMPETITORS, *COMPUTED_IMPORTS, *(file for several in SEVERAL_FILES.values() for file in several)}
    assert {file for file in files if not (ROOT / file).exists()} == set()
    assert {part for part in MAY_IMPORT if not is_module(part)} == set()


def test_imports_are_seen_wherever_they_are() -> None:
    source = """
import a.b
if TYPE_CHECKING:
    from rag import schema, Answer
def f():
    from c import d
    importlib.import_module("ingest.jobs")
    __import__("eval")
    import_module(name)
"""
    assert set(imports(ast.parse(source))) == {"a.b", "rag.schema", "rag", "c", "ingest.jobs", "eval", ""}
    assert any(
        name.startswith("chromadb") for name in imports_of(ROOT / "rag/archive/indexes/vector_index.py")
    )  # a lazy one


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_go_one_way(part: str) -> None:
    """schema ← language, models ← archive ← answering ← assistant ← serving ← interfaces ← app; eval is above all."""
    wrong = {
        f"{name_of(path)} imports {module}"
        for path in sources()
        if part_of(name_of(path)) == part
        for module in imports_of(path)
        if is_ours(module) and part_of(module) not in MAY_IMPORT[part] | {part}
    }
    assert wrong == set()


def test_names_of_imported_modules_are_written_out() -> None:
    computed = {path.relative_to(ROOT).as_posix() for path in sources() if "" in imports_of(path)}
    assert computed == set(COMPUTED_IMPORTS)


def test_no_file_is_long() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources()}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_no_folder_is_full() -> None:
    modules: dict[str, int] = defaultdict(int)
    for path in sources():
        if path.name != "__init__.py":
            modules[path.parent.relative_to(ROOT).as_posix()] += 1
    assert {folder: count for folder, count in modules.items() if count > MOST_MODULES} == {}


def test_every_library_is_imported_in_one_file() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path in (path for path in sources() if path.relative_to(ROOT).as_posix() not in COMPETITORS):
        for name in {name.split(".")[0] for name in imports_of(path) if name and not is_ours(name)}:
            if name not in EVERYWHERE | set(sys.stdlib_module_names):
                found[name].add(path.relative_to(ROOT).as_posix())
    several = {
        name: files for name, files in found.items() if len(files) > 1 and not files <= SEVERAL_FILES.get(name, set())
    }
    assert several == {}


def test_the_types_need_no_third_party() -> None:
    assert imports_of(ROOT / "rag" / "schema.py") <= set(sys.stdlib_module_names)


def fastest(arguments: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Processor seconds of the best of three runs, which others on the machine hardly change, and what it printed."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
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
        "app",
    ],
)
def test_no_module_loads_a_model_library_when_imported(module: str, child_environment: dict[str, str]) -> None:
    heavy = ["torch", "gradio", "chromadb", "llama_index", "sentence_transformers", "trafilatura"]
    code = f"import {module}, sys; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
