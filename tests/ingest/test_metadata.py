"""Dates, addresses, ids, records and the lines at the top of a text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ingest.metadata.addresses import article_id, canonical_url
from ingest.metadata.dates import date_in_url, parse_date
from ingest.metadata.fields import Fields
from ingest.metadata.records import record_fields, records_in
from ingest.metadata.text_lines import dateline_fields, text_fields
from ingest.metadata.values import byline_names, language_code, slug

FEB_14 = datetime(2025, 2, 14)
CET = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2025-02-14", FEB_14),
        ("2025-02-14T10:00:00Z", datetime(2025, 2, 14, 10, tzinfo=UTC)),
        ("2025-02-14 10:00:00 +0100", datetime(2025, 2, 14, 10, tzinfo=CET)),
        ("20250214T113500Z", datetime(2025, 2, 14, 11, 35, tzinfo=UTC)),
        ("Fri, 14 Feb 2025 10:00:00 GMT", datetime(2025, 2, 14, 10, tzinfo=UTC)),
        ("14 February 2025", FEB_14),
        ("February 14, 2025", FEB_14),
        ("Friday, 14th February 2025", FEB_14),
        ("Friday 14 February 2025, 12.41pm", datetime(2025, 2, 14, 12, 41)),
        ("3 de junio de 2025", datetime(2025, 6, 3)),
        ("17 de febrero de 2025, 18:42 h", datetime(2025, 2, 17, 18, 42)),
        ("14. März 2025", datetime(2025, 3, 14)),
        ("1er août 2025", datetime(2025, 8, 1)),
        ("14.02.2025", FEB_14),
        ("14/02/2025", FEB_14),
        ("02/14/2025", FEB_14),
        ("2025年2月14日", FEB_14),
        (20250214, FEB_14),
        (1739527200, datetime(2025, 2, 14, 10, tzinfo=UTC)),
        (1739527200000, datetime(2025, 2, 14, 10, tzinfo=UTC)),
    ],
)
def test_a_date_in_any_common_form_is_read(written: object, expected: datetime) -> None:
    read = parse_date(written)
    assert read == expected
    assert read is not None
    assert (read.tzinfo is None) == (expected.tzinfo is None)


@pytest.mark.parametrize(
    "written",
    ["31/02/2024", "2024-02-31", "03/04/2025", "27", "2025", "February 2025", "14 Feb", "yesterday", "14 Feb 25",
     "1799-12-31", "2101-01-01", "the fire of 14 February 2025", "32 May 2025", "", None, True, 27, "W" * 40],
)  # fmt: skip
def test_what_is_no_certain_date_is_none(written: object) -> None:
    assert parse_date(written) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://News.Example/A?utm_source=x&id=7&fbclid=9#top", "https://news.example/A?id=7"),
        ("https://news.example/a?b=1&gclid=2", "https://news.example/a?b=1"),
        ("http://news.example", "http://news.example/"),
        ("https://news.example:8443/a", "https://news.example:8443/a"),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("https://news.example:x/", ""),
        ("not a url", ""),
    ],
)
def test_an_address_is_made_canonical(url: str, expected: str) -> None:
    assert canonical_url(url) == expected


def test_small_readers_of_names_say_what_is_meant() -> None:
    assert slug("Río Bravo: «2 %» más") == "rio-bravo-2-mas"
    assert language_code("en-GB") == "en"
    assert language_code("english") == ""
    assert byline_names("By Nora Field") == "Nora Field"
    assert byline_names("Byron Ward") == "Byron Ward"
    assert byline_names("Diana Prince") == "Diana Prince"
    assert date_in_url("https://x.example/2025/02/14/flood") == FEB_14
    assert date_in_url("https://x.example/1234/56/78") is None


def test_an_id_is_the_sources_own_or_follows_from_its_address_or_file() -> None:
    assert article_id(Fields(id=" nn-1-2\n")) == "nn-1-2"
    assert article_id(Fields(id=" nn 1#2\n")).startswith("nn-1-2-")
    assert len({article_id(Fields(id=one)) for one in ("nn 1", "nn-1", "nn#1", "nn\t1", "nn  1", "#nn 1")}) == 6
    assert len(article_id(Fields(id="x" * 500))) == 200
    assert article_id(Fields(id="x" * 500)) != article_id(Fields(id="x" * 501))
    page = Fields(url="https://x.example/news/flood.html", title="Four dead")
    corrected = Fields(url="https://x.example/news/flood.html", title="Five dead")
    assert article_id(page) == article_id(corrected)
    assert article_id(page).startswith("flood-")
    assert article_id(Fields(title="Flood"), "a02-budget") == article_id(Fields(title="FLOOD"), "a02-budget")
    assert article_id(Fields(title="Flood"), "a02-budget") != article_id(Fields(title="Fire"), "a02-budget")


def test_schema_org_is_read_with_its_objects() -> None:
    said = record_fields({
        "@type": "NewsArticle", "headline": "Flood &amp; fire", "articleBody": "It rained.", "inLanguage": "en-GB",
        "author": [{"@type": "Person", "name": "Nora Field"}, {"name": "Ida Mercer"}],
        "publisher": {"name": "The Tide"},
        "datePublished": "2025-02-14", "articleSection": ["News", "Weather"],
        "mainEntityOfPage": {"@id": "https://t.example/a"},
    })  # fmt: skip
    assert (said.title, said.text, said.language) == ("Flood & fire", "It rained.", "en")
    assert (said.byline, said.outlet, said.genre) == ("Nora Field, Ida Mercer", "The Tide", "News, Weather")
    assert (said.published, said.url) == (FEB_14, "https://t.example/a")


def test_ninjs_is_read_and_a_kill_is_a_withdrawal() -> None:
    item = {
        "uri": "urn:x:1", "headline": "Fee planned", "body_text": "PORT, 12 Aug", "provider": "Maravel Wire",
        "firstcreated": "2025-02-14", "versioncreated": "2025-02-15", "pubstatus": "usable",
    }  # fmt: skip
    said = record_fields(item)
    assert (said.id, said.outlet, said.text) == ("urn:x:1", "Maravel Wire", "PORT, 12 Aug")
    assert (said.published, said.modified, said.withdrawn) == (FEB_14, datetime(2025, 2, 15), False)
    assert record_fields({**item, "pubstatus": "canceled"}).withdrawn
    assert record_fields({**item, "pubstatus": "withheld"}).withdrawn


def test_names_in_other_languages_and_in_meta_are_known() -> None:
    said = record_fields({"titulo": "Crecida", "texto": "Llovió.", "medio": "Diario Lunada", "publicado": "2025-02-14"})
    assert (said.title, said.text, said.outlet, said.published) == ("Crecida", "Llovió.", "Diario Lunada", FEB_14)
    beir = record_fields({"_id": "os1", "title": "", "text": "It rained.", "meta": {"date": "2025/02/14"}})
    assert (beir.id, beir.text, beir.published) == ("os1", "It rained.", FEB_14)


def test_a_mapping_names_the_users_fields_by_dotted_paths() -> None:
    record = {"doc": {"body": "It rained.", "who": ["Nora", "Ida"]}, "a.b": "Flood", "text": "not this"}
    said = record_fields(record, {"text": "doc.body", "byline": "doc.who.1", "title": "a.b"})
    assert (said.text, said.byline, said.title) == ("It rained.", "Ida", "Flood")


def test_values_of_a_wrong_type_are_handled() -> None:
    said = record_fields(
        {"id": 17, "title": None, "text": ["One.", "Two."], "published": {"x": 1}, "author": 5, "language": True}
    )
    assert (said.id, said.title, said.text, said.published) == ("17", "", "One.\n\nTwo.", None)
    assert (said.byline, said.language) == ("5", "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"title": "a", "text": "b"}, 1),
        ([{"text": "a"}, {"text": "b"}], 2),
        ({"articles": [{"text": "a"}, {"text": "b"}]}, 2),
        ({"@graph": [{"@type": "WebSite"}, {"@type": "NewsArticle"}]}, 1),
        ({"text": "a", "items": [{"text": "b"}]}, 1),
    ],
)
def test_records_are_found_in_their_wrappings(value: object, expected: int) -> None:
    assert len(list(records_in(value))) == expected


BODY = (
    "It rained for three days, and on the fourth the river Orr rose over the wall that had been finished in November."
)


@pytest.mark.parametrize(
    ("line", "byline", "outlet", "day"),
    [
        ("By Nora Field, Orrin Observer, 3 June 2025", "Nora Field", "Orrin Observer", datetime(2025, 6, 3)),
        (
            "*By Ruth Cassidy — The Selwyn Courier — 12 May 2026*",
            "Ruth Cassidy",
            "The Selwyn Courier",
            datetime(2026, 5, 12),
        ),
        ("By Saskia Verrin, Meridian Business Daily", "Saskia Verrin", "Meridian Business Daily", None),
        ("By Ruth Cassidy, Economics Editor", "Ruth Cassidy", "", None),
        ("Por Gloria Santaeulalia · Puerto Alba", "Gloria Santaeulalia", "", None),
        ("Published: 6 March 2025", "", "", datetime(2025, 3, 6)),
        ("Publicado: 27 de mayo de 2025 - Diario Lunada", "", "Diario Lunada", datetime(2025, 5, 27)),
        ("Diario Lunada, 20 de octubre de 2025", "", "Diario Lunada", datetime(2025, 10, 20)),
        ("Selwyn Public Radio News", "", "Selwyn Public Radio News", None),
    ],
)
def test_a_metadata_line_below_the_title_is_read_and_leaves_the_text(
    line: str, byline: str, outlet: str, day: datetime | None
) -> None:
    said = text_fields(f"The river rises\nA standfirst\n\n{line}\n\n{BODY}")
    assert (said.byline, said.outlet, said.published) == (byline, outlet, day)
    assert (said.title, said.text) == ("The river rises", f"A standfirst\n\n{BODY}")


@pytest.mark.parametrize(
    "line",
    [
        "By the time the rain stopped, two bridges had gone",
        "Von der Leyen visits the valley",
        "Published figures show a rise of 6 per cent",
        "The fire of 14 February 2025 killed two",
        "MADRID, 27 (.)",
    ],
)
def test_a_line_of_the_article_stays_and_gives_no_metadata(line: str) -> None:
    said = text_fields(f"The river rises\n\n{line}\n\n{BODY}")
    assert (said.byline, said.outlet, said.published) == ("", "", None)
    assert said.text == f"{line}\n\n{BODY}"


def test_a_date_far_below_the_top_is_not_metadata() -> None:
    lines = "\n\n".join([f"A paragraph number {n} of the story." for n in range(8)] + ["Published: 6 March 2025", BODY])
    assert text_fields(f"The river rises\n\n{lines}").published is None


def test_the_source_line_below_a_printed_article_is_read() -> None:
    said = text_fields(f"The river rises\n\n{BODY}\n\nThe Selwyn Courier, 21 January 2026, page 1")
    assert (said.outlet, said.published, said.text) == ("The Selwyn Courier", datetime(2026, 1, 21), BODY)


@pytest.mark.parametrize(
    ("line", "outlet", "day"),
    [
        ("PORT SELWYN, 27 Mar (Maravel Wire) - It rained.", "Maravel Wire", None),
        ("HARROW BAY, Feb 14 (Reuters) - It rained.", "Reuters", None),
        ("LONDON, 14 February 2025 (Reuters) — It rained.", "Reuters", FEB_14),
        ("ORRIN (Northline News) - It rained.", "Northline News", None),
        ("MADRID, 27 (.)", "", None),
        ("NATO (North Atlantic Treaty Organization) - it is an alliance.", "", None),
        ("It rained (Reuters) - said he.", "", None),
    ],
)
def test_a_dateline_names_the_agency_and_a_day_only_with_its_year(line: str, outlet: str, day: datetime | None) -> None:
    said = dateline_fields(f"{line}\n\n{BODY}")
    assert (said.outlet, said.published) == (outlet, day)
