"""Files, folders and archives become articles; whatever is wrong with one of them stays with that one."""

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from support import zipped

from ingest.readers.encoding import decode
from ingest.readers.files import ReadOptions, Rejected, discover, read, read_bytes
from rag.errors import BadInput, SettingsError
from rag.schema import Article

DATA = Path(__file__).parents[3] / "shared" / "data"
ARCHIVE = Path(__file__).parents[2] / "eval" / "demo" / "archive"
TEXT = "The river rises\n\nIt rained for three days, and on the fourth the Orr came over the wall.\n"
RECORD = {"id": "n1", "title": "The river rises", "text": "It rained for three days and the Orr came over the wall."}


def everything(folder: Path, files: Mapping[str, bytes | str], **options: object) -> list[Article | Rejected]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read([folder], replace(ReadOptions(), **options)))  # type: ignore[arg-type]


def articles(found: list[Article | Rejected]) -> list[Article]:
    assert not [f for f in found if isinstance(f, Rejected)]
    return [f for f in found if isinstance(f, Article)]


def reasons(found: list[Article | Rejected]) -> list[str]:
    return [f.reason if isinstance(f, Rejected) else "read" for f in found]


def one(data: bytes | str, name: str, options: ReadOptions | None = None) -> Article:
    found = articles(list(read_bytes(data.encode() if isinstance(data, str) else data, name, options or ReadOptions())))
    assert len(found) == 1
    return found[0]


# --- finding


