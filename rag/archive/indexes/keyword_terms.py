"""The terms by which the keyword index finds passages: those of a question with their weights, and of a headline."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from rag.language.stems import index_terms
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens
from rag.schema import Article

# Weights of the three fields in the score of a passage, and of the score of its article. The first three were swept on
# onestopqa_articles only (486 questions), where they raise the hit@1 of keyword search from .872 with stems alone to
# .897. The last was swept on three sets (0, .5, 1, 1.5). Keyword search, hit@1 at 0 and 1: heq_news_val .828 and .860,
# norquad_news_validation .886 and .908, onestopqa_articles .899 and .905; fused, onestopqa_articles .920 and .922.
STEM_BOOST = 1.0
WORD_BOOST = 0.5
TITLE_BOOST = 0.5
ARTICLE_BOOST = 1.0
# The weight of words that an unknown word of the question may be meant for, below the 2.5 to 3 of a word as it is.
# With one letter of the rarest word changed, fused hit@1 at 0 and 2: xquad_en (300 questions) .910 and .950, unchanged
# .957; norquad_news_validation (230) .796 and .891, unchanged .917. Questions without a wrong letter keep theirs.
MISSPELT_BOOST = 2.0
# A question is in another language than the articles when so many of its words, at least so many, are in no more than
# this share of the passages. With 0 for the share of passages, the share of such words is .11 or less for 95% of the
# questions of xquad_en and .17 for norquad; of Spanish, German and Chinese questions to xquad_en, 95% have .36, .33 and
# .88 or more.
FOREIGN_SHARE, LEAST_FOREIGN, FOREIGN_DF = 0.3, 3, 1e-4
MOST_MISSPELT = 4  # unknown words of a question that are looked for in other spellings: each walks the dictionary


def rarity(passages: int, with_word: int) -> float:
    """BM25's inverse document frequency."""
    return log(1 + (passages - with_word + 0.5) / (with_word + 0.5))


def question_terms(question: str, languages: Sequence[str]) -> dict[tuple[str, str], float]:
    """The weight of each (field, term): every content word of the question as a stem, as written and in the title."""
    content = _content(question) or question
    wanted: dict[tuple[str, str], float] = {}
    for language in languages or ("",):
        words, stems = index_terms(content, language)
        wanted |= {("stems", stem): STEM_BOOST for stem in stems}
        wanted |= {("title", stem): TITLE_BOOST for stem in stems}
        wanted |= {("words", word): WORD_BOOST for word in words}
    return wanted


def _content(question: str) -> str:
    """The question without stop words. Adjacent tokens stay adjacent, since CJK characters are indexed in pairs."""
    content, end = "", -1
    for token in tokens(question):
        if token.folded not in STOP_WORDS:
            content += token.text if token.start == end else f" {token.text}"
            end = token.end
    return content.strip()


def headline_terms(article: Article) -> str:
    """Terms that a question may use besides those of the text: headline, outlet, month and year."""
    return f"{article.title} {article.outlet} {article.day.strftime('%B %Y') if article.day else ''}"
