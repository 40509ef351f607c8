"""A question in the spelling of the articles that it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rag.archive.archive import Archive
from rag.language.misspelling import edits_allowed, is_misspelt
from rag.language.names import names
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, folded_words, tokens
from rag.schema import Hit

LEAST_LETTERS = 3  # of a word that may be a name: shorter ones are seldom missed. Set by hand.
MOST_MISSPELT = 8  # words of a question that are looked for in other spellings


def spelt_as_found(question: str, language: str, hits: Sequence[Hit], archive: Archive) -> str:
    """The question with each word that no article holds as the articles found spell it, where it may be a misspelling
    of a word of theirs: the one most frequent in them."""
    words = {t.folded for t in tokens(question) if edits_allowed(t.folded) and t.folded not in STOP_WORDS}
    unknown = archive.unknown_words(sorted(words), language) if words else set()
    if not unknown:
        return question
    texts = (f"{hit.passage.article.title} {hit.passage.text}" for hit in hits)
    found = [word for word, _ in Counter(word for text in texts for word in folded_words(text)).most_common()]
    looked_for = [t.folded for t in tokens(question) if t.folded in unknown][:MOST_MISSPELT]
    meant = {word: [known for known in found if is_misspelt(word, known)][:1] for word in looked_for}
    parts, at = [], 0
    for token in tokens(question):
        if likely := meant.get(token.folded):
            spelt = likely[0].capitalize() if token.text[0].isupper() else likely[0]
            parts += [question[at : token.start], spelt]
            at = token.end
    return "".join([*parts, question[at:]])


def with_capitals(question: str, hits: Sequence[Hit]) -> str:
    """A question without capitals with those words as the passages found write them that they always write with one:
    in "who is the mayor of new york" no name would be seen. Any other question as it is."""
    words = tokens(question)
    if any(word.text[0].isupper() for word in words[1:]) or not question[1:].islower():
        return question
    named, common = Counter[str](), set[str]()
    for text in {hit.passage.id: hit.passage.text for hit in hits}.values():
        proper = set(names(text))
        named.update(word.text for word in tokens(text) if word.folded in proper and word.text[0].isupper())
        common.update(word.folded for word in tokens(text) if word.text[0].islower())
    forms: dict[str, str] = {}
    for form, _ in named.most_common():
        forms.setdefault(fold(form), form)
    parts, at = [], 0
    for word in words:
        if word.folded in forms and word.folded not in common | STOP_WORDS and len(word.text) >= LEAST_LETTERS:
            parts += [question[at : word.start], forms[word.folded]]
            at = word.end
    return "".join([*parts, question[at:]])