def test_folders_are_walked_in_order_without_hidden_files_and_each_file_once(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "sub/c.txt", ".hidden.txt", ".git/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TEXT)
    found = discover([tmp_path, tmp_path / "a.txt"])
    assert [p.relative_to(tmp_path).as_posix() for p in found] == ["a.txt", "b.txt", "sub/c.txt"]


def test_a_path_that_does_not_exist_is_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    found = list(read([tmp_path / "none.txt", tmp_path / "a.txt"], ReadOptions()))
    assert sorted(reasons(found)) == ["read", "unreadable"]


def test_files_are_read_one_by_one_and_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_text(TEXT)
    stream = read([tmp_path], ReadOptions())
    assert isinstance(next(stream), Article)
    (tmp_path / "b.txt").unlink()
    assert reasons(list(stream)) == ["unreadable"]


# --- texts and Markdown


def test_a_text_file_gives_title_text_id_source_and_language(tmp_path: Path) -> None:
    (article,) = articles(everything(tmp_path, {"Orr Flood.txt": TEXT}))
    assert (article.title, article.text) == ("The river rises", TEXT.split("\n\n")[1].strip())
    assert article.id.startswith("orr-flood-")
    assert article.source == str(tmp_path / "Orr Flood.txt")
    assert (article.language, article.version, article.status, article.published) == ("en", 1, "live", None)


def test_the_same_input_gives_the_same_articles_again(tmp_path: Path) -> None:
    first = everything(tmp_path, {"a.txt": TEXT, "b.jsonl": json.dumps({"text": RECORD["text"]})})
    assert first == list(read([tmp_path], ReadOptions()))


def test_what_a_text_does_not_say_comes_from_the_options(tmp_path: Path) -> None:
    given = {"outlet": "The Tide", "published": datetime(2025, 6, 3), "language": "nl-BE"}
    (article,) = articles(everything(tmp_path, {"a.txt": TEXT}, **given))
    assert (article.outlet, article.published, article.language) == ("The Tide", datetime(2025, 6, 3), "nl")
    said = one(
        "A title\nBy Nora Field, Orrin Observer, 4 June 2025\n\n" + TEXT, "a.txt", ReadOptions(outlet="The Tide")
    )
    assert (said.outlet, said.published) == ("Orrin Observer", datetime(2025, 6, 4))


def test_front_matter_is_read_as_people_write_it() -> None:
    front = (
        "---\ntitle: Opinion: close it\noutlet: \"The Tide\" \nauthors:\n  - Nora Field\n  - 'Ida Mercer'\n"
        "date: 2025-06-03\n"
        "url: https://t.example/a#top\ntags: [a, b]\nsubtitle: A standfirst\nlanguage: en\n---\n"
    )
    article = one(f"{front}\n# Opinion: close it\n\nIt **rained** for [three days](http://x.example).\n", "a.md")
    assert (article.title, article.outlet, article.byline) == (
        "Opinion: close it",
        "The Tide",
        "Nora Field, Ida Mercer",
    )
    assert (article.published, article.url) == (datetime(2025, 6, 3), "https://t.example/a")
    assert article.text == "A standfirst\n\nIt rained for three days."


def test_markdown_takes_its_title_from_the_heading() -> None:
    article = one(
        "Politics\n\n# The *river* rises\n\n*By Nora Field — The Tide — 3 June 2025*\n\nIt rained for days.", "a.md"
    )
    assert (article.title, article.byline, article.outlet) == ("The river rises", "Nora Field", "The Tide")
    assert article.text == "Politics\n\nIt rained for days."


def test_a_single_line_is_both_title_and_text() -> None:
    article = one("It rained for three days and the Orr came over the wall.", "a.txt")
    assert article.title == article.text


# --- records


def test_json_lines_are_read_line_by_line_and_a_bad_line_stops_nothing(tmp_path: Path) -> None:
    lines = [
        json.dumps(RECORD),
        "{broken",
        "",
        "[1, 2]",
        json.dumps({"text": ""}),
        json.dumps({"a": 1}),
        json.dumps({**RECORD, "id": "n2"}),
    ]
    found = everything(tmp_path, {"a.jsonl": "\n".join(lines)})
    assert reasons(found) == ["read", "malformed", "malformed", "malformed", "empty", "not an article", "read"]
    assert [f.source.rpartition(":")[2] for f in found] == ["1", "2", "4!1", "4!2", "5", "6", "7"]
    bad = found[1]
    assert isinstance(bad, Rejected)
    assert bad.message.startswith(f"{tmp_path / 'a.jsonl'}:2: ")
    assert "expected one object a line" in bad.message


@pytest.mark.parametrize("wrap", [lambda r: r, lambda r: {"articles": r}, lambda r: {"@graph": r}])
def test_a_json_file_may_hold_several_records(wrap: object) -> None:
    assert callable(wrap)
    value = wrap([RECORD, {**RECORD, "id": "n2"}])
    found = articles(list(read_bytes(json.dumps(value).encode(), "a.json", ReadOptions(), source="/x/a.json")))
    assert [(a.id, a.source) for a in found] == [("n1", "/x/a.json!1"), ("n2", "/x/a.json!2")]


def test_an_unknown_shape_names_the_keys_found_and_the_mapping_option() -> None:
    (found,) = read_bytes(b'{"kop": "Flood", "lopende": "It rained."}', "a.json", ReadOptions())
    assert isinstance(found, Rejected)
    assert found.reason == "not an article"
    assert "'kop', 'lopende'" in found.message
    assert "mapping" in found.message
    mapped = ReadOptions(mapping={"title": "kop", "text": "lopende"})
    assert one('{"kop": "The river", "lopende": "It rained for days."}', "a.json", mapped).text == "It rained for days."


def test_an_unknown_field_in_the_mapping_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="'headline', expected one of id, url, title"):
        ReadOptions(mapping={"headline": "kop"})


def test_a_record_keeps_its_id_and_an_unreadable_date_is_none() -> None:
    article = one(json.dumps({**RECORD, "id": " a#1 b ", "published": "31/02/2024"}), "a.json")
    assert article.published is None
    assert article.id.startswith("a-1-b-")  # and what tells it from another that would be written alike
    assert one(json.dumps({**RECORD, "id": " a-1-b "}), "a.json").id == "a-1-b"


