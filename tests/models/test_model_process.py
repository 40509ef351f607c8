"""The process that serves a GGUF model: how it begins, fails, is started again, and always ends."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ArchiveMismatch, ModelUnavailable
from rag.models import files as weights
from rag.models.chat import EmbeddedChat, Message, begin_llm
from rag.models.model_process import ModelProcess
from rag.settings import Settings

needs_model = [
    pytest.mark.models,
    pytest.mark.skipif(not weights.has_packaged_llm(), reason="the packaged models are not installed"),
]
posix = pytest.mark.skipif(os.name == "nt", reason="signals and sessions are those of POSIX")
ASKED = [Message("system", "Be brief."), Message("user", "Count from one to one hundred.")]
ENDS_WITHIN = 20.0  # seconds; a process that is loading ends when llama.cpp gives its lock back


def gone(pid: int) -> bool:
    """Whether no process has this number, not even one that waits to be taken note of."""
    end = time.monotonic() + ENDS_WITHIN
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not psutil.pid_exists(pid)


Runtime = Callable[[str], None]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """`runtime(code)` is what the process runs when it imports the runtime of llama.cpp."""

    def is_now(code: str) -> None:
        (tmp_path / "xllamacpp.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)

    return is_now


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[[], EmbeddedChat]]:
    """Begins to load a user's own file; ended after the test."""
    file = tmp_path / "own.gguf"
    file.write_bytes(b"GGUF, but not really")
    made: list[EmbeddedChat] = []

    def begin() -> EmbeddedChat:
        model = begin_llm(Settings(llm=str(file)))
        assert isinstance(model, EmbeddedChat)
        made.append(model)
        return model

    yield begin
    for model in made:
        model.close()


# --- what can fail while it loads ------------------------------------------------------------------------------------


def test_a_missing_runtime_says_what_to_install(runtime: Runtime, begun: Callable[[], EmbeddedChat]) -> None:
    runtime("raise ImportError('no llama here')")
    with pytest.raises(ModelUnavailable, match="needs the llama.cpp runtime: no llama here. Install it") as failed:
        begun().check()
    assert "\n" not in str(failed.value)


def test_no_memory_for_the_model_is_said(runtime: Runtime, begun: Callable[[], EmbeddedChat]) -> None:
    runtime("raise MemoryError()")
    with pytest.raises(ModelUnavailable, match=r"own.gguf cannot be loaded: MemoryError.*fit into memory"):
        begun().check()


