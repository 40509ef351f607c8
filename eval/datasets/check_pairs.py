"""The labelled sentences on which the check of what a sentence says is measured.

Errors are planted in the sentences of the demo archive, in those that the packaged model wrote on it (recorded), in
sentences rewritten by hand (`rewritten_sentences.jsonl`), and, where the shared data are present, in rewritten news
in English (OneStopEnglish) and news in Spanish, French and German; RGB and RAMDocs bring altered passages of their own.
`claims.jsonl` has invented quotations in eleven languages, each with six claims written one by one: two that it
supports, two that it contradicts, and two that it does not say.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from eval.datasets import beir, demo
from eval.datasets.planted_errors import Pair, false_pairs, sentences, true_pairs
from eval.metrics.statistics import SEED
from ingest.readers.files import ReadOptions, read
from rag.answering.claims import verbatim
from rag.language.sentences import sentence_spans
from rag.language.stems import content_stems
from rag.language.tokens import fold
from rag.schema import Article, Verdict

REWRITTEN = Path(__file__).with_name("rewritten_sentences.jsonl")
CLAIMS = Path(__file__).with_name("claims.jsonl")
RGB, RAMDOCS = Path("behaviour/rgb_en_fact.jsonl"), Path("behaviour/ramdocs_first250.jsonl")
# Of right answers to the demo questions, while the packaged model wrote them: id, sentences and citations.
RECORDED = Path(__file__).with_name("model_sentences.jsonl")
ONESTOP = Path("rewrites/onestop")
NEWS = (Path("timelines/es_egypt/articles.jsonl.gz"), Path("timelines/fr_egypt/articles.jsonl.gz"))
GERMAN = Path("retrieval/xquad_de")
MOST_LETTERS = 6000  # of a foreign article
LEVELS = (("Int", "Adv"), ("Ele", "Int"), ("Ele", "Adv"))  # the simpler text is compared with the richer one
SAME = (
    0.55  # of a simpler sentence's stems must be in a richer sentence for the two to be a rewritten pair. Set by hand
)
MOST_PLANTED = 3  # sentences of an article in which errors are planted where articles are many


def is_test(group: str) -> bool:
    """Whether pairs of an article are for testing: a half of the articles, by the hash of their ids."""
    return bool(sha256(group.encode()).digest()[0] % 2)


def pairs(shared: Path | None, *, testing: bool = True) -> list[Pair]:
    """The pairs of one half of the articles: for testing, or for choosing limits.

    What was written by hand, RGB and RAMDocs are for testing only. Sets that `shared` does not hold are left out.
    """
    found = [*_of_demo(), *recorded(), *_other_events(), *claims()]
    if shared and (shared / ONESTOP).is_dir():
        found += onestop(shared / ONESTOP)
    if shared:
        found += _planted(_foreign(shared), "foreign news")
    found = [pair for pair in found if is_test(pair.group) == testing]
    if testing:
        found += rewritten()
    if testing and shared and (shared / RGB).is_file():
        found += rgb(shared / RGB)
    if testing and shared and (shared / RAMDOCS).is_file():
        found += ramdocs(shared / RAMDOCS)
    return found


def sample(pairs: Iterable[Pair], most: int) -> list[Pair]:
    """At most so many pairs of a source, a language and a kind, drawn alike every time."""
    shuffled = list(pairs)
    random.Random(SEED).shuffle(shuffled)
    counts: Counter[tuple[str, str, str]] = Counter()
    kept = []
    for pair in shuffled:
        key = (pair.source, pair.language, pair.kind)
        counts[key] += 1
        if counts[key] <= most:
            kept.append(pair)
    return kept


@lru_cache(maxsize=1)
def demo_articles() -> tuple[Article, ...]:
    """The newest version of each live article of the demo archive."""
    newest = {article.id: article for article in read([demo.ARCHIVE], ReadOptions()) if isinstance(article, Article)}
    return tuple(article for article in newest.values() if article.status == "live")


def _of_demo() -> Iterator[Pair]:
    articles = demo_articles()
    for article in articles:
        yield from true_pairs(article, "demo")
        others = [a for a in articles if a.language == article.language and is_test(a.id) == is_test(article.id)]
        others.remove(article)
        for sentence in sentences(article):
            yield from false_pairs(sentence, article, others, "demo")


def claims(path: Path = CLAIMS) -> Iterator[Pair]:
    """The claims about invented quotations; the kind of a wrong one is its type."""
    verdicts: dict[str, Verdict] = {"supported": "supported", "not": "unsupported", "contradicted": "contradicted"}
    for line in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        article = Article(id=one["id"], title="", text=one["quotation"], language=one["language"])
        for claim in one["claims"]:
            yield Pair(
                text=claim["text"],
                language=one.get("claim_language", one["language"]),
                verdict=verdicts[claim["label"]],
                kind=claim.get("type", "claim"),
                articles=(article,),
                group=article.id,
                source="claims",
            )


def rewritten(path: Path = REWRITTEN) -> list[Pair]:
    """The sentences written by hand, true and false, and the true ones with planted errors."""
    articles = {article.id: article for article in demo_articles()}
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        article = articles[one["article"]]
        pair = Pair(
            text=one["text"], language=article.language, verdict=one["verdict"], kind=one["kind"], articles=(article,),
            group=article.id, source="by hand",
        )  # fmt: skip
        found.append(pair)
        if one["verdict"] == "supported":
            found += false_pairs(pair.text, article, (), "by hand, planted")
    return found


def recorded(path: Path = RECORDED) -> list[Pair]:
    """The sentences of right answers that the packaged model wrote on the demo questions, and the same with errors.

    They name the subject of their question and join facts of several sentences, as no rewritten sentence does. Those
    of wrong answers are left out: they may be supported and not to the point.
    """
    articles = {article.id: article for article in demo_articles()}
    found: list[Pair] = []
    for one in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        cited = {c["number"]: c["article_id"] for c in one["citations"]}
        for sentence in one["sentences"]:
            sources = [articles[a] for a in dict.fromkeys(cited[n] for n in sentence["citations"]) if a in articles]
            if not sources or sentence["verdict"] != "supported":
                continue
            common = {"language": sources[0].language, "articles": tuple(sources), "group": sources[0].id}
            found.append(
                Pair(text=sentence["text"], verdict="supported", kind="of a model", source="recorded", **common)  # type: ignore[arg-type]
            )
            found += [
                replace(pair, articles=tuple(sources))
                for pair in false_pairs(sentence["text"], sources[0], (), "recorded, planted")
            ]
    return found


def _other_events() -> list[Pair]:
    """Sentences of an article beside the likest article on another event: the two floods, the two finals."""
    stories = {
        article: one["_id"]
        for one in map(json.loads, (demo.FOLDER / "stories.jsonl").read_text(encoding="utf-8").splitlines())
        for article in one["articles"]
    }
    articles = demo_articles()
    stems = {a.id: set(content_stems(a.text, a.language)) for a in articles}
    found = []
    for article in articles:
        others = [
            a for a in articles
            if a.id != article.id and a.language == article.language
            and stories.get(a.id, a.id) != stories.get(article.id, article.id)
        ]  # fmt: skip
        like = max(others, key=lambda a: len(stems[a.id] & stems[article.id]) / len(stems[a.id] | stems[article.id]))
        found += [
            Pair(
                text=text, language=article.language, verdict="unsupported", kind="other event", articles=(like,),
                group=article.id, source="demo",
            )
            for text in sentences(article)
            if fold(text) not in fold(like.text)
        ]  # fmt: skip
    return found


def rgb(path: Path) -> list[Pair]:
    """Sentences of RGB's passages that hold the answer, and the same with the altered one, beside the true passage."""
    found = []
    for row in _rows(path):
        answer, fake = row["answer"], row.get("fakeanswer")
        if not isinstance(answer, str) or not isinstance(fake, str) or not answer.strip() or not fake.strip():
            continue
        for number, passage in enumerate(row["positive"]):
            if isinstance(passage, str):
                found += _altered(passage, answer, fake, f"rgb-{row['id']}-{number}", "RGB")
    return found


