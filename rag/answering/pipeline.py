"""The way of one question: retrieval, evidence, refusal or answer. Everything it needs is in its `Ask`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from rag.answering import prompts
from rag.answering.answerability import answer_reason, belief_reason, evidence_reason, lacks_names_together
from rag.answering.ask import Ask, given, refused, unknown_in_filters, written_by
from rag.answering.citations import Citer
from rag.answering.compose import about_archive, composer
from rag.answering.conversation.followups import Reading, read, unnamed_person
from rag.answering.conversation.small_talk import is_small_talk
from rag.answering.draft import CheckedDraft
from rag.answering.extraction.of_days import is_of_empty_days, names_only_days, told_of_days
from rag.answering.extraction.of_office import told_of_office
from rag.answering.extraction.quotations import SENTENCES_OF_PART, of_part, quotations
from rag.answering.extraction.withdrawn import told_of, withdrawn_report
from rag.answering.kinds import holdings
from rag.answering.kinds.parts import parts_of
from rag.answering.people.namesakes import Bearer, named_people, without_namesakes
from rag.answering.people.referents import with_names
from rag.answering.people.several import MOST_PEOPLE, Several, naming, of_each, several_meant
from rag.answering.people.succession import asked_person, further_hits, ranked
from rag.answering.quoting import is_quoted, is_unsaid, led, quoted, renumbered
from rag.answering.retrieval.of_reading import hits_about, hits_for, hits_of_kind, is_later, stands_alone, window_in
from rag.answering.sentence_selection import Candidate, Evidence, gather
from rag.answering.spelling import with_capitals
from rag.answering.tracer import ended
from rag.language.identify import LANGUAGE_NAMES, archive_language, detect_language
from rag.models.cards import card_of
from rag.models.chat import LLM
from rag.schema import Answer, Hit, QuestionKind, RefusalReason, Sentence, Timings, Turn

EXTRACTION_EVIDENCE_TOKENS = 300
TRANSLATION_TOKENS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """What is looked up: `text` is the question, expanded by the conversation or translated; `asked` is compared with
    sentences by their words, and `language` is the one that both are in."""

    text: str
    asked: str
    language: str


def stream(ask: Ask) -> Iterator[Answer]:
    """Growing answers: first with the hits alone, then sentence by sentence with a draft; the last is final.

    Closing the iterator stops the model. Raises ModelUnavailable.
    """
    with ended(ask.trace), closing(_streamed(ask)) as answers:
        for answer in answers:
            ask.trace.answered(answer)
            yield answer


def _streamed(ask: Ask) -> Generator[Answer, None, None]:
    if is_small_talk(ask.question, goes_on=bool(ask.history)):
        yield _welcome(ask)
        return
    reading = _read(ask)
    kind, window = _kind(ask, reading), reading.window
    with ask.trace.retrieval(reading.text) as found:
        hits = tuple(hits_of_kind(ask, kind, reading))
        found(hits)
    answer = Answer(
        question=ask.question,
        answered=False,
        kind=kind,
        kind_dropped=ask.kind if ask.kind != kind else None,
        **written_by(ask.llm if kind == "fact" else None),
        coverage=ask.archive.catalog.coverage(ask.filters),
        hits=hits,
        window=window_in(window, hits),
        timings=Timings(retrieve_ms=ask.elapsed_ms()),
    )
    yield answer
    yield from _replies(ask, answer, reading)


def _replies(ask: Ask, answer: Answer, reading: Reading) -> Generator[Answer, None, None]:
    """What follows the first answer, by its kind; of a report that was withdrawn, that it was; of a person whom nothing
    names, that it is not known who is meant; of a last name that several people have, who they are; of days from which
    there is nothing, and nothing else, that there is none."""
    ask, reading = _with_capitals(ask, reading, answer.hits)
    if whom := unnamed_person(ask.question, ask.history):
        text = f"The question says “{whom}”, but not who is meant. Ask again with the name."
        yield refused(ask, answer, "the question does not say whom it means", text=text)
        return
    if is_of_empty_days(ask, answer, reading):
        yield refused(ask, replace(answer, hits=()), "nothing found")
        return
    if notice := withdrawn_report(reading.asked, answer.hits, ask.archive, ask.filters):
        yield refused(ask, answer, "the report that told of this was withdrawn", text=told_of(notice))
        return
    several = several_meant(ask, reading, answer.hits, EXTRACTION_EVIDENCE_TOKENS)
    if several and len(several.people) > 1:
        yield _of_each(ask, answer, reading, several)
        return
    if several:
        reading, office = naming(reading, several, several.people[0]), several.people[0].office
        # A full name that another one has finds the articles on both.
        answer = replace(answer, hits=several.hits if office else tuple(hits_of_kind(ask, answer.kind, reading)))
    if answer.kind == "fact":
        yield from _answers(ask, answer, reading)
    else:
        yield from _composed(ask, answer, reading)


def _with_capitals(ask: Ask, reading: Reading, hits: Sequence[Hit]) -> tuple[Ask, Reading]:
    """The question and its reading with the capitals of the names that the articles found hold, where it has none."""
    texts = {ask.question, reading.asked, reading.text, reading.subject}  # mostly one: each reads all hits
    found = {one: with_capitals(one, hits) for one in texts}
    asked, text, subject = found[reading.asked], found[reading.text], found[reading.subject]
    return replace(ask, question=found[ask.question]), replace(reading, asked=asked, text=text, subject=subject)


def _of_each(ask: Ask, answer: Answer, reading: Reading, several: Several) -> Answer:
    """The answer for each person of one name; of more than MOST_PEOPLE it is said who they are."""
    if len(several.people) > MOST_PEOPLE:
        text = f"{several.lead()} Ask again with the full name."
        return refused(ask, answer, "the question does not say whom it means", text=text)
    hits = {hit.passage.id: hit for hit in answer.hits}

    def answered(one: Bearer) -> Answer:
        named, alone = naming(reading, several, one), replace(ask, llm=None)
        if one.office:  # whom the full name does not tell from another
            on_one = replace(answer, hits=several.hits_of(one), **written_by(None))
            *_, last = (_answers if answer.kind == "fact" else _composed)(alone, on_one, named)
        else:
            *_, last = _streamed(replace(alone, question=named.asked))
        hits.update((hit.passage.id, hit) for hit in last.hits)
        return last

    said = [sentence for own in of_each(several, answered) for sentence in own]
    return given(ask, replace(answer, hits=tuple(hits.values()), **written_by(None)), renumbered(said))


def _welcome(ask: Ask) -> Answer:
    """The answer to a message that asks for nothing: what can be asked. Nothing is looked up for it."""
    coverage = ask.archive.catalog.coverage(ask.filters)
    answer = Answer(question=ask.question, answered=False, coverage=coverage, **written_by(None))
    return given(ask, answer, about_archive.what_to_ask(coverage, ask.filters))


def _read(ask: Ask) -> Reading:
    """The question in its conversation, without days where the caller has said in which days to search."""
    question = _with_names(ask, ask.question, ask.history)
    reading = read(question, ask.history, ask.today)
    if reading.may_stand_alone and stands_alone(ask, reading):
        reading = read(question, (), ask.today)
    return replace(reading, window=None, elsewhere=False) if ask.filters.since or ask.filters.until else reading


def _with_names(ask: Ask, question: str, history: Sequence[Turn]) -> str:
    return with_names(question, history, lambda name: ask.retriever.retrieve(name, ask.filters))


def _kind(ask: Ask, reading: Reading) -> QuestionKind:
    """The kind of answer; one that no composer gives is given as a fact."""
    if ask.kind is None and reading.move in ("shorter", "source"):
        return "fact"
    kind = ask.kind or reading.form or _told(ask, reading)
    return kind if kind == "archive" or kind in composer.COMPOSERS else "fact"


def _told(ask: Ask, reading: Reading) -> QuestionKind:
    """The kind that the question itself asks for."""
    text = reading.kind_text
    unrestricted = _holdings(ask, reading).rest if holdings.names_articles(text) else ""
    return ask.kinds.kind_of(text, ask.sentence_embedder, unrestricted)


def _holdings(ask: Ask, reading: Reading) -> holdings.Holdings:
    return holdings.read(reading.kind_text, ask.archive.catalog.outlets(), ask.today)


def _composed(ask: Ask, answer: Answer, reading: Reading) -> Generator[Answer, None, None]:
    """The answer that needs no language model: sentences of the articles in the form that the question asks for."""
    if answer.kind == "archive":
        asked = _holdings(ask, reading)
        topic = holdings.topic_of(asked.rest)
        within = about_archive.narrowed(ask.filters, asked, reading.window)
        about = hits_about(ask, topic, within) if topic else ()
        if topic and not about:
            yield refused(ask, answer, "nothing found")
            return
        articles = [hit.passage.article for hit in about]
        said = about_archive.compose(ask.archive.catalog, ask.filters, asked, reading.window, articles)
        if unknown := unknown_in_filters(ask, answer.coverage):
            said.append(Sentence(text=unknown, verdict="supported"))
        yield given(ask, replace(answer, hits=tuple(about), window=None), said)  # it says which days were counted
        return
    of_days = answer.kind in ("latest", "summary") or names_only_days(reading, ask.today)
    of_days = of_days and ask.kind is None and not reading.form
    if of_days and (told := _told_of_days(ask, replace(answer, kind="fact"), reading)):
        yield told
        return
    material = composer.material_of(ask, answer, reading)
    if reading.move == "more":
        lines = tuple(one for one in material.lines if is_unsaid(one.text, reading, one.article.language))
        material = replace(material, lines=lines)
    missing = () if material.foreign or reading.text != ask.question else material.missing
    suffices = material.suffices or answer.kind == "statements"  # these are told by who speaks
    sentences = composer.composed(material, answer.kind, reading) if suffices and not missing else []
    if sentences:
        yield given(ask, answer, sentences)
        return
    # A kind may be misread, and few words can suffice for an answer that do not for a composition.
    with ask.trace.retrieval(reading.text) as found:
        hits = tuple(hits_of_kind(ask, "fact", reading))
        found(hits)
    dropped = answer.kind if ask.kind or reading.form else None
    reading = replace(reading, unspoken=answer.kind == "statements")
    answer = replace(
        answer,
        kind="fact",
        kind_dropped=dropped,
        hits=hits,
        window=window_in(answer.window, hits),
        **written_by(ask.llm),
    )
    yield answer
    yield from _answers(ask, answer, reading)


def _told_of_days(ask: Ask, answer: Answer, reading: Reading) -> Answer | None:
    """What happened in the days that a question names, where it asks for nothing else."""
    of_days, told = told_of_days(ask, reading)
    if not told:
        return None
    hits = tuple({hit.passage.id: hit for hit in (*of_days, *answer.hits)}.values())
    return given(ask, replace(answer, hits=hits, window=reading.window, **written_by(None)), told)


def _answers(ask: Ask, answer: Answer, reading: Reading) -> Generator[Answer, None, None]:
    """What follows the first answer, which has the hits for the reading's text."""
    quotes = ask.llm is None or ask.llm.judges
    if quotes and (told := _told_of_days(ask, answer, reading)):
        yield told
        return
    languages = ask.archive.catalog.languages()
    own = detect_language(ask.question) or next(iter(languages), "")
    text = reading.text
    query = _Query(text=text, asked=reading.asked, language=own)
    foreign = archive_language(own, languages)
    translates = foreign and ask.llm is not None and not card_of(ask.sentence_embedder.name).crosses_languages
    if translates and ask.llm is not None:
        translated = _translated(ask, ask.llm, text, foreign)
        query = _Query(text=translated, asked=translated, language=foreign)
        with ask.trace.retrieval(translated) as found:
            hits = tuple(hits_for(ask, translated, reading))
            answer = replace(answer, hits=hits, window=window_in(answer.window, hits))
            found(answer.hits)
        yield answer
    elif foreign:
        query = _Query(text=text, asked=text, language=foreign)
    if quotes and len(parts := parts_of(query.text)) > 1 and (parted := _parted(ask, answer, parts, query)):
        yield replace(parted, **written_by(None))
        return
    office = asked_person(reading.asked, own, answer.hits)
    held = told_of_office(ask, answer, reading, own) if quotes and not office else None
    if held:
        yield given(ask, replace(answer, **written_by(None)), held)
        return
    if office is not None:
        answer = replace(answer, hits=(*answer.hits, *further_hits(ask, office, answer.hits)))
    evidence, reason = _evidence(
        ask, query, answer.hits, rewritten=query.text != ask.question, foreign=bool(foreign and not translates)
    )
    evidence = ranked(evidence, office) if office else evidence if held is None else replace(evidence, tells=False)
    if reason:
        yield refused(ask, replace(answer, missing=evidence.missing), reason)
    elif ask.llm is None or reading.move in ("shorter", "source"):
        yield given(ask, replace(answer, **written_by(None)), quoted(evidence, reading))
    else:
        # "And a year later?" is asked in full: beside the earlier answer, a small model mixes the days of both.
        asked = replace(ask, question=reading.base, history=()) if reading.elsewhere else ask
        yield from _generated(asked, ask.llm, answer, evidence, query, own, quoted(evidence, reading))


