"""The command line from argv to exit code, over a folder of its own, without a language model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import main
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.installation import new_place
from rag.models.cards import E5_SMALL, MINILM
from rag.models.embeddings import LazyEmbedder
from rag.schema import Article
from rag.settings import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, articles: list[Article]) -> Path:
    """An archive of the ten articles, one with an escape sequence for terminals in it."""
    nasty = replace(
        articles[7], title="Undated \x1b[31mnotice\x07 about the lighthouse", text="\x1b]0;owned\x07" + articles[7].text
    )
    folder = tmp_path_factory.mktemp("cli") / "archive"
    with closing(Archive(Settings(data_dir=folder))) as archive:
        ingest([*articles[:7], nasty, *articles[8:]], archive, LazyEmbedder(str(tiny_model)))
    return folder


@pytest.fixture
def run(folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on the archive: exit code, standard output, standard error."""
    monkeypatch.setenv("DATELINE_LLM", "none")
    monkeypatch.setenv("DATELINE_EMBEDDER", str(tiny_model))
    monkeypatch.setenv("DATELINE_DATA_DIR", str(folder))

    def command(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as stopped:  # argparse leaves this way
            code = int(stopped.code or 0)
        said = capfd.readouterr()
        return code, said.out, said.err

    return command


def data(run: Run, *arguments: str) -> tuple[int, Any]:
    code, out, _ = run(*arguments, "--json")
    return code, json.loads(out)


QUESTION = "Where did the ferry Castellan run aground?"


def test_ask_prints_the_answer_with_its_quotes(run: Run) -> None:
    code, out, _ = run("ask", QUESTION)
    assert code == 0
    assert "ran aground on a sandbank off Port Selwyn" in out
    assert re.search(r"^\[1\] .+ — .+$", out, re.M)  # headline — outlet, day
    assert out.rstrip().endswith("(extraction (no language model))")


def test_ask_as_json_has_the_shape_of_every_face(run: Run, articles: list[Article]) -> None:
    code, said = data(run, "ask", QUESTION)
    assert code == 0
    assert list(said) == [
        "question", "kind", "kind_dropped", "answered", "reason", "text", "sentences", "citations", "hits", "coverage",
        "window", "model", "by_extraction", "stray_markers", "withheld", "timings",
    ]  # fmt: skip
    assert (said["question"], said["answered"]) == (QUESTION, True)
    texts = {article.id: article.text for article in articles}
    for citation in said["citations"]:
        assert texts[citation["article_id"]][citation["start"] : citation["end"]] == citation["quote"]
        assert set(citation) == {
            "number",
            "article_id",
            "title",
            "outlet",
            "published",
            "url",
            "passage_id",
            "quote",
            "start",
            "end",
        }
    for hit in said["hits"]:
        assert hit["passage_id"].startswith(f"{hit['article_id']}#")
        assert set(hit) == {
            "score", "article_id", "title", "outlet", "published", "url", "passage_id", "text", "start", "end",
            "copies",
        }  # fmt: skip
    named = {number for sentence in said["sentences"] for number in sentence["citations"]}
    assert named == {c["number"] for c in said["citations"]} == set(range(1, len(named) + 1))
    assert said["coverage"] == {"articles": 10, "from": "2025-01-20", "to": "2026-02-12"}
    assert {s["verdict"] for s in said["sentences"]} == {"supported"}


def test_a_refusal_is_exit_code_1_with_what_was_searched(run: Run) -> None:
    code, said = data(run, "ask", "Who won the Lunada chess tournament of 1987?")
    assert (code, said["answered"], said["citations"], said["sentences"]) == (1, False, [], [])
    code, out, _ = run("ask", "Who won the Lunada chess tournament of 1987?")
    assert code == 1
    assert "Searched: 10 articles from 20 January 2025 to 12 February 2026" in out


def test_search_as_json_gives_hits_best_first(run: Run) -> None:
    code, said = data(run, "search", "parking levy in Villasera", "--top-k", "3")
    assert code == 0
    assert list(said) == ["query", "hits", "note"]
    assert {said["hits"][0]["article_id"], said["hits"][1]["article_id"]} == {"a3", "a4"}
    assert [h["score"] for h in said["hits"]] == sorted((h["score"] for h in said["hits"]), reverse=True)
    assert len(said["hits"]) == 3


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--outlet", "Corvane Ledger"), {"a9", "a10"}),
        (("--outlet", "Corvane Ledger", "--outlet", "Diario del Estrecho"), {"a5", "a9", "a10"}),
        (("--language", "es"), {"a5"}),
        (("--author", "Benitez"), {"a1", "a7"}),
        (("--since", "2026-02-01"), {"a4", "a10"}),
        (("--since", "2025-03-04", "--until", "2025-03-05"), {"a1", "a2"}),
    ],
)
def test_filters_reach_search_and_list(run: Run, options: tuple[str, ...], ids: set[str]) -> None:
    _, listed = data(run, "articles", *options)
    assert {a["article_id"] for a in listed["articles"]} == ids
    _, found = data(run, "search", "the", "--top-k", "50", *options)
    assert {h["article_id"] for h in found["hits"]} <= ids


