"""The text that a language model writes, split into sentences that are checked as soon as they are complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.answering import prompts
from rag.answering.check.verdicts import Finding, judged
from rag.answering.citations import Citer, link, same_words, split_finished, strip_markers
from rag.answering.sentence_selection import Evidence
from rag.language.identify import detect_language
from rag.language.sentences import without_item_number
from rag.language.stems import content_stems
from rag.schema import Sentence


@dataclass(slots=True)
class CheckedDraft:
    """Grows with the model's reply. `sentences` are checked; `rest` is the unfinished end of the reply."""

    evidence: Evidence
    question: str  # the retrieval query: a name that the conversation gave needs no quotation of its own
    language: str  # of the answer where it cannot be detected
    sentences: list[Sentence] = field(default_factory=list)
    rest: str = ""
    stray_markers: int = 0  # citation markers that name no excerpt
    _raw: str = ""
    _seen: int = 0  # finished sentences that were looked at; repeated ones are not in `sentences`
    _cited: list[int] = field(default_factory=list)  # numbers of the excerpts that the model's own markers name
    _citer: Citer = field(default_factory=Citer)
    _languages: tuple[str, ...] = field(init=False)  # of the articles found, the likeliest article's first

    def __post_init__(self) -> None:
        found = (candidate.passage.article.language for candidate in self.evidence.candidates)
        self._languages = tuple(dict.fromkeys(language for language in found if language))

    def add(self, piece: str) -> None:
        """Appends a piece of the reply and checks the sentences that it completes."""
        self._raw += piece
        finished, self.rest = split_finished(self._without_markers())
        self._check(finished)

    def finish(self) -> None:
        """Checks the rest: the reply is complete."""
        finished, rest = split_finished(self._without_markers())
        self._check([*finished, rest])
        self.rest = ""

    @property
    def may_be_refusal(self) -> bool:
        """Whether the reply so far is the sentinel for "not found", or the beginning of it."""
        start = self._raw.strip()[: len(prompts.NOT_FOUND)].upper()
        return prompts.NOT_FOUND.startswith(start)

    def _without_markers(self) -> str:
        text, self._cited, self.stray_markers = strip_markers(self._raw, len(self.evidence.excerpts))
        return text

    def _check(self, finished: Sequence[str]) -> None:
        for sentence in finished[self._seen :]:
            text = without_item_number(sentence.strip())  # no article contains the number of a list item
            if not content_stems(text, "") or any(same_words(text, known.text) for known in self.sentences):
                continue
            language = self._language_of(text)
            quotes, lacking = link(
                text,
                self.evidence.candidates,
                language=language,
                question=self.question,
                hints=[self.evidence.excerpts[number - 1][0] for number in self._cited],
            )
            self.sentences.append(self._cited_sentence(text, judged(text, quotes, lacking, language)))
        self._seen = len(finished)

    def _cited_sentence(self, text: str, found: Finding) -> Sentence:
        return self._citer.sentence(text, found.quotes, found.reason, contradicted=found.verdict == "contradicted")

    def _language_of(self, text: str) -> str:
        """The language of a sentence: the detected one where the question or an article has it.

        Short sentences are often detected as a language that nobody wrote in.
        """
        detected = detect_language(text)
        if detected and detected in (self.language, *self._languages):
            return detected
        return self.language if self.language in self._languages or not self._languages else self._languages[0]