def ramdocs(path: Path) -> list[Pair]:
    """Sentences of RAMDocs' documents that hold a valid answer, and the same with a wrong one."""
    found = []
    for line, row in enumerate(_rows(path)):
        for number, one in enumerate(row["documents"]):
            if one["type"] == "correct" and row["wrong_answers"]:
                name = f"ramdocs-{line}-{number}"
                found += _altered(str(one["text"]), str(one["answer"]), str(row["wrong_answers"][0]), name, "RAMDocs")
    return found


def _altered(text: str, answer: str, wrong: str, name: str, source: str) -> list[Pair]:
    """The first whole sentence with an answer, as it stands and with a wrong answer in its place."""
    article = Article(id=name, title="", text=text, language="en")
    if verbatim(wrong, text):
        return []
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        at = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", sentence)
        if not at or not 6 <= len(sentence.split()) <= 45:
            continue
        changed = sentence[: at.start()] + wrong + sentence[at.end() :]
        common = {"language": "en", "articles": (article,), "group": name, "source": source}
        return [
            Pair(text=sentence, verdict="supported", kind="verbatim", **common),  # type: ignore[arg-type]
            Pair(text=changed, verdict="contradicted", kind="altered answer", **common),  # type: ignore[arg-type]
        ]
    return []


def onestop(folder: Path) -> list[Pair]:
    """Sentences that teachers rewrote for learners beside the richer text, and the same with planted errors."""
    found: list[Pair] = []
    for simple, rich in LEVELS:
        for file in sorted((folder / simple).glob("*.txt")):
            other = folder / rich / file.name.replace(f"-{simple.lower()}", f"-{rich.lower()}")
            if other.is_file():
                name = re.sub(r"-\w+$", "", file.stem)
                article = Article(id=f"onestop-{name}", title="", text=_text(other), language="en")
                found += _rewritten_of(Article(id="", title="", text=_text(file), language="en"), article)
    return found