@posix
def test_a_process_that_is_killed_while_it_loads_is_reported_and_the_next_question_tries_again(
    runtime: Runtime, begun: Callable[[], EmbeddedChat]
) -> None:
    runtime("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    model = begun()
    with pytest.raises(ModelUnavailable, match=r"process that loads it ended \(SIGKILL, as .* memory is short\)"):
        model.check()
    runtime("raise ImportError('no llama here')")
    with pytest.raises(ModelUnavailable, match="no llama here"):
        model.probability(ASKED, "yes")


def test_what_the_runtime_prints_is_no_reply(
    runtime: Runtime, begun: Callable[[], EmbeddedChat], capfd: pytest.CaptureFixture[str]
) -> None:
    runtime("print('{\"address\": \"http://nobody\"}', flush=True); raise ImportError('no llama here')")
    with pytest.raises(ModelUnavailable, match="no llama here"):
        begun().check()
    assert "http://nobody" in capfd.readouterr().err


def test_closing_ends_what_is_still_loading_and_who_waits_for_it(
    runtime: Runtime, begun: Callable[[], EmbeddedChat]
) -> None:
    runtime("import time; time.sleep(600)")
    model = begun()
    failed: list[Exception] = []

    def wait() -> None:
        try:
            model.check()
        except ModelUnavailable as error:
            failed.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    model.close()
    waiting.join(ENDS_WITHIN)
    assert len(failed) == 1
    assert gone(model.process.pid)
    model.close()


def test_the_parent_is_not_held_up_by_the_loading(runtime: Runtime, begun: Callable[[], EmbeddedChat]) -> None:
    # A loader as llama.cpp's: seconds in which no other thread of its process runs.
    runtime("import re; re.match(r'(a|aa)+$', 'a' * 34 + 'b'); raise ImportError('no llama here')")
    model = begun()
    waiting = threading.Thread(target=lambda: pytest.raises(ModelUnavailable, model.check))
    began = last = time.monotonic()
    longest = 0.0
    waiting.start()
    while waiting.is_alive():
        time.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    assert last - began > 4 * longest


def test_a_refused_archive_ends_the_model_that_was_loading_for_it(
    runtime: Runtime, begun: Callable[[], EmbeddedChat], archive: Archive
) -> None:
    runtime("import time; time.sleep(600)")
    archive.close()
    model = begun()
    with pytest.raises(ArchiveMismatch):
        Assistant.open(settings=Settings(data_dir=archive.folder, embedder="minilm"), begun=model)
    assert gone(model.process.pid)


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        ({}, ("2000", None)),
        ({"GOMP_SPINCOUNT": "7"}, ("7", None)),
        ({"OMP_WAIT_POLICY": "active"}, (None, "active")),
    ],
)
def test_its_threads_do_not_wait_at_the_cost_of_others_unless_asked_to(
    chosen: dict[str, str], seen: tuple[str | None, str | None], begun: Callable[[], EmbeddedChat], runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATELINE_LLM_KEY", "of another model")
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    runtime("import os; raise ImportError([os.environ.get(n) for n in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY', "
            "'DATELINE_LLM_KEY')])")  # fmt: skip
    with pytest.raises(ModelUnavailable) as failed:
        begun().check()
    assert str([*seen, None]) in str(failed.value)


# --- how it always ends ----------------------------------------------------------------------------------------------

LOADING = """
import sys, time
from pathlib import Path
from rag.models.model_process import ModelProcess
process = ModelProcess(Path(sys.argv[1]), 1)
if sys.argv[2] == "loaded":
    process.address()
print(process.pid, flush=True)
time.sleep(600)
"""


def killed_parent(environment: dict[str, str], file: Path, moment: str) -> int:
    """The number of the model's process of a parent that was killed."""
    parent = subprocess.Popen(
        [sys.executable, "-c", LOADING, str(file), moment], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as said:
        pid = int(said.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    return pid


@posix
def test_it_ends_with_a_parent_that_is_killed_while_it_loads(
    runtime: Runtime, tmp_path: Path, child_environment: dict[str, str]
) -> None:
    runtime("import time; time.sleep(600)")
    path = os.pathsep.join([str(tmp_path), child_environment["PYTHONPATH"]])
    assert gone(killed_parent(child_environment | {"PYTHONPATH": path}, tmp_path / "any.gguf", "loading"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # that it was forgotten
def test_it_ends_where_its_owner_forgets_it(runtime: Runtime, tmp_path: Path) -> None:
    runtime("import time; time.sleep(600)")
    process = ModelProcess(tmp_path / "any.gguf", 1)
    pid = process.pid
    del process
    gc.collect()
    assert gone(pid)


@posix
def test_an_interrupt_at_the_terminal_is_for_the_parent_alone(runtime: Runtime, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    runtime(f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(600)")
    process = ModelProcess(tmp_path / "any.gguf", 1)
    assert os.getsid(process.pid) != os.getsid(0)
    while not ready.exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert not process.ended()
    process.close()
    assert gone(process.pid)


# --- with the packaged model -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> Iterator[EmbeddedChat]:
    opened = begin_llm(Settings(llm="packaged"))
    assert isinstance(opened, EmbeddedChat)
    yield opened
    opened.close()


def packaged(test: Callable[..., None]) -> Callable[..., None]:
    for mark in needs_model:
        test = mark(test)
    return test


@packaged
def test_its_key_is_in_no_place_that_others_can_read(model: EmbeddedChat) -> None:
    model.check()
    shown = psutil.Process(model.process.pid)
    assert model.endpoint.key == model.process.key
    assert model.process.key not in " ".join([*shown.cmdline(), *shown.environ().values()])


@packaged
def test_a_process_that_died_is_started_again_at_the_next_question(model: EmbeddedChat) -> None:
    assert "".join(model.stream(ASKED, 4))
    psutil.Process(model.process.pid).kill()
    assert gone(model.process.pid)  # without a question, too
    assert model.probability(ASKED, "One") is not None


@packaged
@posix
def test_a_process_that_dies_in_mid_answer_is_reported_and_started_again(model: EmbeddedChat) -> None:
    stream = model.stream(ASKED, 200)
    assert next(stream)
    os.kill(model.process.pid, signal.SIGSEGV)
    with pytest.raises(ModelUnavailable, match=r"ended while it answered \(SIGSEGV\)\. The next question") as failed:
        list(stream)
    assert "\n" not in str(failed.value)
    assert "".join(model.stream(ASKED, 4))


@packaged
def test_two_questions_at_once_start_one_process(model: EmbeddedChat) -> None:
    model.check()
    psutil.Process(model.process.pid).kill()
    assert gone(model.process.pid)
    threads = [threading.Thread(target=model.probability, args=(ASKED, "One")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours = [child for child in psutil.Process().children() if "rag.models.model_server" in child.cmdline()]
    assert [child.pid for child in ours] == [model.process.pid]


@packaged
def test_a_closed_model_leaves_no_process_and_starts_none() -> None:
    opened = begin_llm(Settings(llm="packaged"))
    assert isinstance(opened, EmbeddedChat)
    opened.check()
    opened.close()
    opened.close()
    assert gone(opened.process.pid)
    process = opened.process
    with pytest.raises(ModelUnavailable):
        opened.probability(ASKED, "yes")
    assert opened.process is process


@packaged
@posix
def test_it_ends_with_a_parent_that_is_killed_when_it_is_loaded(child_environment: dict[str, str]) -> None:
    file = weights.packaged_llm(Settings().model_cache).path
    assert gone(killed_parent(child_environment, file, "loaded"))