def test_html_in_a_record_becomes_text() -> None:
    article = one(
        json.dumps({**RECORD, "text": "<p>It rained &amp; rained.</p><p hidden>Obey.</p><p>It stopped.</p>"}), "a.json"
    )
    assert article.text == "It rained & rained.\n\nIt stopped."


def test_a_withdrawn_item_needs_no_body() -> None:
    article = one('{"uri": "urn:x:1", "headline": "WITHDRAWN: fee", "pubstatus": "canceled"}', "a.json")
    assert (article.id, article.status, article.text) == ("urn:x:1", "withdrawn", "")


def test_records_without_id_that_share_a_title_are_not_lost(tmp_path: Path) -> None:
    lines = [json.dumps({"title": "Letters", "text": f"A letter of day {n} to the editor."}) for n in (1, 2, 2)]
    found = articles(everything(tmp_path, {"a.jsonl": "\n".join(lines)}))
    assert len({a.id for a in found}) == 2
    assert found[1].id == found[2].id


def test_a_corrected_page_keeps_the_id_that_follows_from_its_address() -> None:
    first, second = (
        {"url": "https://t.example/news/flood?utm_source=x", "title": f"{n} dead", "text": RECORD["text"]}
        for n in (4, 5)
    )
    assert one(json.dumps(first), "a.json").id == one(json.dumps(second), "b.json").id


def test_beir_lines_with_short_claims_are_read() -> None:
    article = one('{"_id": "c1", "title": "", "text": "Vaccines cause no autism.", "meta": {}}', "corpus.jsonl")
    assert (article.id, article.title, article.text) == ("c1", "Vaccines cause no autism.", "Vaccines cause no autism.")


def test_csv_rows_are_read_with_long_fields_quotes_and_any_separator(tmp_path: Path) -> None:
    long = "It rained. " * 20_000
    rows = f'titulo;texto;fecha\nFlood;"It ""rained"",\nand rained again; for days.";14/02/2025\n;;\nLong;{long};\n'
    found = articles(everything(tmp_path, {"a.csv": rows}))
    assert [a.title for a in found] == ["Flood", "Long"]
    assert found[0].text == 'It "rained",\nand rained again; for days.'
    assert found[0].published == datetime(2025, 2, 14)
    assert len(found[1].text) == len(long.strip()) > 131_072


def test_a_csv_without_a_text_column_is_rejected_once(tmp_path: Path) -> None:
    found = everything(tmp_path, {"a.csv": "a,b\n1,2\n3,4\n"})
    assert reasons(found) == ["not an article"]
    assert "'a', 'b'" in found[0].message  # type: ignore[union-attr]


# --- characters

SPANISH = "Título de la crónica\n\nLlovió tres días y el río Orr pasó el muro; el alcalde pidió ayuda a la región."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "iso-8859-15"])
def test_a_text_in_a_common_encoding_is_read(encoding: str) -> None:
    article = one(SPANISH.encode(encoding), "a.txt")
    assert f"{article.title}\n\n{article.text}" == SPANISH


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (
            "Дождь шёл три дня, и на четвёртый река вышла из берегов. Мэр города попросил помощи у области. " * 3,
            "cp1251",
        ),
        ("大雨下了三天，第四天河水漫过了去年十一月建成的堤坝，市长请求省里支援，居民已经撤离。" * 5, "gb18030"),
        ("三日間雨が降り続き、四日目に川は十一月に完成した堤防を越えた。市長は県に支援を求めた。" * 5, "shift_jis"),
    ],
)
def test_a_text_in_a_legacy_encoding_of_another_script_is_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_page_is_read_in_the_charset_that_it_declares() -> None:
    markup = "<html><head><meta charset='windows-1251'></head><body>Дождь шёл три дня</body></html>"
    assert decode(markup.encode("cp1251")) == markup


def test_a_file_cut_in_the_middle_of_a_character_stays_utf_8() -> None:
    assert decode((SPANISH + " región").encode()[:-2]).startswith(SPANISH)