def _translated(ask: Ask, llm: LLM, text: str, language: str) -> str:
    """The query in the archive's language: a keyword index and an English embedder find little across languages."""
    messages = prompts.translate(text, LANGUAGE_NAMES[language])
    return "".join(ask.written(llm, messages, TRANSLATION_TOKENS)).strip().strip('"') or text


def _evidence(
    ask: Ask, query: _Query, hits: Sequence[Hit], *, rewritten: bool, foreign: bool = False
) -> tuple[Evidence, RefusalReason]:
    """The evidence, and why it cannot support an answer. Articles later than `today` are read only where the others
    do not support one."""
    budget = ask.llm.evidence_tokens if ask.llm else EXTRACTION_EVIDENCE_TOKENS
    known = [hit for hit in hits if not is_later(hit, ask.today)]
    for found in (known, hits):
        evidence = gather(query.asked, query.language, found, ask.archive, ask.sentence_embedder, budget, query.text)
        crosses = foreign or _is_foreign(ask, evidence, query.language)
        reason = evidence_reason(evidence, rewritten=rewritten, foreign=crosses)
        if not (rewritten or crosses) and lacks_names_together(query.asked, [hit.passage.article for hit in found]):
            evidence = replace(evidence, tells=False)
        if not reason or len(known) == len(hits):
            break
    return evidence, reason


