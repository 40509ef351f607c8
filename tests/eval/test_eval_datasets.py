"""Data sets in both layouts, and what is said about broken ones: each problem with file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from small_set import lines

from eval.datasets.beir import load, turns
from eval.datasets.records import digest
from rag.errors import SettingsError
from rag.schema import Turn

CORPUS = [{"_id": "d1", "title": "Ferry", "text": "It sank."}, {"_id": "d2", "title": "", "text": "Bank closed."}]
QUERIES = [
    {"_id": "q1", "text": "What sank?", "meta": {"answer": "the ferry", "options": ["the ferry", "the bank"]}},
    {"_id": "q2", "text": "And why?", "meta": {"history": [["user", "What closed?"], ["agent", "A bank."]]}},
]


def write(folder: Path, corpus: list[object], queries: list[object], qrels: list[str]) -> Path:
    lines(folder / "corpus.jsonl", corpus)
    lines(folder / "queries_test.jsonl", queries)
    lines(folder / "qrels_test.tsv", ["query-id\tcorpus-id\tscore", *qrels])
    return folder


def problems(folder: Path) -> list[str]:
    return [str(problem) for problem in load(folder).problems]


def test_our_layout(tmp_path: Path) -> None:
    data = load(write(tmp_path / "set", CORPUS, QUERIES, ["q1\td1\t1", "q2\td2\t2"]))
    assert (data.name, data.split, list(data.corpus), data.problems) == ("set", "test", ["d1", "d2"], ())
    assert data.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2}}
    assert data.queries["q1"].answers == ("the ferry",)
    assert data.queries["q1"].options == ("the ferry", "the bank")
    assert data.queries["q2"].history == (Turn(question="What closed?", answer="A bank."),)
    assert data.describe()["scored"] == 2


def test_standard_layout_is_the_same_data(tmp_path: Path) -> None:
    ours = load(write(tmp_path / "a", CORPUS, QUERIES, ["q1\td1\t1", "q2\td2\t1"]))
    lines(tmp_path / "b" / "corpus.jsonl", list(CORPUS))
    lines(tmp_path / "b" / "queries.jsonl", list(QUERIES))
    lines(tmp_path / "b" / "qrels" / "dev.tsv", ["query-id\tcorpus-id\tscore", "q1\td1\t1", "q2\td2\t1"])
    beir = load(tmp_path / "b")
    assert (beir.qrels, beir.corpus, beir.split) == (ours.qrels, ours.corpus, "dev")


def test_questions_in_another_language_come_from_their_own_set(tmp_path: Path) -> None:
    english = write(tmp_path / "en", CORPUS, QUERIES, ["q1\td1\t1"])
    german = write(tmp_path / "de", [], [{"_id": "q1", "text": "Was sank?"}], ["q1\td1\t1", "q1\td9\t1"])
    data = load(english, asked=german)
    assert (data.name, list(data.corpus), data.queries["q1"].text) == ("en_from_de", ["d1", "d2"], "Was sank?")
    assert data.qrels == {"q1": {"d1": 1}}
    assert len({data.digest, load(english).digest}) == 2
    with pytest.raises(SettingsError, match="--queries is '.*nowhere'"):
        load(english, asked=tmp_path / "nowhere")


def test_a_missing_split_names_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Splits found: test"):
        load(write(tmp_path, CORPUS, QUERIES, ["q1\td1\t1"]), "dev")


def test_a_line_that_names_a_missing_article(tmp_path: Path) -> None:
    data = load(write(tmp_path, CORPUS, QUERIES, ["q1\td1\t1", "q2\td9\t1"]))
    assert [str(p) for p in data.problems] == ["qrels_test.tsv:3: the corpus has no article 'd9'; left out"]
    assert data.left_out == {"q2": "its relevant articles are not in the corpus"}


def test_a_line_that_names_a_missing_query(tmp_path: Path) -> None:
    found = problems(write(tmp_path, CORPUS, QUERIES, ["q1\td1\t1", "q8\td1\t1"]))
    assert found == ["qrels_test.tsv:3: there is no query 'q8'; left out"]


def test_duplicate_ids(tmp_path: Path) -> None:
    again = [*CORPUS, {"_id": "d1", "title": "", "text": "Other."}]
    found = problems(write(tmp_path, again, [*QUERIES, QUERIES[0]], ["q1\td1\t1", "q1\td1\t1"]))
    assert [p.split(";")[0] for p in found] == [
        "corpus.jsonl:3: the id 'd1' is also on line 1",
        "queries_test.jsonl:3: the id 'q1' is also on line 1",
        "qrels_test.tsv:3: 'q1' and 'd1' are also on line 2",
    ]


def test_two_questions_of_one_id_are_not_scored(tmp_path: Path) -> None:
    other = {"_id": "q1", "text": "What did not sink?"}
    data = load(write(tmp_path, CORPUS, [*QUERIES, other], ["q1\td1\t1", "q2\td2\t1"]))
    assert (list(data.qrels), data.left_out) == (["q2"], {"q1": "two questions have its id"})


def test_wrong_columns(tmp_path: Path) -> None:
    found = problems(write(tmp_path, CORPUS, QUERIES, ["q1\td1\t1", "q2 d2 1", "q2\td2\tyes"]))
    assert [p.split(":")[1] for p in found] == ["3", "4"]
    assert "found 1 columns" in found[0]


def test_labels_that_are_not_utf_8_or_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    folder = write(tmp_path, CORPUS, QUERIES, [])
    (folder / "qrels_test.tsv").write_bytes(b"\xef\xbb\xbfq1\td1\t1\nq2\tcaf\xe9\t1\nq2\td2\t1\n")
    data = load(folder)
    assert data.qrels == {"q1": {"d1": 1}, "q2": {"d2": 1}}
    assert [str(problem) for problem in data.problems] == [
        "qrels_test.tsv:2: the corpus has no article 'caf�'; left out"
    ]


def test_trec_columns_are_read(tmp_path: Path) -> None:
    assert load(write(tmp_path, CORPUS, QUERIES, ["q1\t0\td1\t1"])).qrels == {"q1": {"d1": 1}}


def test_a_grade_of_nought_is_not_relevant(tmp_path: Path) -> None:
    data = load(write(tmp_path, CORPUS, QUERIES, ["q1\td1\t0", "q1\td2\t1", "q2\td2\t0"]))
    assert data.qrels == {"q1": {"d2": 1}}
    assert data.left_out == {"q2": "no relevant article named"}


def test_empty_queries_and_articles_and_broken_lines(tmp_path: Path) -> None:
    corpus: list[object] = [*CORPUS, {"_id": "d3", "text": " "}, "{broken", {"_id": "d4"}]
    found = problems(write(tmp_path, corpus, [*QUERIES, {"_id": "q3", "text": ""}], ["q1\td1\t1"]))
    assert [p.split(":")[:2] for p in found] == [
        ["corpus.jsonl", "3"], ["corpus.jsonl", "4"], ["corpus.jsonl", "5"], ["queries_test.jsonl", "3"],
    ]  # fmt: skip


def test_a_gzip_cut_short_gives_what_can_be_read(tmp_path: Path) -> None:
    many = [{"_id": f"d{n}", "title": "", "text": f"Story {n * 7919 % 1000} {n}"} for n in range(1, 3000)]
    folder = write(tmp_path, CORPUS, QUERIES, ["q1\td1\t1", "q2\td2999\t1"])
    (folder / "corpus.jsonl").unlink()
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in many).encode())
    (folder / "corpus.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    data = load(folder)
    assert 100 < len(data.corpus) < 2999
    assert any("cut short" in str(p) and p.line > 100 for p in data.problems)
    assert "q2" in data.left_out


def test_without_qrels_the_queries_are_still_there(tmp_path: Path) -> None:
    folder = write(tmp_path, CORPUS, QUERIES, [])
    (folder / "qrels_test.tsv").unlink()
    data = load(folder)
    assert (len(data.queries), data.qrels) == (2, {})
    assert "there is no such file" in str(data.problems[0])


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries_test.jsonl"])
def test_nothing_to_measure_is_an_error(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, CORPUS, QUERIES, ["q1\td1\t1"])
    (folder / name).write_text("")
    with pytest.raises(SettingsError, match=r"holds no"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(SettingsError, match=r"has no"):
        load(folder)
    with pytest.raises(SettingsError, match="expected the folder"):
        load(tmp_path / "nowhere")


def test_the_digest_sees_every_byte_but_not_the_packing(tmp_path: Path) -> None:
    plain, packed, other = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz", tmp_path / "b" / "a.jsonl"
    other.parent.mkdir()
    plain.write_bytes(b"one\ntwo\n")
    packed.write_bytes(gzip.compress(b"one\ntwo\n"))
    other.write_bytes(b"one\ntwO\n")
    assert digest([plain]) == digest([packed]) != digest([other])


def test_histories_in_both_shapes() -> None:
    expected = (Turn(question="a", answer="b"), Turn(question="c", answer="d"))
    spoken = [["user", "a"], ["agent", "b"], ["user", "c"], ["agent", "d"]]
    assert turns(spoken) == expected
    assert turns([["a", "b"], ["c", "d"]]) == expected
    # The question that is asked now is no history.
    assert turns([*spoken, ["user", "e"]]) == expected


def test_the_shared_sets_are_read_whole(shared_data: Path) -> None:
    folders = [
        f for f in sorted((shared_data / "retrieval").iterdir()) if f.name not in ("realtimeqa2025", "clef2020_claims")
    ]
    found = {folder.name: load(folder) for folder in folders}
    broken = {name for name, data in found.items() if data.problems}
    assert broken == {"norquad_news_validation"}  # two ids stand twice in it
    assert len(found["xquad_en"].qrels) == 1190