def test_a_line_in_another_encoding_than_the_rest_is_read(tmp_path: Path) -> None:
    good, legacy = (json.dumps({"id": n, "text": "Llovió tres días en la región."}, ensure_ascii=False) for n in "ab")
    (first, second) = articles(everything(tmp_path, {"a.jsonl": good.encode() + b"\n" + legacy.encode("cp1252")}))
    assert first.text == second.text == "Llovió tres días en la región."


@pytest.mark.parametrize("data", [b"\x00\x01\x02" * 200, bytes(range(1, 32)) * 50, b"\x89PNG\r\n\x1a\n" + bytes(200)])
def test_binary_data_is_not_text(data: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        decode(data)
    assert caught.value.reason == "not text"
    (found,) = read_bytes(data, "a.txt", ReadOptions())
    assert isinstance(found, Rejected)
    assert found.reason == "not text"


def test_hidden_characters_are_gone_from_title_and_text() -> None:
    article = one(TEXT.replace("rises", "ri\u200bses").replace("Orr", "O\U000e0041rr"), "a.txt")
    assert (article.title, "the Orr came" in article.text) == ("The river rises", True)


# --- what cannot be read


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n ", "empty"),
        ("a.txt", b"Too short", "too short"),
        ("a.txt", b"x" * 3000, "too large"),
        ("a.json", b'{"title": ', "malformed"),
        ("a.json", b"[" * 100_000, "too large"),
        ("a.json", b"[" * 1900, "malformed"),
        ("a.json", b'{"@type": "Organization", "name": "x", "text": "It rained for days."}', "not an article"),
        ("a.json", b"[]", "empty"),
        ("a.jsonl", b"", "empty"),
        ("a.jsonl", b"x" * 3000, "too large"),
        ("a.pdf", b"%PDF-1.4 no more", "malformed"),
        ("a.docx", b"PK no more", "malformed"),
        ("a.html", b"<html><body><a href='/'>Home</a></body></html>", "not an article"),
        ("a.png", b"\x89PNG", "unsupported"),
        ("a.js", b"function a() { return 'It rained for days' }", "unsupported"),
        ("a.xyz", b"\x00\x01\x02", "unsupported"),
        ("a.txt.gz", b"no gzip at all", "malformed"),
        ("a.jsonl.gz", gzip.compress(json.dumps(RECORD).encode(), mtime=0)[:-20], "malformed"),
        ("a.txt.gz", gzip.compress(b"x" * 1_000_000), "too large"),
        ("a.jsonl.gz", gzip.compress(b"\n" * 10_000_000), "too large"),
        ("a.zip", b"PK no more", "malformed"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_reason(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    found = everything(tmp_path, {name: data, "b.txt": TEXT}, max_bytes=2000)
    assert reasons(found) == [reason, "read"]
    rejected = found[0]
    assert isinstance(rejected, Rejected)
    assert rejected.message.startswith(f"{tmp_path / name}")


def test_an_unknown_suffix_is_sniffed() -> None:
    assert one(TEXT, "a.story").title == "The river rises"
    assert one(json.dumps(RECORD), "a.dat").id == "n1"
    head = "<!DOCTYPE html><html><head><title>The river</title></head>"
    page = f"{head}<body><article><p>{TEXT * 5}</p></article></body></html>"
    assert one(page, "a.txt").title == "The river"
    lines = f"{json.dumps(RECORD)}\n{json.dumps(RECORD)}"
    assert len(articles(list(read_bytes(lines.encode(), "a.json", ReadOptions())))) == 2


# --- archives


def test_an_archive_gives_its_members_and_one_bad_entry_stops_nothing(tmp_path: Path) -> None:
    packed = zipped(
        ("../climbs.txt", TEXT.encode()),
        ("/etc/absolute.txt", TEXT.encode()),
        ("inner.zip", zipped(("a.txt", TEXT.encode()))),
        ("big.txt", b"x" * 3000),
        ("__MACOSX/._a.txt", b"\x00"),
        ("news/a.txt", TEXT.encode()),
        ("news/b.jsonl.gz", gzip.compress(json.dumps(RECORD).encode())),
    )
    found = everything(tmp_path, {"a.zip": packed}, max_bytes=2000)
    assert reasons(found) == ["unsafe archive"] * 3 + ["too large", "read", "read"]
    assert [f.source for f in found[-2:]] == [f"{tmp_path}/a.zip!news/a.txt", f"{tmp_path}/a.zip!news/b.jsonl.gz:1"]
    assert not (tmp_path.parent / "climbs.txt").exists()


def test_an_archive_that_unpacks_to_too_much_is_not_opened(tmp_path: Path) -> None:
    bomb = zipped(*[(f"{n}.txt", b"x" * 2000) for n in range(30)])
    assert len(bomb) < 10_000
    assert reasons(everything(tmp_path, {"a.zip": bomb}, max_bytes=2000)) == ["unsafe archive"]


def test_an_encrypted_member_is_password_protected(tmp_path: Path) -> None:
    packed = bytearray(zipped(("a.txt", TEXT.encode())))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + offset] |= 1
    assert reasons(everything(tmp_path, {"a.zip": bytes(packed)})) == ["password-protected"]


# --- teasers, and real files


def test_teasers_of_every_format_are_marked_uncitable() -> None:
    box = "Related articles\n\nMayor opens the new bridge\n\nGull steals a wedding ring"
    for data, name in (
        (f"{TEXT}\n{box}", "a.txt"),
        (f"# {TEXT}\n## {box}", "a.md"),
        (json.dumps({"text": f"{TEXT}\n{box}"}), "a.json"),
    ):
        article = one(data, name)
        ((start, end),) = article.uncitable
        assert article.text[start:end] == box
        assert end == len(article.text)


def test_the_missile_story_keeps_its_dateline_and_has_no_date() -> None:
    path = DATA / "articles" / "missile-crisis.txt"
    if not path.exists():
        pytest.skip(f"needs the evaluation data at {DATA}")
    (article,) = articles(list(read([path], ReadOptions())))
    assert article.title == "Russia warns that there is a real threat of a new missile crisis"
    assert article.text.startswith("Moscow asks that the security guarantees")
    assert "\n\nMADRID, 27 (.)\n\n" in article.text
    assert (article.published, article.outlet, article.language) == (None, "", "en")
    assert article.uncitable == ((article.text.index("Related articles"), len(article.text)),)


def test_every_file_of_the_demo_archive_reads_well() -> None:
    found = articles(list(read([ARCHIVE], ReadOptions())))
    assert len(found) >= 80
    assert all(a.title and a.text and a.language in {"en", "es"} for a in found)
    # Two texts name no outlet at all (a magazine piece and a local story), the others do.
    assert sum(not a.outlet for a in found) <= 2
    assert sum(a.published is None for a in found) <= 8
    shared = [n for n, times in Counter(a.id for a in found).items() if times > 1]
    assert len(shared) == 2  # a correction and a withdrawal: later versions of the same article
    teaser = ("Related articles", "Read also", "More from the", "Noticias relacionadas", "Most read")
    for article in found:
        for words in teaser:
            at = article.text.find(f"\n{words}")
            assert at < 0 or any(start <= at + 1 < end for start, end in article.uncitable), (article.source, words)


@pytest.mark.parametrize("name", ["clef2020_claims", "mtragun_goldpool", "norquad_news_validation", "xquad_zh"])
def test_no_record_of_a_public_corpus_is_lost(name: str) -> None:
    path = DATA / "retrieval" / name / "corpus.jsonl.gz"
    if not path.exists():
        pytest.skip(f"needs the evaluation data at {DATA}")
    lines = gzip.decompress(path.read_bytes()).splitlines()[:400]
    found = articles(list(read_bytes(b"\n".join(lines), "corpus.jsonl", ReadOptions(language="xx"))))
    assert [a.id for a in found] == [json.loads(line)["_id"] for line in lines]
