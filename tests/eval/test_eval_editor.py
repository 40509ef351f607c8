"""The editor's questions: labels are read strictly, and each figure falls for the answer that it is about."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from eval.datasets import demo as demo_set
from eval.datasets import editor as editor_set
from eval.datasets.editor import EditorQuestion, Fact, FalseStatement
from eval.experiments import editor
from eval.metrics import answers as answer_metrics
from eval.reporting import tables
from rag.assistant import Assistant
from rag.errors import SettingsError
from rag.schema import Answer, Turn

LINE = {"id": "q1", "text": "How many died?", "kind": "latest", "today": "2026-06-18", "facts": [["eleven", "11"]]}


def labelled(
    *said: str, expects: str = "answer", facts: Sequence[Sequence[str]] = (("eleven", "11"), ("Millford",)),
    verdict: str = "supported", kind: str = "latest", seconds: tuple[float, float] | None = (0.5, 1.5),
) -> dict[str, Any]:  # fmt: skip
    """A prediction whose answer consists of these sentences; without any it is a refusal."""
    sentences = [{"text": text, "verdict": verdict, "citations": []} for text in said]
    answer = {"answered": bool(said), "text": " ".join(said), "sentences": sentences, "citations": []}
    first, total = seconds or (None, None)
    return {
        "id": "q", "kind": kind, "language": "en", "expects": expects, "facts": [list(fact) for fact in facts],
        "false": [{"says": ["four dead"], "unless": ["final toll"]}], "answer": answer, "error": "",
        "first_seconds": first, "total_seconds": total,
    }  # fmt: skip


GOOD = labelled("Eleven people died.", "The last was found in Millford.")
HALF = labelled("Eleven people died.", seconds=(0.9, 1.9))
OUTDATED = labelled("Police spoke of four dead, not eleven, in Millford.")
REFUSAL = labelled()
CRASH = {**GOOD, "answer": None, "error": "ValueError: boom", "first_seconds": None, "total_seconds": None}
TRAP_REFUSED = labelled(expects="correction")
TRAP_CORRECTED = labelled("Eleven died.", "They died in Millford.", expects="correction")
TRAP_TAKEN = labelled("The strike was ended by the navy.", expects="correction")


def value(measure: str, *found: dict[str, Any]) -> tuple[float, int]:
    """The value of one row over these predictions, and its n."""
    (row,) = (row for row in editor.measure(found, "small") if row.measure == measure)
    return row.value, row.n


def test_a_good_answer_passes_and_a_poor_one_fails() -> None:
    assert answer_metrics.passes(GOOD) == 1.0
    for poor in (HALF, OUTDATED, REFUSAL, CRASH, TRAP_TAKEN):
        assert answer_metrics.passes(poor) == 0.0
    assert value(editor.PASS, GOOD, HALF, OUTDATED, CRASH) == (0.25, 4)


def test_facts_count_one_by_one_in_any_wording() -> None:
    assert value(editor.FACTS, GOOD, HALF, REFUSAL, CRASH) == (pytest.approx(1.5 / 4), 4)
    accented = labelled("Se recuperó el cronómetro en VILLASERA: 2.340 hectáreas", facts=[["cronometro"], ["2,340"]])
    assert answer_metrics.facts_held(accented) == 1.0
    assert answer_metrics.facts_held(labelled("It took 111 days.", facts=[["11"]])) == 0.0
    assert value(editor.FACTS, GOOD, TRAP_REFUSED) == (1.0, 1)  # a trap is not answered with facts


def test_only_a_supported_sentence_tells_what_is_false() -> None:
    assert answer_metrics.tells_false(OUTDATED) == 1.0
    assert answer_metrics.tells_false(labelled("Police spoke of four dead.", verdict="unsupported")) == 0.0
    assert answer_metrics.tells_false(labelled("At first it was four dead.", "The final toll is eleven.")) == 0.0
    assert answer_metrics.tells_false(REFUSAL) == 0.0
    assert value(editor.FALSE, GOOD, OUTDATED, REFUSAL, CRASH) == (0.5, 2)  # of the answers that were given


def test_refusals_count_against_answerable_questions_and_for_traps() -> None:
    assert value(editor.REFUSED, GOOD, REFUSAL, CRASH, TRAP_REFUSED) == (pytest.approx(1 / 3), 3)
    assert value(editor.TRAPS, GOOD, TRAP_REFUSED, TRAP_CORRECTED, TRAP_TAKEN) == (pytest.approx(2 / 3), 3)
    assert answer_metrics.passes(labelled(expects="refusal", facts=())) == 1.0
    assert answer_metrics.passes(labelled("It costs 12 crowns.", expects="refusal", facts=())) == 0.0
    assert answer_metrics.passes({**TRAP_REFUSED, "answer": None}) == 0.0  # a crash is not a refusal


def test_seconds_are_those_of_answers_that_came() -> None:
    found = [labelled("Eleven.", seconds=(n**2 / 10, n**2)) for n in range(1, 21)] + [CRASH]
    assert value(editor.FIRST, *found) == (pytest.approx(11.05), 20)
    assert value(editor.FIRST_P95, *found) == (pytest.approx(36.295), 20)
    assert value(editor.TOTAL, *found) == (pytest.approx(110.5), 20)
    assert value(editor.TOTAL_P95, *found) == (pytest.approx(362.95), 20)
    (row,) = (row for row in editor.measure(found, "small") if row.measure == editor.TOTAL)
    assert 1 <= row.low < 110.5 < row.high <= 400


def test_the_section_has_a_line_for_each_kind_and_language() -> None:
    whole = {"question": "?", "answers": [], "options": [], "answerable": True, "articles": []}
    found = [whole | GOOD, whole | HALF, whole | labelled(kind="withdrawn", expects="refusal", facts=())]
    section = editor.section(found, "small")
    assert section["data"] == {"name": "demo-editor", "digest": editor_set.digest(), "questions": 3}
    assert set(section["by_kind"]) == {"latest", "withdrawn"}
    assert {row["measure"]: row["value"] for row in section["by_kind"]["withdrawn"]}[editor.PASS] == 1.0
    assert {row["measure"]: row["value"] for row in section["by_kind"]["latest"]}[editor.PASS] == 0.5
    shown = {line[0].text: [cell.text for cell in line[1:]] for line in tables.of_editor(section).rows}
    assert set(shown) == {"latest", "withdrawn", "en", "all"}
    assert shown["latest"] == ["2", ".500", ".750", "0", "0", tables.NOTHING, "0.7 (0.88)", "1.7 (1.88)"]
    assert shown["withdrawn"][4:6] == [tables.NOTHING, "1"]


def question(text: str, **more: Any) -> EditorQuestion:
    base: dict[str, Any] = {
        "id": "q", "kind": "fact", "language": "en", "today": date(2025, 3, 12), "history": (), "expects": "answer",
        "articles": frozenset({"a1"}), "facts": (Fact(("212",)),), "false": (FalseStatement(("213",)),),
    }  # fmt: skip
    return EditorQuestion(text=text, **(base | more))


def test_a_question_is_asked_on_its_day_and_timed(assistant: Callable[..., Assistant]) -> None:
    asked = question("Which ferry ran aground last week with how many passengers?")
    found = editor.ask(assistant(extraction=True), asked)
    assert found["right"] == 1.0
    assert found["facts"] == [["212"]]
    assert found["answer"]["window"] == {"from": "2025-03-03", "to": "2025-03-09", "dropped": False}
    assert 0 < found["first_seconds"] <= found["total_seconds"]
    assert json.loads(json.dumps(found)) == found  # so an interrupted run goes on with the same


class Slow(Assistant):
    """Pauses before and after each state of an answer, as a slow model would."""

    pause = 0.05

    def stream(self, *arguments: Any, **options: Any) -> Iterator[Answer]:
        for answer in super().stream(*arguments, **options):
            time.sleep(self.pause)
            yield answer


def test_sources_are_no_first_words(assistant: Callable[..., Assistant]) -> None:
    fast = assistant(extraction=True)
    slow = Slow(fast.archive, fast.embedder, None, fast.settings)
    states = list(fast.stream("Which ferry ran aground off Port Selwyn?"))
    assert not states[0].sentences
    found = editor.ask(slow, question("Which ferry ran aground off Port Selwyn?"))
    assert 2 * Slow.pause <= found["first_seconds"] <= found["total_seconds"]
    assert found["total_seconds"] >= len(states) * Slow.pause
    refused = editor.ask(slow, question("Zanzibar Qwerty Xylophone?"))
    assert refused["answer"]["answered"] is False
    assert refused["first_seconds"] >= 2 * Slow.pause  # the final refusal


def test_the_conversation_is_read(assistant: Callable[..., Assistant]) -> None:
    history = (Turn(question="How many fell ill in the measles outbreak of Harrow Bay?", answer="Dozens."),)
    asked = question("Exactly how many?", history=history, facts=(Fact(("Sixty-one",)),))
    assert editor.ask(assistant(extraction=True), asked)["right"] == 1.0


def test_a_crash_is_a_miss(assistant: Callable[..., Assistant]) -> None:
    found = editor.ask(assistant(extraction=True), question(" "))
    assert found["error"].startswith("QuestionError: The question is empty")
    assert (found["answer"], found["right"], found["total_seconds"]) == (None, 0.0, None)


@pytest.mark.parametrize(("change", "wrong"), [
    ({"expects": "silence"}, "expects is 'silence'"), ({"facts": []}, "has some"),
    ({"expects": "refusal"}, "a refusal has no facts"), ({"facts": [[]]}, "not a list of wordings"),
    ({"facts": ["eleven"]}, "not a list of wordings"), ({"facts": [[" "]]}, "not a list of wordings"),
    ({"false": [{"says": ["four"]}]}, "unless"), ({"today": "18 June"}, "ValueError"),
    ({"history": [["one"]]}, "unpack"), ({"id": "q0"}, "the id 'q0' is taken"),
])  # fmt: skip
def test_a_damaged_line_is_named(tmp_path: Path, change: dict[str, Any], wrong: str) -> None:
    file = tmp_path / "editor.jsonl"
    file.write_text(json.dumps(LINE | {"id": "q0"}) + "\n" + json.dumps(LINE), encoding="utf-8")
    assert [one.facts for one in editor_set.load(file)] == 2 * [(Fact(("eleven", "11")),)]
    file.write_text(json.dumps(LINE | {"id": "q0"}) + "\n" + json.dumps(LINE | change), encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"editor\.jsonl:2 is malformed: .*{wrong}"):
        editor_set.load(file)


def test_each_set_has_a_digest_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(demo_set.FOLDER, folder)
    old, new = demo_set.digest(folder), editor_set.digest(folder)
    assert (old, new) == (demo_set.digest(), editor_set.digest())

    def changed(name: str) -> tuple[bool, bool]:
        path = folder / name
        kept = path.read_bytes()
        path.write_bytes(kept + b"\n")
        try:
            return demo_set.digest(folder) != old, editor_set.digest(folder) != new
        finally:
            path.write_bytes(kept)

    assert changed(demo_set.EDITOR_FILE) == (False, True)
    assert changed("queries_test.jsonl") == (True, False)
    assert changed("archive/a03-strait-collision.txt") == (True, True)
    assert changed("stories.jsonl") == (False, False)