def _text(path: Path) -> str:
    """Most files of the set are UTF-8, some are Windows-1252."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace").strip()


def _rewritten_of(simple: Article, rich: Article) -> Iterator[Pair]:
    stems = [set(content_stems(sentence, "en")) for sentence in sentences(rich)]
    for sentence in sentences(simple):
        own = set(content_stems(sentence, "en"))
        same = max((len(own & other) / len(own) for other in stems), default=0.0) if own else 0.0
        if same < SAME or fold(sentence) in fold(rich.text):
            continue
        yield Pair(
            text=sentence, language="en", verdict="supported", kind="rewritten", articles=(rich,), group=rich.id,
            source="OneStopEnglish",
        )  # fmt: skip
        yield from false_pairs(sentence, rich, (), "OneStopEnglish")


def _planted(articles: Iterable[Article], source: str) -> Iterator[Pair]:
    for article in articles:
        chosen = sentences(article)
        random.Random(f"{SEED} {article.id}").shuffle(chosen)
        yield from list(true_pairs(article, source))[: 2 * MOST_PLANTED]
        for sentence in chosen[:MOST_PLANTED]:
            yield from false_pairs(sentence, article, (), source)


def _foreign(shared: Path) -> Iterator[Article]:
    """News in Spanish and French, and paragraphs in German."""
    for file in filter(Path.is_file, (shared / name for name in NEWS)):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for one in map(json.loads, lines):
                day = datetime.fromisoformat(one["published"]) if one["published"] else None
                text = one["text"][:MOST_LETTERS]
                yield Article(id=one["id"], title="", text=text, language=one["language"], published=day)
    if (shared / GERMAN).is_dir():
        for document in beir.load(shared / GERMAN).corpus.values():
            yield Article(id=f"de-{document.id}", title="", text=document.text, language="de")


def _rows(path: Path) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
