"""The snippets of docs/using.md do what they say, on the demo archive, and the README points to what exists."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import ROOT, Served

from eval.datasets import demo as demo_set
from ingest.pipeline import ingest
from ingest.readers.files import ReadOptions, read
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.models.embeddings import LazyEmbedder
from rag.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

USING = ROOT / "docs" / "using.md"
DEMO = ".dateline/demo"
HEADING = "## Put it behind your product\n"


@pytest.fixture(scope="module")
def blocks() -> dict[str, list[str]]:
    """Language -> the code blocks of the section. A section that is gone, or lost a snippet, is a failure."""
    text = USING.read_text(encoding="utf-8")
    assert HEADING in text, f"{USING.name} has no section '{HEADING.strip()}': rename it here too"
    section = re.split(r"\n## ", text.split(HEADING, 1)[1])[0]
    found: dict[str, list[str]] = {}
    for language, code in re.findall(r"```(\w+)\n(.*?)```", section, re.S):
        found.setdefault(language, []).append(code)
    return found


@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/using.md", "docs/figures.md", "docs/operating.md", "docs/capacity.md", "SECURITY.md"],
)
def test_links_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_the_map_names_every_package() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    packages = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "rag").glob("*/__init__.py")}
    assert [name for name in sorted(packages) if f"**`{name}/`**" not in text] == []
    inner = {path.parent.name for room in ("ingest", "eval") for path in (ROOT / room).glob("*/__init__.py")}
    assert [name for name in sorted(inner - {"commands"}) if f"`{name}/`" not in text] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 1300


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A folder with the demo archive where `make run` puts it, in which the snippets run."""
    folder = tmp_path_factory.mktemp("product")
    with closing(Archive(Settings(data_dir=folder / DEMO))) as archive:
        ingest(read([demo_set.ARCHIVE], ReadOptions()), archive, LazyEmbedder(str(tiny_model)))
    return folder


@pytest.fixture
def surroundings(place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No language model, a small embedder."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("DATELINE_LLM", "none")
    monkeypatch.setenv("DATELINE_EMBEDDER", str(tiny_model))


@pytest.fixture
def url(place: Path, tiny_model: Path) -> Iterator[str]:
    """A server of the archive."""
    settings = Settings(data_dir=place / DEMO, llm="none", embedder=str(tiny_model))
    with Assistant.open(settings=settings) as assistant:
        served = Served()
        yield served(assistant)
        served.stop()


def test_curl(blocks: dict[str, list[str]], url: str) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    command = blocks["bash"][0].replace("http://127.0.0.1:7860", url)
    answer = json.loads(subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout)
    assert any("wrong seal" in citation["quote"] for citation in answer["citations"])


def test_openai(blocks: dict[str, list[str]], url: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(blocks["python"][0].replace("http://127.0.0.1:7860", url), {})
    printed = capsys.readouterr().out
    assert "wrong seal" in printed
    assert re.search(r"https://[a-z-]+\.example/", printed)


def test_mcp(
    blocks: dict[str, list[str]], place: Path, tiny_model: Path, child_environment: dict[str, str], python: str
) -> None:
    from mcp import Client, StdioServerParameters

    server = json.loads(blocks["json"][0])["mcpServers"]["dateline"]
    assert server["command"] == "dateline"
    environment = child_environment | {"DATELINE_LLM": "none", "DATELINE_EMBEDDER": str(tiny_model)}
    program = StdioServerParameters(command=python, args=["-m", "app", *server["args"]], env=environment, cwd=place)

    async def ask() -> object:
        async with Client(program) as client:
            result = await client.call_tool("ask", {"question": "Why did the Kestrel Sound hit the breakwater?"})
            return result.structured_content["citations"]

    assert "wrong seal" in str(asyncio.run(asyncio.wait_for(ask(), 60)))


@pytest.mark.usefixtures("surroundings")
def test_python(blocks: dict[str, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    exec(blocks["python"][1], {})
    printed = capsys.readouterr().out
    assert "wrong seal" in printed
    assert re.search(r"https://[a-z-]+\.example/", printed)
