"""Whether reports agree: what each says, in groups of those that say the same, and what an outlet has corrected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from rag.answering.citations import Citer
from rag.answering.compose.figures import Figure, asks_figure, figures_alike
from rag.answering.compose.material import MOST_SENTENCES, OPENING_CHARS, Line, Material, without_years
from rag.answering.compose.sentences.answers import answering
from rag.answering.compose.sentences.offices import Holder, holders_of
from rag.answering.compose.sentences.speakers import reports, speaker_of
from rag.answering.compose.sentences.worth import figures
from rag.answering.compose.wording import quotable, says_the_same, sourced, telling
from rag.answering.question import expected
from rag.language.dates import written
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.sentences import sentence_spans
from rag.language.tokens import folded_words, tokens
from rag.schema import Article, Sentence

MOST = 8  # reports that are quoted
# Figures in reports whose days lie further apart are no disagreement: the thing itself may have changed. Set by hand.
SAME_TIME = timedelta(days=3)
SAME_EVENT = timedelta(days=30)
MOST_SPOKEN, NOTE_CHARS = 4, 400
ALONE = "Only one independent report tells of this, so that nothing can be compared."
LEAST_SHARE = 0.5  # of the most telling sentence, which the one of a report must reach. Set by hand.


def compose(material: Material) -> list[Sentence]:
    """What the articles say of one thing, behind a sentence that counts them. None without a report, and none where a
    single sentence answers the subject to which the articles are little like: whether they agree is not told by one.

    Asked for a number, groups of reports that give the same one, or the order in which it changed; asked for a person,
    all who are named in that office; asked for anything else, the best sentence of each report, or, where only one
    tells of it, what its speakers say. Copies of one text are one report.
    """
    if material.only_answered:
        return []
    if said := _said_by_named(material):
        return _told("This is told of those whom the question names:", said, material)
    # Only a speaker whom the question names is looked for behind the beginnings of the articles.
    read = tuple(line for line in material.lines if line.place < MOST_SENTENCES or line.corrects)
    material = replace(material, lines=read)
    if asks_figure(material.subject):
        own = _of_one_event(material)
        groups = grouped(figures_alike(own, own.subject))
        return _figures(groups, own) if groups else _reports(own)
    named = _people(holders_of(material)) if expected(material.subject, material.language) == "name" else []
    return named or _reports(_of_one_event(material))


def _figures(groups: Sequence[Sequence[Line]], material: Material) -> list[Sentence]:
    reports = sum(map(len, groups))
    if len(groups) > 1 and not _at_one_time(groups):
        shown = _in_order([*(line for group in groups for line in group), *_repeating(groups, material)])[-MOST:]
        lead = (
            f"The figure changed with time: {reports} independent reports give {len(groups)}, on different days. The "
            f"last is of {written(max(filter(None, (line.day for line in shown))))}."
        )
        return _told(lead, shown, material)
    shown = [line for group in groups for line in group][:MOST]
    if reports == 1 and (right := _corrected(shown[0], material)):
        return _told("Only one independent report tells of this, and its outlet has corrected it:", [right], material)
    if reports == 1:
        return _told(ALONE, shown, material)
    if len(groups) == 1:
        return _told(f"The {reports} independent reports of this agree:", shown, material)
    return _told(f"The reports differ: {reports} independent reports give {len(groups)} figures.", shown, material)


def _reports(material: Material) -> list[Sentence]:
    """The best sentence of each report; where there is only one, what the speakers in it say."""
    groups = _by_words(material)
    shown = [line for group in groups for line in group][:MOST]
    if not shown:
        return []
    if len(shown) == 1:
        spoken = _spoken(shown[0].article, material)
        return (
            _told("Only one report tells of this; those whom it quotes say:", spoken, material)
            if spoken
            else (_told(ALONE, shown, material))
        )
    if len(groups) == 1:
        return _told(f"The {len(shown)} independent reports of this agree:", shown, material)
    return _told(f"{len(shown)} independent reports tell of this, each in its own words:", shown, material)


def _said_by_named(material: Material) -> list[Line]:
    """Of each of at least two speakers whom the subject names, the sentence that answers it best; none with fewer."""
    lines = quotable(material.lines)
    words = [set(folded_words(line.text)) for line in lines]
    speakers = {one.key for line in lines if (one := speaker_of(line.text, line.article.language)) and one.name}
    speakers -= {word for article in material.articles for word in folded_words(article.outlet)}
    named = [name for name in dict.fromkeys(names(material.subject, sentence_start=True)) if name in speakers]
    if len(named) < 2:
        return []
    nearest = max(material.articles, key=lambda article: len(set(named).intersection(folded_words(article.text))))
    worth = answering(lines, [material.subject], material.language, material.nearness.embedder)[0]
    best = [
        max(
            (
                at
                for at, own in enumerate(words)
                if own.intersection(named) == {name} and lines[at].article.id == nearest.id
            ),
            key=worth.__getitem__,
            default=-1,
        )
        for name in named
    ]
    told = [lines[at] for at in best if at >= 0]
    return _in_order(told) if len(told) > 1 else []


def _people(holders: Sequence[Holder]) -> list[Sentence]:
    """Who is named in an office, and when last; none where it is one alone."""
    last: dict[str, Holder] = {}
    for one in sorted(holders, key=lambda holder: _newness(holder.line)):
        last[one.last_name] = one
    people = sorted(last.values(), key=lambda one: _newness(one.line))
    said = [f"{one.name} ({f'last on {written(one.line.day)}' if one.line.day else 'undated'})" for one in people]
    if len(people) < 2:
        return []
    lead = f"The articles name {len(people)} people in this office: {', '.join(said)}."
    return _told(lead, [one.line for one in people][-MOST:], None)


def _told(lead: str, shown: Sequence[Line], material: Material | None) -> list[Sentence]:
    """The lead, the lines with their sources, what their outlets corrected, and where copies of them stand."""
    citer = Citer()
    quoted = [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in shown]
    notes = _corrections(shown, material, citer) if material else []
    copied = _copies(shown, material) if material else []
    return [Sentence(text=lead, verdict="supported"), *quoted, *notes,
            *(Sentence(text=text, verdict="supported") for text in copied)]  # fmt: skip


def _in_order(lines: Iterable[Line]) -> list[Line]:
    unique = {(line.article.id, line.candidate.start): line for line in lines}
    return sorted(unique.values(), key=lambda line: (line.day or date.min, line.article.id, line.place))


def _repeating(groups: Sequence[Sequence[Line]], material: Material) -> list[Line]:
    """The sentence of a later report that tells most of the earlier figures again: it says how they moved."""
    last = max((line for group in groups for line in group), key=_newness)
    earlier = [value for group in groups for line in group if line is not last for value in figures(line)]
    own = [line for line in quotable(material.lines) if line.article.id == last.article.id and line.place != last.place]
    held = {line.candidate.start: len(figures(line).intersection(earlier)) for line in own}
    best = max(own, key=lambda line: (held[line.candidate.start], telling(line)), default=None)
    return [best] if best and held[best.candidate.start] and len(figures(best)) > 1 else []


def _spoken(article: Article, material: Material) -> list[Line]:
    """What at least two speakers in an article say that is near to the subject, in its order; none with fewer."""
    own = [line for line in quotable(material.lines) if line.article.id == article.id]
    speakers = {
        line.candidate.start: speaker
        for line in own
        if reports(line.text, article.language)
        and (speaker := speaker_of(line.text, article.language))
        and speaker.name
    }
    told = sorted((line for line in own if line.candidate.start in speakers), key=telling, reverse=True)[:MOST_SPOKEN]
    several = len({speakers[line.candidate.start].name for line in told}) > 1
    return _in_order(told) if several else []


def _corrected(line: Line, material: Material) -> Line | None:
    """The sentence that gives the figure which the note in its article says is right; None without such a note."""
    notes = [one for one in material.lines if one.corrects and one.article.id == line.article.id]
    for note in notes:
        if note.candidate.likeness < line.candidate.likeness * LEAST_SHARE:
            continue
        values = numbers(whole_note(note).text, line.article.language)
        own = [one for one in quotable(material.lines) if one.article.id == line.article.id]
        return next((one for one in own if figures(one) & values), line)
    return None


def _of_one_event(material: Material) -> Material:
    """The material without articles on another event than the best one: of another story and another month. One that
    belongs to no story stays where its beginning names all that the subject names."""
    if not material.articles:
        return material
    best = material.articles[0]
    story = material.stories.get(best.id, best.id)

    wanted = set(names(without_years(material.subject))) if material.language != "de" else set()

    def is_same(article: Article) -> bool:
        if article.id not in material.stories and wanted:  # no event with a story: what is asked of lasts
            return wanted <= {word.folded for word in tokens(f"{article.title} {article.text[:OPENING_CHARS]}")}
        near = not best.day or not article.day or abs(best.day - article.day) <= SAME_EVENT
        return near or material.stories.get(article.id) == story

    return replace(material, lines=tuple(line for line in material.lines if is_same(line.article)))


def grouped(figures: Sequence[Figure]) -> list[list[Line]]:
    """The lines by the value that they give; of values that one outlet gives within SAME_TIME only the last: it
    corrected or updated the others.

    The value that most reports give comes first, of equally many the newest.
    """
    kept = [one for one in figures if not any(_updates(other, one) for other in figures)]
    groups = [[one.line for one in kept if one.value == value] for value in dict.fromkeys(one.value for one in kept)]
    return sorted((sorted(group, key=_newness, reverse=True) for group in groups), key=_rank, reverse=True)


def _updates(later: Figure, one: Figure) -> bool:
    """Whether one outlet gave another value soon after."""
    own, other = later.line, one.line
    if later.value == one.value or not own.article.outlet or own.article.outlet != other.article.outlet:
        return False
    return _newness(own) > _newness(other) and not (own.day and other.day and own.day - other.day > SAME_TIME)


def _newness(line: Line) -> tuple[date, str]:
    return line.day or date.min, line.article.id


def _rank(group: Sequence[Line]) -> tuple[int, tuple[date, str]]:
    return len(group), _newness(group[0])


def _by_words(material: Material) -> list[list[Line]]:
    """The most telling line of each article, those together that say the same in other words."""
    lines = quotable(material.lines)
    best = [
        max((line for line in lines if line.article.id == article.id), key=telling, default=None)
        for article in material.articles
    ]
    told = sorted((line for line in best if line), key=telling, reverse=True)
    groups: list[list[Line]] = []
    for line in told:
        if telling(line) < LEAST_SHARE * telling(told[0]):
            break
        same = next((group for group in groups if says_the_same(line, group[0])), None)
        if same is None:
            groups.append([line])
        else:
            same.append(line)
    return groups


def _at_one_time(groups: Sequence[Sequence[Line]]) -> bool:
    """Whether reports that give different figures are of nearly the same day, or of an unknown one."""
    days = [[line.day for line in group] for group in groups]
    return any(
        not one or not other or abs(one - other) <= SAME_TIME
        for at, own in enumerate(days)
        for others in days[at + 1 :]
        for one in own
        for other in others
    )


def _corrections(shown: Sequence[Line], material: Material, citer: Citer) -> list[Sentence]:
    """The notes in which the outlets of these lines say what they had reported before and what is right."""
    articles = {line.article.id for line in shown}
    notes = [whole_note(line) for line in material.lines if line.corrects and line.article.id in articles]
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in notes]


def whole_note(note: Line) -> Line:
    """A note that corrects, to the end of its paragraph: what is right often stands in its second sentence."""
    passage = note.candidate.passage
    text = passage.article.text[note.candidate.start : min(passage.end, note.candidate.start + NOTE_CHARS)]
    paragraph = text.split("\n")[0].rstrip()
    ends = [end for _, end in sentence_spans(paragraph)]
    whole = max([end for end in ends if end >= len(note.text)] or [len(note.text)])
    return replace(note, candidate=replace(note.candidate, end=note.candidate.start + whole))


def _copies(shown: Sequence[Line], material: Material) -> list[str]:
    found = []
    for line in shown:
        outlets = sorted({copy.outlet for copy in material.copies.get(line.article.id, ()) if copy.outlet})
        if outlets:
            found.append(f"The report of {line.article.outlet or line.article.title} is also in {', '.join(outlets)}.")
    return list(dict.fromkeys(found))