def _is_foreign(ask: Ask, evidence: Evidence, language: str) -> bool:
    """Whether the best sentence is in another language of the archive than the question, so that they share few words.
    A short question is sometimes detected as a language that no article has."""
    best = evidence.candidates[0].passage.article.language if evidence.candidates else ""
    return best not in ("", language) and language in ask.archive.catalog.languages()


def _parted(ask: Ask, answer: Answer, parts: Sequence[str], query: _Query) -> Answer | None:
    """The answer to each question in the text, from its own hits; says to which there is none. None without any."""
    citer, sentences, hits = Citer(), list[Sentence](), list(answer.hits)
    shown: list[Candidate] = []
    for at, part in enumerate(parts):
        asked = _with_names(ask, part, [Turn(question=parts[0], answer="")] if at else [])
        text = f"{asked} {parts[0]}" if at else part  # a later part often leaves out what it is about
        found = without_namesakes(text, ask.retriever.retrieve(text, ask.filters, window=answer.window))
        evidence, reason = _evidence(ask, replace(query, text=text, asked=asked), found, rewritten=bool(at))
        people = named_people(asked, [hit.passage.article for hit in found]) if asked != part else []
        own = [] if reason else of_part(asked, evidence.candidates, shown, query.language, people)
        if not own and not at:
            return None  # the later parts are about what the first one asks for
        if not own:
            sentences.append(Sentence(text=f"No answer was found to “{part}”.", verdict="supported"))
            continue
        known = {hit.passage.id for hit in hits}
        hits += [hit for hit in found if hit.passage.id not in known]
        chosen = quotations(asked, own, citer, SENTENCES_OF_PART, 0)
        sentences += chosen
        shown += [c for c in own if any(sentence.text.endswith(c.text) for sentence in chosen)]
    return given(ask, replace(answer, hits=tuple(hits)), sentences) if shown else None


