"""Finds text that a browser would not show, by attributes, inline styles and the style sheets in a page.

Such text is where instructions to language models are hidden. There are two kinds: elements that are not displayed,
with everything in them, and text that is displayed but invisible by its colour or size, whose children may be visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ingest.cleaning.styles import (
    BLACK,
    WHITE,
    Colour,
    Declarations,
    Described,
    StyleSheet,
    alike,
    arguments,
    colour,
    declarations,
    number,
    pixels,
    substituted,
)

# An element of lxml, which has no type stubs and is imported in ingest/readers/pages/parsing.py only.
Element = Any

_LEAST_FONT = 4.0  # CSS pixels (3 pt); smaller text cannot be read
_FAR = 1000.0  # pixels beyond which a margin or a translation puts text off the page
_UNSEEN_OPACITY = 0.05
_UNREADABLE_BLUR = 10.0  # pixels
_CRAMPED = -8.0  # pixels between letters, from which on they lie upon each other
# Never removed, since they contain the article: a saved page may hide them behind a dialog, or until a script runs.
WHOLE = frozenset({"html", "body", "head", "article", "main"})


@dataclass(frozen=True, slots=True)
class Hidden:
    """What to remove: the element with everything in it or, with `text_only`, only its own text.

    `certain` is True where the element itself says so. What only a style sheet says may be undone by a script or by
    another sheet.
    """

    element: Element
    text_only: bool
    certain: bool


@dataclass(frozen=True, slots=True)
class _State:
    """What children inherit from an element. Colours are None where they are unknown."""

    font: float = 16.0
    ink: Colour | None = BLACK
    ground: Colour | None = WHITE
    shown: bool = True
    certain: bool = True

    @property
    def visible(self) -> bool:
        """Whether text with these properties can be seen and read."""
        return self.shown and self.font >= _LEAST_FONT and not _same(self.ink, self.ground)


def hidden(tree: Element) -> list[Hidden]:
    """Everything invisible in a tree, outermost first. Raises BadInput where its style sheets are too costly."""
    sheet = StyleSheet(style.text or "" for style in tree.iter("style"))
    # A linked sheet, which is not read, may set a dark background behind white text.
    foreign = any("stylesheet" in (link.get("rel") or "").lower() for link in tree.iter("link"))
    found: list[Hidden] = []
    states: dict[Element, _State] = {}
    chains: dict[Element, tuple[Described, ...]] = {}
    for element in tree.iter("*"):
        parent = element.getparent()
        if parent is not None and parent not in states:
            continue  # inside a hidden element
        before = states[parent] if parent is not None else _State()
        chain = (*chains[parent], _described(element)) if sheet and parent is not None else (_described(element),)
        said, inline = _cascaded(element, sheet, chain)
        popover = element.get("popover") is not None  # shown when a script or a button asks for it
        if (popover or _is_gone(said)) and element.tag not in WHOLE:
            certain = popover or (_is_gone(inline) and not _faded(inline))
            found.append(Hidden(element, text_only=False, certain=certain))
            continue
        state = before
        if said or _hints(element) or (foreign and element.get("class")):
            state = _handed_down(element, said, before, foreign=foreign)
            state = replace(state, certain=state.visible or bool(inline) or not before.visible and before.certain)
        if not state.visible and element.tag in WHOLE:
            state = _State(ground=None)  # otherwise the whole page would be invisible: a script must show it
        states[element], chains[element] = state, chain
        if not state.visible:
            found.append(Hidden(element, text_only=True, certain=state.certain))
    return found


def _described(element: Element) -> Described:
    return element.tag, element.get("id") or "", frozenset((element.get("class") or "").split())


def _cascaded(element: Element, sheet: StyleSheet, chain: tuple[Described, ...]) -> tuple[Declarations, Declarations]:
    """The declarations that apply to an element, and those of its own style attribute."""
    style = element.get("style")
    plain, important = declarations(style) if style else ({}, {})
    inline = substituted(plain | important, sheet.custom)
    if not sheet:
        return inline, inline
    theirs, forced = sheet.declared(chain)
    return substituted(theirs | plain | forced | important, sheet.custom), inline


def _hints(element: Element) -> bool:
    return element.get("bgcolor") is not None or element.tag == "font" or element.get("background") is not None


# --- elements that are not displayed ------------------------------------------------------------------------


def _is_gone(said: Mapping[str, str]) -> bool:
    """Whether the declarations remove an element from the page with everything in it."""
    if not said:
        return False
    return (
        said.get("display") == "none"
        or said.get("content-visibility") == "hidden"
        or _faded(said)
        or _clipped(said)
        or _shrunk(said)
        or _tiny(said.get("zoom", ""))
        or (pixels(said.get("letter-spacing", "")) or 0.0) <= _CRAMPED
        or _moved_away(said)
    )


def _faded(said: Mapping[str, str]) -> bool:
    opacity = number(said.get("opacity", ""))
    filtered = number(next(iter(arguments(said.get("filter", ""), "opacity") or ()), ""))
    blur = pixels(next(iter(arguments(said.get("filter", ""), "blur") or ()), ""))
    if blur is not None and blur >= _UNREADABLE_BLUR:
        return True
    return any(value is not None and value <= _UNSEEN_OPACITY for value in (opacity, filtered))


def _clipped(said: Mapping[str, str]) -> bool:
    clip = [pixels(one) for one in arguments(said.get("clip", ""), "rect") or ()]
    if len(clip) == 4 and None not in clip:
        top, right, bottom, left = (one or 0.0 for one in clip)
        if bottom - top <= 1 or right - left <= 1:
            return True
    path = said.get("clip-path", "")
    inset = [number(one) if "%" in one else None for one in arguments(path, "inset") or ()]
    if inset and inset[0] is not None and inset[0] >= 0.5:
        return True
    round_ = [pixels(one) for one in (arguments(path, "circle") or arguments(path, "ellipse") or ())[:1]]
    points = arguments(path, "polygon")
    return 0.0 in round_ or bool(points) and all(pixels(one) == 0 for one in points or ())


def _shrunk(said: Mapping[str, str]) -> bool:
    overflow = {said.get(name, "").split(" ")[0] for name in ("overflow", "overflow-x", "overflow-y")}
    if overflow & {"hidden", "clip"}:
        # Pictures and videos are placed in the padding of a box without height.
        padded = any(
            (pixels(part) or 0) > 1
            for name, value in said.items() if name.startswith("padding")
            for part in value.split()
        )  # fmt: skip
        sizes = [pixels(said.get(name, ""), percent=10) for name in ("height", "max-height", "width", "max-width")]
        if not padded and any(size is not None and size <= 1 for size in sizes):
            return True
    transform = said.get("transform", "")
    scales = [arguments(transform, name) for name in ("scale", "scale3d", "scalex", "scaley", "matrix")]
    scales.append(said.get("scale", "").split())
    return any(given and any(_tiny(one) for one in given[:2]) for given in scales[:4] + scales[5:]) or bool(
        scales[4] and _tiny(scales[4][0]) and _tiny(scales[4][-3:][0])
    )


def _tiny(value: str) -> bool:
    factor = number(value)
    return factor is not None and abs(factor) <= 0.05


def _moved_away(said: Mapping[str, str]) -> bool:
    for name in ("text-indent", "left", "top"):
        if (pixels(said.get(name, "")) or 0) <= -100 * (10 if "%" in said.get(name, "") else 1):
            return True
    sideways = [said.get(name, "") for name in ("margin-left", "text-indent", "left", "right")]
    sideways += said.get("inset", "").split()
    sideways += said.get("translate", "").split()
    for function in ("translate", "translatex", "translatey", "translate3d"):
        sideways += arguments(said.get("transform", ""), function) or []
    away = [said.get(name, "") for name in ("bottom", "margin-top")] + said.get("margin", "").split() + sideways
    far = (pixels(value) or 0 for value in away if "%" not in value)
    return any(size <= -_FAR for size in far) or any((pixels(value) or 0) >= 5 * _FAR for value in sideways)


# --- invisible text ------------------------------------------------------------------------


def _handed_down(element: Element, said: Mapping[str, str], before: _State, *, foreign: bool) -> _State:
    font = _font(said, before.font)
    ink, ground = before.ink, before.ground
    if foreign and element.get("class"):
        ground = None
    if element.tag == "font" and element.get("color"):
        ink = colour(element.get("color").strip().lower())
    stated = said.get("-webkit-text-fill-color") or said.get("color")
    if stated and stated not in {"inherit", "currentcolor"}:
        ink = colour(stated)
    behind = " ".join(filter(None, (said.get("background"), said.get("background-color"))))
    behind = behind or (element.get("bgcolor") or "").strip().lower()
    if element.get("background") is not None or "gradient(" in behind or "url(" in behind:
        ground = None
    elif behind:
        ground = _ground(behind, ground)
    if "text" in f"{said.get('background-clip')} {said.get('-webkit-background-clip')}":
        ink = None  # the background is seen through the letters
    seen = said.get("visibility")
    shown = before.shown if seen is None else seen not in {"hidden", "collapse"}
    return _State(font=font, ink=ink, ground=ground, shown=shown)


def _same(ink: Colour | None, ground: Colour | None) -> bool:
    if ink is None:
        return False
    return ink[3] <= _UNSEEN_OPACITY or ground is not None and alike(ink, ground)


def _ground(value: str, before: Colour | None) -> Colour | None:
    """The background colour of a text; that of the parent where the value states none or a transparent one."""
    for part in [value, *re.findall(r"(?:rgb|hsl)a?\([^()]*\)|[#\w-]+", value)]:
        found = colour(part)
        if found is not None:
            return found if found[3] >= 0.95 else before if found[3] <= _UNSEEN_OPACITY else None
    return before


def _font(said: Mapping[str, str], before: float) -> float:
    """The font size in CSS pixels."""
    value = said.get("font-size")
    if value is None and "font" in said:
        value = next((part for word in said["font"].split() if (part := word.split("/")[0])[:1] in "0123456789."), None)
    size = pixels(value, percent=before / 100, em=before) if value else None
    if size is None:
        return 16.0 if value and value.endswith(("small", "medium", "large")) else before
    return max(size, 0.0)


# --- HTML inside of Markdown -------------------------------------------------------------------------

_TAG = re.compile(r"<!--|<(/?)([a-zA-Z][\w:-]*+)([^<>]*+)>")
_ATTRIBUTE = re.compile(r"([a-zA-Z-]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++)))?+")
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_UNSHOWN = frozenset({"style", "script", "template", "noscript", "head", "title"})


def hidden_in_markup(text: str) -> str:
    """Markdown without HTML comments and without HTML elements that a browser would not show.

    As in a browser, a hidden element that is not closed takes the rest of the text with it. A comment that is not
    closed is kept.
    """
    sheet = StyleSheet(_sheets(text))
    kept: list[str] = []
    at = 0  # the offset up to which the text has been handled
    unclosed_comment = False
    gone, depth, began = "", 0, 0  # the open hidden element, its nesting depth, its offset
    for match in _TAG.finditer(text):
        if match.start() < at:
            continue
        if match[0] == "<!--":
            end = -1 if unclosed_comment else text.find("-->", match.end())
            unclosed_comment = end < 0
            if end >= 0:
                kept += [] if gone else [text[at : match.start()]]
                at = end + 3
            continue
        closing, tag = bool(match[1]), match[2].lower()
        if gone:
            if tag == gone:
                depth += -1 if closing else 1
                if depth == 0:
                    gone, at = "", match.end()
        elif not closing and tag not in _VOID and not match[3].endswith("/") and _not_shown(tag, match[3], sheet):
            kept.append(text[at : match.start()])
            gone, depth, began = tag, 1, match.start()
            at = match.end()
    if gone:
        return "".join(kept) if gone != "p" else "".join([*kept, text[_paragraph_end(text, began) :]])
    return "".join([*kept, text[at:]])


def _paragraph_end(text: str, start: int) -> int:
    end = text.find("\n\n", start)
    return len(text) if end < 0 else end


_STYLE = re.compile(r"<(/?)style\b[^<>]*+>?", re.I)


def _sheets(text: str) -> Iterable[str]:
    start = -1
    for match in _STYLE.finditer(text):
        if match[1] and start >= 0:
            yield text[start : match.start()]
            start = -1
        elif not match[1] and start < 0:
            start = match.end()


def _not_shown(tag: str, attributes: str, sheet: StyleSheet) -> bool:
    if tag in _UNSHOWN:
        return True
    if not attributes.strip() and not sheet:
        return False
    given = {m[1].lower(): m[2] or m[3] or m[4] or "" for m in _ATTRIBUTE.finditer(attributes)}
    if "hidden" in given:
        return True
    plain, important = declarations(given.get("style", ""))
    chain = [(tag, given.get("id", ""), frozenset(given.get("class", "").split()))]
    theirs, forced = sheet.declared(chain)
    said = substituted(theirs | plain | forced | important, sheet.custom)
    if (
        "popover" in given
        or _is_gone(said)
        or said.get("visibility") in {"hidden", "collapse"}
        or _font(said, 16.0) < _LEAST_FONT
    ):
        return True
    stated = said.get("-webkit-text-fill-color") or said.get("color") or given.get("color", "")
    behind = said.get("background-color") or said.get("background") or given.get("bgcolor", "")
    ground = WHITE if not behind else None if "url(" in behind or "gradient(" in behind else _ground(behind, WHITE)
    return bool(stated) and _same(colour(stated.strip().lower()), ground)