def test_articles_lists_newest_first_and_searches_titles(run: Run) -> None:
    code, said = data(run, "articles", "levy")
    assert (code, [a["article_id"] for a in said["articles"]]) == (0, ["a4", "a3"])
    assert set(said["articles"][0]) == {
        "article_id", "title", "outlet", "published", "url", "byline", "genre", "modified", "language", "version",
        "status",
    }  # fmt: skip
    assert [a["published"] for a in said["articles"]] == ["2026-02-12", "2025-01-20"]  # only the day is known
    code, out, _ = run("articles", "--limit", "2")
    assert (code, len(out.splitlines())) == (0, 2)


def test_show_prints_an_article_and_as_json_its_text(run: Run, articles: list[Article]) -> None:
    code, out, _ = run("show", "a1")
    assert code == 0
    assert out.startswith(
        "Ferry runs aground off Port Selwyn\nThe Tide, 4 March 2025\nhttps://news.example/1\n\nThe ferry Castellan"
    )
    code, said = data(run, "show", "a3")
    assert code == 0
    assert (said["text"], said["uncitable"]) == (articles[2].text, [list(span) for span in articles[2].uncitable])
    assert data(run, "show", "a1")[1]["published"] == "2025-03-04T08:15:00+00:00"  # a time that the source gave


def test_stories_are_listed_and_one_is_shown_with_its_articles(run: Run) -> None:
    code, listed = data(run, "stories", "--outlet", "Orr Courier")
    story = next(one for one in listed["stories"] if one["headline"] == "Ferry runs aground off Port Selwyn")
    assert (code, story["reports"]) == (0, 1)
    assert f"{story['id']}  Ferry runs aground off Port Selwyn — " in run("stories")[1]
    code, out, _ = run("stories", story["id"])
    assert code == 0
    shown = [line.split()[0] for line in out.splitlines()[1:]]
    assert shown[:2] == ["a1", "a2"]
    code, said = data(run, "stories", story["id"])
    assert [article["article_id"] for article in said["articles"]] == shown
    assert run("stories", "--limit", "0")[0] == 2


def test_doctor_finds_a_sound_archive(run: Run) -> None:
    code, said = data(run, "doctor")
    assert (code, said["sound"], said["vectors_missing"], said["words_extra"]) == (0, True, 0, 0)
    assert "The archive is sound." in run("doctor")[1]