def _generated(
    ask: Ask, llm: LLM, answer: Answer, evidence: Evidence, query: _Query, language: str,
    quotes: Sequence[Sentence],
) -> Iterator[Answer]:  # fmt: skip
    """The answer of a language model, checked sentence by sentence; `language` is the question's own.

    The `quotes`, the articles' own sentences, are shown before it. They are the answer of a model that judges, a small
    one, which adds at most a lead.
    """
    answer = replace(answer, preview=tuple(quotes), timings=replace(answer.timings, first_shown_ms=ask.elapsed_ms()))
    yield answer
    previous = ask.history[-1:] if query.text != ask.question else ()
    belief = ask.belief(llm, prompts.judge(ask.question, evidence.excerpts, previous)) if llm.judges else None
    if reason := belief_reason(belief):
        yield refused(ask, answer, reason)
        return
    draft = CheckedDraft(evidence=evidence, question=query.text, language=language)
    messages = prompts.answer(ask.question, evidence.excerpts, previous, may_refuse=not llm.judges)
    with closing(ask.written(llm, messages, ask.answer_tokens)) as pieces:
        for piece in pieces:
            if answer.timings.first_token_ms is None:
                answer = replace(answer, timings=replace(answer.timings, first_token_ms=ask.elapsed_ms()))
            draft.add(piece)
            if not draft.may_be_refusal:
                yield replace(answer, draft=draft.rest) if llm.judges else _drafted(answer, draft)
    draft.finish()
    judged = partial(answer_reason, ask.question, belief=belief, language=language)
    if llm.judges:
        yield _led(ask, llm, answer, draft, lambda lead: not judged(lead, not_found=False), quotes)
    # The sentinel for "not found" is no sentence that was withheld.
    elif reason := judged(draft.sentences, not_found=draft.may_be_refusal):
        yield refused(ask, answer, reason, () if draft.may_be_refusal else tuple(s.text for s in draft.sentences))
    else:
        yield replace(_drafted(answer, draft), final=True, timings=replace(answer.timings, total_ms=ask.elapsed_ms()))


def _led(
    ask: Ask, llm: LLM, answer: Answer, draft: CheckedDraft, answers: Callable[[Sequence[Sentence]], bool],
    quotes: Sequence[Sentence],
) -> Answer:  # fmt: skip
    """The quotations, and in front of them the sentences of the draft that say little but what they cite, where these
    answer."""
    lead = [sentence for sentence in draft.sentences if is_quoted(sentence)]
    lead = lead if answers(lead) else []
    withheld = tuple(sentence.text for sentence in draft.sentences if sentence not in lead)
    answer = replace(answer, stray_markers=draft.stray_markers, withheld=withheld, draft="")
    return given(ask, replace(answer, **written_by(llm if lead else None)), led(lead, quotes) if lead else quotes)


def _drafted(answer: Answer, draft: CheckedDraft) -> Answer:
    return replace(
        answer,
        answered=True,
        sentences=tuple(draft.sentences),
        draft=draft.rest,
        preview=() if draft.sentences else answer.preview,
        stray_markers=draft.stray_markers,
    )
