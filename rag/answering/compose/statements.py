"""What a person said about something: sentences with quoted or reported words, in the order of their days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from rag.answering.citations import Citer
from rag.answering.compose.material import MOST_ARTICLES, Line, Material
from rag.answering.compose.sentences.asked_speakers import by_office, named, people
from rag.answering.compose.sentences.speakers import (
    OF,
    Speaker,
    is_by_author,
    is_continued,
    mentions,
    reports,
    speaker_of,
)
from rag.answering.compose.wording import SAME, says_the_same
from rag.answering.people.namesakes import is_called
from rag.answering.sentence_selection import SPEECH, same_paragraph
from rag.language.dates import written
from rag.language.names import names
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, fold, tokens
from rag.schema import Article, Sentence

MOST = 10
# Where no article in which somebody speaks names the topic: what is said of that, and statements that follow.
BESIDE, MOST_BESIDE = "No article found in which {who} speaks names “{topic}”. What comes closest:", 3
# How near a statement must be to what the question asks about: as a share of the nearest one of its article, by itself,
# and its article's nearest one as a share of the nearest of all, where that is a topic, on which somebody speaks again
# and again, and where it is an event; and what the headline's likeness counts. Short quotations share few words with
# their subject, which the paragraph and the headline name. Set by hand on the questions to the demo archive and on ten
# of our own.
LEAST_SHARE, LEAST, SHARE_ON_TOPIC, SHARE_AT_EVENT, HEADLINE = 0.65, 0.03, 0.4, 0.8, 0.5
# What the nearness of a speaker's nearest words to the subject, and that of their article, both as shares of the most,
# count beside how well the articles describe him by the office that is asked for. Set by hand on the same questions.
# A speaker whose office the articles put in other words or another language needs LEAST_NEAR of the most, 2, and this
# much fit, less where the headline holds the names that stand beside the office ("boss of Harrow Shipyards").
NEAR, LEAST_NEAR, LEAST_FIT, LEAST_FIT_AT_NAME = 1.0, 1.75, 0.6, 0.25
# Words behind which a question says what the statements are about, or to whom they were made, and those behind which
# it says at which event.
_ABOUT = frozenset(
    """about on regarding concerning over to sobre acerca respecto ante a zu zum zur uber gegenuber an
    sur au aux concernant su sul sulla sui al alla ao na aan tegen""".split()
)
_EVENT = frozenset(
    """when as after following cuando tras despues als wenn nach nachdem quand lorsque apres quando dopo apos depois
    toen nadat""".split()
)


def compose(material: Material) -> list[Sentence]:
    """The statements of whom the subject names about what it names, each with its day, its outlet and, where the
    sentence itself does not name him, its speaker; none without one. Behind a sentence that says so the nearest ones,
    where no article in which he speaks names what they are to be about."""
    who, topic = parted(material.subject)
    spoken, topic = _asked(who, topic, _spoken(material), material)
    chosen, front = _with_neighbours(_about(spoken, topic, material), spoken), list[Sentence]()
    if chosen and not _is_named(topic, spoken, material):
        scores = _nearness(chosen, topic, material)
        nearest = sorted(range(len(chosen)), key=scores.__getitem__, reverse=True)[:MOST_BESIDE]
        chosen, front = [chosen[at] for at in nearest], [_beside(topic, chosen)]
    citer, said = Citer(), list[_Spoken]()
    for one in sorted(chosen, key=lambda one: (one.line.day or date.min, one.line.article.id, one.line.place)):
        if len(said) < MOST and not any(_says_the_same(one.line, other.line) for other in said):
            said.append(one)
    told = [citer.sentence(f"{_lead(one)}: {one.line.text}", (one.line.candidate,), "") for one in said]
    return [*front, *told]


def _is_named(topic: str, spoken: Sequence[_Spoken], material: Material) -> bool:
    """Whether an article of these statements has a word of the topic, in any inflection; true where it may have it in
    another language."""
    articles = {one.line.article.id: one.line.article for one in spoken}.values()
    if material.foreign or any(one.language != material.language for one in articles):
        return True
    words = set(content_stems(topic, material.language))
    return not words or any(words & set(content_stems(f"{one.title} {one.text}", one.language)) for one in articles)


def _beside(topic: str, spoken: Sequence[_Spoken]) -> Sentence:
    who = max((one.speaker.name for one in spoken), key=len)
    return Sentence(text=BESIDE.format(who=who, topic=topic), verdict="supported")


@dataclass(frozen=True, slots=True, eq=False)
class _Spoken:
    """A line that reports words, and their speaker; `within`: the line itself names him."""

    line: Line
    speaker: Speaker
    within: bool


def parted(subject: str) -> tuple[str, str]:
    """Who speaks and what about, as the subject names them: ("Renner", "fuel duty"); "" where it names nothing."""
    words = tokens(subject)
    for at, word in enumerate(words):
        if word.folded in _ABOUT | _EVENT and _has_content(words[:at]) and _has_content(words[at + 1 :]):
            return subject[: word.start].strip(), subject[words[at + 1].start :].strip()
    return subject, ""


def _has_content(words: Sequence[Token]) -> bool:
    return any(word.folded not in STOP_WORDS for word in words)


def _lead(one: _Spoken) -> str:
    day = written(one.line.day) if one.line.day else "Undated"
    speaker = "" if one.within else one.speaker.name
    return ", ".join(part for part in (day, one.line.article.outlet, speaker) if part)


def _spoken(material: Material) -> list[_Spoken]:
    """The lines that report words of somebody whom they or lines in front of them name or describe."""
    found = []
    for index, line in enumerate(material.lines):
        language = line.article.language
        if not reports(line.text, language) or is_by_author(line.text, language):
            continue
        own = speaker_of(line.text, language, _names_of(line.article))
        speaker = own if own and own.name else _meant(own, _before(material.lines, index), material.lines)
        if speaker:
            found.append(_Spoken(line, speaker, speaker is own))
    return found


def _meant(own: Speaker | None, before: Speaker | None, lines: Sequence[Line]) -> Speaker | None:
    """Who speaks in a sentence that names nobody: the one named before, unless it describes another ("a person close to
    his office said"). "The minister said" means him where a sentence says that he is a minister."""
    if own is None or before is None:
        return before or own
    role = tokens(own.described)[-1].folded
    told = [
        one.described for line in lines for one in mentions(line.text, line.article.language) if one.key == before.key
    ]
    return before if role in _folded(" ".join(told)) else own


def _asked(who: str, topic: str, spoken: list[_Spoken], material: Material) -> tuple[list[_Spoken], str]:
    """The lines of those whom the subject asks for, by name or else by office, and what they are to be about."""
    said = [(one.speaker, one.line.article.language) for one in spoken]
    meant, rest = named(who, people(said))
    if not meant:
        meant, rest = _in_office(who, spoken, material)
    topic = topic or (rest if _has_content(tokens(rest)) else "")
    return [one for one in spoken if one.speaker.key in meant], topic


def _in_office(office: str, spoken: list[_Spoken], material: Material) -> tuple[set[str], str]:
    """The key of the speaker whom the articles best describe by the office and who speaks nearest to the subject, and
    the office without the words that describe him; empty where none fits."""
    owners = _names_in(office, material)
    if _names_person(office, material) or all(
        token.folded in owners or token.folded in STOP_WORDS for token in tokens(office)
    ):
        return set(), office
    spoken = _where_named(owners, spoken)
    speakers = {one.speaker.key for one in spoken}
    told = [
        (one, line.article.language)
        for line in material.lines
        for one in mentions(line.text, line.article.language)
        if one.key in speakers
    ]
    known = people([*((one.speaker, one.line.article.language) for one in spoken), *told])
    fitting = by_office(office, owners, material.language, known, material.nearness)
    own = [one for one in spoken if one.speaker.key in fitting]
    scores = _nearness(own, material.subject, material)
    most, near = max(scores, default=0.0) or 1.0, dict.fromkeys(fitting, 0.0)
    for one, score in zip(own, scores, strict=True):
        share = material.shares.get(one.line.article.id, 1.0)
        near[one.speaker.key] = max(near[one.speaker.key], score / most + share)
    headed = {one.speaker.key for one in spoken if owners and owners <= _folded(one.line.article.title)}
    kept = [
        key
        for key, fit in fitting.items()
        if fit.in_its_words
        or (fit.score >= (LEAST_FIT_AT_NAME if key in headed else LEAST_FIT) and near[key] >= LEAST_NEAR)
    ]
    if not kept:
        return set(), office
    best = max(kept, key=lambda key: fitting[key].score + NEAR * near[key])
    described = _folded(" ".join(text for text, _ in known[best].described))
    return {best}, " ".join(token.text for token in tokens(office) if token.folded not in described)


def _names_person(office: str, material: Material) -> bool:
    """Whether a text names a person as such, and not as the one whose office it means: "What sentence did Faircloth
    get?" does not ask for the words of "Faircloth's barrister"."""
    words = tokens(office)
    for at, word in enumerate(words):
        if not word.text[0].isupper() or not is_called(word.folded, material.articles):
            continue
        first = at
        while first and words[first - 1].text[0].isupper() and words[first - 1].folded not in STOP_WORDS:
            first -= 1
        owned = first > 0 and words[first - 1].folded in OF
        behind = words[at + 1] if at + 1 < len(words) else None
        goes_on = behind is not None and (behind.folded == "s" or behind.text[0].isupper())
        if not owned and not goes_on:
            return True
    return False


def _names_in(office: str, material: Material) -> set[str]:
    """The words of an office that are names in the articles and no common words: "Harrow Shipyards" in its boss."""
    texts = [f"{one.title}\n{one.text}" for one in material.articles]
    common = {token.text for text in texts for token in tokens(text) if token.text[0].islower()}
    called = {name for text in texts for name in names(text)} - {fold(word) for word in common}
    return {token.folded for token in tokens(office)} & called


def _where_named(owners: set[str], spoken: list[_Spoken]) -> list[_Spoken]:
    """The statements in articles that hold all these names; all where none does."""
    texts = {one.line.article.id: one.line.article for one in spoken}
    fitting = {key for key, one in texts.items() if owners <= _folded(f"{one.title} {one.text}")}
    return [one for one in spoken if one.line.article.id in fitting] or spoken


def _folded(text: str) -> set[str]:
    return {token.folded for token in tokens(text)}


@lru_cache(maxsize=MOST_ARTICLES)
def _names_of(article: Article) -> frozenset[str]:
    """The folded names in an article."""
    return frozenset(names(article.text))


def _before(lines: Sequence[Line], index: int) -> Speaker | None:
    """The speaker in the nearest sentence in front that names one: in the same paragraph, or, of words that go on with
    a pronoun ("he says"), in the same article. None where that sentence tells of a person who does not speak there:
    the pronoun may mean her."""
    line = lines[index]
    goes_on = is_continued(line.text, line.article.language)
    for before in reversed(lines[:index]):
        if before.article.id != line.article.id:
            return None
        if not (goes_on or same_paragraph(before.candidate, line.candidate)):
            return None
        speaker = speaker_of(before.text, before.article.language, _names_of(before.article))
        near = same_paragraph(before.candidate, line.candidate) or reports(before.text, before.article.language)
        if speaker and speaker.name:
            return speaker if near else None
    return None


def _about(spoken: list[_Spoken], topic: str, material: Material) -> list[_Spoken]:
    """The statements about the topic or on the event; all where there is neither."""
    if not topic or not spoken:
        return spoken
    scores = _nearness(spoken, topic, material)
    best: dict[str, float] = {}
    for one, score in zip(spoken, scores, strict=True):
        best[one.line.article.id] = max(score, best.get(one.line.article.id, 0.0))
    share = SHARE_AT_EVENT if _names_event(material.subject) else SHARE_ON_TOPIC
    least = max(share * max(scores), LEAST)
    return [
        one
        for one, score in zip(spoken, scores, strict=True)
        if best[one.line.article.id] >= least and score >= LEAST_SHARE * best[one.line.article.id]
    ]


def _names_event(subject: str) -> bool:
    return any(word.folded in _EVENT for word in tokens(subject))


def _nearness(spoken: list[_Spoken], topic: str, material: Material) -> list[float]:
    """How near each statement is to the topic, told by line, paragraph and headline: 0 to about 1.5."""
    lines, to_topic = [one.line for one in spoken], material.nearness.to(topic)
    texts = [(text, line.article.language) for line in lines for text in (_paragraph(line), line.article.title)]
    different = list(dict.fromkeys(texts))
    near = dict(zip(different, to_topic.likenesses(different), strict=True))
    return [
        max(to_topic.likeness(line.vector, line.article.language), near[paragraph]) + HEADLINE * near[title]
        for line, paragraph, title in zip(lines, texts[::2], texts[1::2], strict=True)
    ]


def _with_neighbours(chosen: list[_Spoken], every: list[_Spoken]) -> list[_Spoken]:
    """The chosen statements and those that stand in a row with one of them in its paragraph: what somebody goes on to
    say names its subject less often than the sentence that introduces it."""
    rows: list[list[_Spoken]] = []
    for one in every:
        if rows and _follows(one.line, rows[-1][-1].line):
            rows[-1].append(one)
        else:
            rows.append([one])
    return [one for row in rows if any(other in chosen for other in row) for one in row]


def _follows(line: Line, front: Line) -> bool:
    return line.place == front.place + 1 and same_paragraph(front.candidate, line.candidate)


def _says_the_same(one: Line, other: Line) -> bool:
    """Whether two statements say the same; of quotations the quoted words count, and not who said them where."""
    quoted = [set(content_stems(_quoted(line.text), line.article.language)) for line in (one, other)]
    if all(quoted):
        return len(quoted[0] & quoted[1]) >= SAME * min(map(len, quoted))
    return says_the_same(one, other)


def _quoted(text: str) -> str:
    return " ".join(match[0] for match in SPEECH.finditer(text))


def _paragraph(line: Line) -> str:
    """The paragraph in which a line stands, which often says what it is about."""
    text, one = line.article.text, line.candidate
    end = text.find("\n", one.end)
    return text[text.rfind("\n", 0, one.start) + 1 : end if end >= 0 else len(text)].strip()