def test_doctor_names_the_embedder_and_a_move_that_was_interrupted(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATELINE_EMBEDDER")
    monkeypatch.setenv("DATELINE_MODEL_CACHE", str(tmp_path))
    archive.catalog.set_meta({"embedder": E5_SMALL.name})
    archive.catalog.begin_reindex(MINILM.name)
    archive.close()
    where = ("--data-dir", str(archive.folder))
    assert "Its form" not in run("doctor", *where)[1]
    (tmp_path / "embedders").mkdir()
    (tmp_path / "embedders" / "multilingual-e5-small.exact.onnx").write_bytes(b"")
    code, said = data(run, "doctor", *where)
    assert (code, said["embedder"], said["embedder_form"]) == (0, E5_SMALL.name, "exact")
    assert said["unfinished_reindex"] == MINILM.name
    text = run("doctor", *where)[1]
    assert "Its form on this machine: exact." in text
    assert f"A move to {MINILM.name} is under way, or dateline reindex --embedder minilm goes on with it." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "a99"), "there is no article 'a99'. List them with: dateline articles"),
        (("show", "a1", "--version", "9"), "there is no article 'a1' version 9"),
        (("stories", "nothing"), "there is no story 'nothing'. List them with: dateline stories"),
        (("stories", "--since", "2030-01-01"), "no story was found: two articles or more"),
        (("articles", "zzz"), "find words in the texts with: dateline search"),
        (("remove", "a99"), "there is no article 'a99'"),
    ],
)
def test_nothing_found_is_exit_code_1_with_the_way_on(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 1
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "?", "--since", "31/02/2025"), "'31/02/2025' is no day; expected one such as 2025-03-01"),
        (("ask", "?", "--until", "2025-02-30"), "'2025-02-30' is no day"),
        (
            ("ask", "Rain?", "--since", "2025-03-02", "--until", "2025-03-01"),
            "begins on 2025-03-02 and ends before that",
        ),
        (("ask", "  "), "The question is empty"),
        (("ask", "x" * 2001), "has 2,001 characters; at most 2,000 are read"),
        (("ask", "Rain?", "--llm", "/nowhere/x.gguf"), "DATELINE_LLM is '/nowhere/x.gguf', which is no file"),
        (
            ("articles", "--archive", "Sport"),
            "dateline: --archive is 'Sport': it is no name of an archive; expected at most",
        ),
        (("ask", "Rain?", "--kind", "poem"), "argument --kind: invalid choice: 'poem' (choose from"),
        (("search", "rain", "--top-k", "0"), "--top-k is 0; expected 1 to 1000"),
        (("ingest", ".", "--map", "colour=x"), "--map is 'colour=x'; expected OURS=THEIRS"),
        (("bogus",), "invalid choice: 'bogus'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_bad_usage_is_exit_code_2_and_names_the_value(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_an_error_is_json_when_json_was_asked_for(run: Run) -> None:
    code, said = data(run, "ask", "")
    assert (code, said["error"]["type"]) == (2, "QuestionError")
    assert said["error"]["message"].startswith("The question is empty")


def test_a_bad_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATELINE_TOP_K", "many")
    code, _, err = run("articles")
    assert code == 2
    assert err == (
        "dateline: DATELINE_TOP_K is 'many': input should be a valid integer, unable to parse string as an integer. "
        "Correct the value or unset it.\n"
    )


@pytest.mark.parametrize("command", ["ask", "search"])
def test_an_empty_archive_says_how_to_fill_it(run: Run, tmp_path: Path, command: str) -> None:
    Archive(Settings(data_dir=tmp_path / "new")).close()
    code, out, err = run(command, "Did it rain?", "--data-dir", str(tmp_path / "new"))
    assert (code, out) == (1, "")
    assert f"The archive at {tmp_path / 'new'} holds no article yet. Add some: dateline ingest" in err


@pytest.mark.parametrize(
    "arguments", [("articles",), ("show", "a8"), ("ask", "Who paints the lighthouse at Cape Orrin?")]
)
def test_an_article_cannot_steer_the_terminal(run: Run, arguments: tuple[str, ...]) -> None:
    _, out, err = run(*arguments)
    assert "lighthouse" in out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", out + err)


def test_options_stand_before_or_behind_the_command(run: Run, folder: Path) -> None:
    assert run("--json", "articles")[1] == run("articles", "--json")[1]
    assert run("--data-dir", str(folder), "articles")[1] == run("articles", "--data-dir", str(folder))[1]


READING = [
    ("ask", "Did it rain?"), ("search", "rain"), ("articles",), ("stories",), ("show", "a1"), ("export", "out"),
    ("doctor",), ("mcp",), ("remove", "a1"), ("rebuild",), ("reindex",), ("move", "--to", "there"),
]  # fmt: skip


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_command_that_needs_an_archive_makes_none(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    mistyped = tmp_path / "no where"
    code, out, err = run(*command, "--data-dir", str(mistyped))
    assert (code, out) == (2, "")
    assert err.startswith(f"dateline: There is no archive at {mistyped}. ")
    assert f"dateline ingest --data-dir '{mistyped}' FILE-OR-FOLDER" in err
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_of_an_archive_is_no_missing_one(tmp_path: Path) -> None:
    (tmp_path / "vectors").mkdir()
    assert new_place(Settings(data_dir=tmp_path)) is None
    assert new_place(Settings(data_dir=tmp_path / ("n" * 300))) is None  # opening it says why


def test_ingest_remove_and_rebuild_are_commands_of_one_line(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in" / "rain.txt"
    source.parent.mkdir()
    source.write_text(
        "Rain floods cellars\n\nRain flooded forty cellars in Harrow Bay on Monday, the fire brigade said.\n"
    )
    (tmp_path / "in" / "empty.txt").write_text("")
    where = ("--data-dir", str(tmp_path / "archive"))
    code, report = data(
        run, "ingest", str(tmp_path / "in"), *where, "--outlet", "The Tide", "--published", "2025-03-04"
    )
    assert (code, report["kept"], sum(report["rejected"].values())) == (0, 1, 1)
    assert (
        data(run, "ingest", str(tmp_path / "in"), *where, "--outlet", "The Tide", "--published", "2025-03-04")[1][
            "unchanged"
        ]
        == 1
    )
    _, listed = data(run, "articles", *where)
    (article,) = listed["articles"]
    assert (article["outlet"], article["published"], article["version"]) == ("The Tide", "2025-03-04", 1)
    assert data(run, "rebuild", *where) == (0, {"passages": 1})
    code, moved = data(run, "reindex", *where)
    assert (code, moved["passages"], moved["embedded"]) == (0, 1, 0)
    assert data(run, "remove", article["article_id"], "x", *where) == (
        0,
        {"removed": [article["article_id"]], "unknown": ["x"]},
    )
    assert run("articles", *where)[0] == 1
    code, _, err = run("ingest", str(tmp_path / "nowhere"), *where)
    assert code == 1
    assert "nowhere" in err


def test_a_file_name_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad\x1b]0;owned\x07.txt").write_text("")
    code, _, err = run("ingest", str(tmp_path), "--data-dir", str(tmp_path / "archive"))
    assert code == 1
    assert "rejected (" in err
    assert "\x1b" not in err
