"""One value of an article's metadata in its standard form: a line of text, a byline, a language code, a slug."""

from __future__ import annotations

import html
import re

from rag.language.tokens import fold

BYLINE_WORDS = r"by|por|par|von|di|da|door|av|words|text|texto|reporting by|escrito por|publicado por"


def one_line(text: str) -> str:
    """The text in one line, without HTML tags and with its entities as characters."""
    if "<" in text:
        text = re.sub(r"</?[a-zA-Z][^<>]*>", "", text)
    return " ".join(unescaped(text).split())


def unescaped(text: str) -> str:
    """The text with its HTML entities as characters.

    A reference of nine digits or more names no character and stays as it is: html.unescape converts its number, which
    takes quadratic time and fails beyond 4,300 digits.
    """
    return html.unescape(_ENDLESS_REFERENCE.sub(r"&amp;#\1", text)) if "&" in text else text


_ENDLESS_REFERENCE = re.compile(r"&#(?=(\d{9,}+))\1")


def byline_names(text: str) -> str:
    """The names of a byline without its opening word: `By Nora Field` -> `Nora Field`."""
    return re.sub(rf"^(?:{BYLINE_WORDS})(?=[^a-z]|$)[\s:]*", "", one_line(text), count=1, flags=re.I)


def language_code(tag: str) -> str:
    """ISO 639-1 of a language tag: `en-GB` -> `en`; "" where it is none."""
    code = re.split(r"[-_]", tag.strip().lower())[0]
    return code if re.fullmatch(r"[a-z]{2}", code) else ""


def slug(text: str) -> str:
    """The text in lower case without accents, words joined by hyphens: `Río Bravo: 2` -> `rio-bravo-2`."""
    return re.sub(r"[\W_]+", "-", fold(text)).strip("-")
