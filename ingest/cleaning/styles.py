"""The part of CSS that decides whether text is visible: declarations, lengths, colours, rules of style sheets."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rag.errors import BadInput

Declarations = dict[str, str]
Colour = tuple[float, float, float, float]  # red, green, blue from 0 to 255, and opacity from 0 to 1

# Comparisons of elements with rules that a page may take. The largest of 181 news pages takes a tenth of it.
_MOST_COMPARISONS = 2_000_000

_RELEVANT = frozenset(
    "display visibility opacity clip clip-path color background background-color background-clip "
    "-webkit-background-clip -webkit-text-fill-color font font-size height max-height width max-width "
    "overflow overflow-x overflow-y padding padding-top padding-bottom padding-left padding-right transform scale "
    "translate text-indent left right top bottom inset margin margin-left margin-top content-visibility filter zoom "
    "letter-spacing".split()
)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n]?|(.))", re.S)


def declarations(style: str) -> tuple[Declarations, Declarations]:
    """The relevant declarations of a style attribute or a rule, as (plain, `!important`) ones.

    Names and values are in lower case; the last of two with one name counts. Custom properties (`--name`) are kept.
    """
    plain: Declarations = {}
    important: Declarations = {}
    if "\\" in style:
        style = _ESCAPE.sub(_unescaped, style)
    for one in without_comments(style).split(";"):
        name, colon, value = one.partition(":")
        name, value = name.strip().lower(), value.strip().lower()
        if not colon or not (name in _RELEVANT or name.startswith("--")):
            continue
        bare, mark, rest = value.rpartition("!")
        if mark and rest.strip() == "important":
            important[name] = bare.strip()
        else:
            plain[name] = value
    return plain, important


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        number = int(match[1], 16)
        return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
    return match[2]


def without_comments(style: str) -> str:
    """The style without `/* … */`. As in a browser, a comment that is not closed takes the rest."""
    kept, at = [], 0
    while (start := style.find("/*", at)) >= 0:
        kept.append(style[at:start])
        end = style.find("*/", start + 2)
        at = len(style) if end < 0 else end + 2
    return " ".join([*kept, style[at:]])


_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,([^()]*))?\)")


def substituted(said: Declarations, custom: Declarations) -> Declarations:
    """The declarations with each `var(--name, fallback)` replaced by its value on the element or in `custom`.

    A variable without a value becomes its fallback. Variables in the values of variables are not replaced.
    """
    if not any("var(" in value for value in said.values()):
        return said

    def value_of(match: re.Match[str]) -> str:
        return said.get(match[1]) or custom.get(match[1]) or (match[2] or "").strip()

    return {name: _VARIABLE.sub(value_of, value) for name, value in said.items()}


# --- values ------------------------------------------------------------------------------------------

_LENGTH = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?)(px|pt|pc|em|rem|ex|ch|vw|vh|vmin|vmax|cm|mm|in|q|%)?"
)
_PIXELS = {
    "": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "vw": 12.8,
    "vh": 7.2, "vmin": 7.2, "vmax": 12.8, "cm": 37.8, "mm": 3.78, "in": 96.0, "q": 0.945,
}  # fmt: skip


def pixels(value: str, percent: float = 10.0, em: float = 16.0) -> float | None:
    """A length in CSS pixels, `percent` being one hundredth of what percentages count; None for anything else.

    Of functions `calc`, `min` and `max` of plain lengths are read.
    """
    value = value.strip()
    if value.endswith(")"):
        function, _, given = value[:-1].partition("(")
        sizes = [pixels(one, percent, em) for one in given.split(",")] if "(" not in given else []
        known = [size for size in sizes if size is not None]
        if function not in ("calc", "min", "max") or not known or len(known) < len(sizes):
            return None
        return max(known) if function == "max" else min(known)
    match = _LENGTH.fullmatch(value)
    if not match:
        return None
    unit = match[2] or ""
    try:
        return float(match[1]) * (percent if unit == "%" else em if unit == "em" else _PIXELS[unit])
    except OverflowError:
        return None


def number(value: str) -> float | None:
    """A number or a percentage as a fraction, also in `calc`; None for anything else."""
    match = _LENGTH.fullmatch(value.strip().removeprefix("calc(").removesuffix(")"))
    if not match or match[2] not in (None, "%"):
        return None
    return float(match[1]) / (100 if match[2] else 1)


def arguments(value: str, function: str) -> list[str] | None:
    """The arguments of the first call of a function in a value: those of `rect(0, 0 0 0)` are four times "0"."""
    start = value.find(f"{function}(")
    end = value.find(")", start)
    if start < 0 or end < 0:
        return None
    return value[start + len(function) + 1 : end].replace(",", " ").replace("/", " ").split()


_NAMED = {
    "white": "#fff", "black": "#000", "red": "#f00", "lime": "#0f0", "blue": "#00f", "yellow": "#ff0", "aqua": "#0ff",
    "cyan": "#0ff", "magenta": "#f0f", "fuchsia": "#f0f", "silver": "#c0c0c0", "gray": "#808080", "grey": "#808080",
    "maroon": "#800000", "olive": "#808000", "green": "#008000", "purple": "#800080", "teal": "#008080",
    "navy": "#000080", "orange": "#ffa500", "snow": "#fffafa", "ivory": "#fffff0", "whitesmoke": "#f5f5f5",
    "ghostwhite": "#f8f8ff", "floralwhite": "#fffaf0", "mintcream": "#f5fffa", "azure": "#f0ffff",
    "aliceblue": "#f0f8ff", "seashell": "#fff5ee", "lightgray": "#d3d3d3", "lightgrey": "#d3d3d3",
    "gainsboro": "#dcdcdc", "darkgray": "#a9a9a9", "darkgrey": "#a9a9a9", "beige": "#f5f5dc", "linen": "#faf0e6",
    "lightyellow": "#ffffe0", "transparent": "#0000",
}  # fmt: skip
_LIGHTNESS = re.compile(r"(oklch|oklab|lch|lab)\(\s*(\d{1,4}(?:\.\d{1,9})?)(%?)")
WHITE: Colour = (255.0, 255.0, 255.0, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0, 1.0)


def colour(value: str) -> Colour | None:
    """A colour as red, green, blue and opacity; None where it is unknown or depends on other declarations."""
    value = _NAMED.get(value, value)
    if re.fullmatch(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", value):
        digits = value[1:] if len(value) > 5 else "".join(2 * digit for digit in value[1:])
        red, green, blue, *alpha = (int(digits[i : i + 2], 16) for i in range(0, len(digits), 2))
        return red, green, blue, alpha[0] / 255 if alpha else 1.0
    for function in ("rgba", "rgb", "hsla", "hsl"):
        given = arguments(value, function) if value.startswith(f"{function}(") else None
        if given is not None:
            return _computed_colour(given, hsl=function.startswith("hsl"))
    lightness = _LIGHTNESS.match(value)
    if lightness:  # only nearly white and nearly black are recognised
        light = float(lightness[2]) / (100 if lightness[3] or lightness[1] in ("lab", "lch") else 1)
        return WHITE if light >= 0.97 else BLACK if light <= 0.03 else None
    if value.startswith("color-mix("):
        mixed = [colour(word) for word in re.findall(r"#?\w+", value) if word in _NAMED or word.startswith("#")]
        first = mixed[0] if mixed else None
        return first if first and all(one is not None and alike(first, one) for one in mixed) else None
    return None


def _computed_colour(given: Sequence[str], *, hsl: bool) -> Colour | None:
    values = [number(one.removesuffix("deg")) for one in given]
    if len(values) not in (3, 4) or None in values:
        return None
    one, two, three, alpha = [float(v or 0) for v in values] + [1.0] * (4 - len(values))
    if hsl:
        red, green, blue = colorsys.hls_to_rgb(one / 360 % 1, _unit(three), _unit(two))
        return 255 * red, 255 * green, 255 * blue, alpha
    parts = (255 * v if "%" in text else v for v, text in zip((one, two, three), given, strict=False))
    red, green, blue = (min(max(v, 0.0), 255.0) for v in parts)
    return red, green, blue, alpha


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def alike(one: Colour, other: Colour) -> bool:
    """Whether text of one colour is invisible on a background of the other: no channel differs by 5%."""
    return all(abs(a - b) <= 12 for a, b in zip(one[:3], other[:3], strict=True))


# --- rules -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Compound:
    """A compound selector such as `p.note#first`: conditions on one element."""

    tag: str
    id: str
    classes: frozenset[str]

    @property
    def key(self) -> str:
        return f"#{self.id}" if self.id else f".{min(self.classes)}" if self.classes else self.tag

    def fits(self, tag: str, identity: str, classes: frozenset[str]) -> bool:
        return self.tag in ("", tag) and self.id in ("", identity) and self.classes <= classes


@dataclass(frozen=True, slots=True)
class _Rule:
    last: _Compound
    above: tuple[_Compound, ...]  # from the outermost to the innermost
    weight: tuple[int, int, int, int]  # ids, classes, tags, and the place in the sheet
    plain: Declarations
    important: Declarations


_COMPOUND = re.compile(r"([a-zA-Z][\w-]*)?((?:[.#][\w-]+)*)")

# An element as (tag, id, classes).
Described = tuple[str, str, frozenset[str]]


class StyleSheet:
    """The rules of a page's style sheets that can hide text, selected by tags, classes and ids with descendants.

    Rules for printers, for small screens, and with pseudo-classes, siblings or attributes are not read.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.custom: Declarations = {}  # custom properties of all rules, as if all applied to the root
        self._rules: dict[str, list[_Rule]] = {}
        self._known: dict[Described, list[_Rule]] = {}
        self._count = 0
        self._left = _MOST_COMPARISONS
        for text in texts:
            for selectors, body in _style_rules(without_comments(text).replace("<!--", " ").replace("-->", " ")):
                self._add(selectors, body)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def _add(self, selectors: str, body: str) -> None:
        plain, important = declarations(body)
        if not plain and not important:
            return
        self.custom |= {name: value for name, value in (plain | important).items() if name.startswith("--")}
        for selector in selectors.split(","):
            compounds = _compounds(selector)
            if compounds:
                weight = (
                    sum(bool(c.id) for c in compounds), sum(len(c.classes) for c in compounds),
                    sum(bool(c.tag) for c in compounds), self._count,
                )  # fmt: skip
                self._count += 1
                rule = _Rule(compounds[-1], tuple(compounds[:-1]), weight, plain, important)
                self._rules.setdefault(rule.last.key, []).append(rule)

    def declared(self, chain: Sequence[Described]) -> tuple[Declarations, Declarations]:
        """The declarations for the last element of a chain from the root down, as (plain, `!important`) ones.

        Raises BadInput where a hostile page asks for too many comparisons.
        """
        plain: Declarations = {}
        important: Declarations = {}
        for rule in self._candidates(chain[-1]):
            if not rule.above or self._below(rule.above, chain):
                plain |= rule.plain
                important |= rule.important
        return plain, important

    def _candidates(self, element: Described) -> list[_Rule]:
        if element not in self._known:
            tag, identity, classes = element
            keys = [tag, f"#{identity}", *(f".{name}" for name in classes)]
            listed = [rule for key in keys for rule in self._rules.get(key, ())]
            self._spend(len(listed) + len(keys))
            self._known[element] = sorted((r for r in listed if r.last.fits(*element)), key=lambda r: r.weight)
        self._spend(len(self._known[element]))
        return self._known[element]

    def _below(self, above: Sequence[_Compound], chain: Sequence[Described]) -> bool:
        wanted = len(above) - 1
        for tag, identity, classes in reversed(chain[:-1]):
            self._spend(1)
            if above[wanted].fits(tag, identity, classes):
                wanted -= 1
                if wanted < 0:
                    return True
        return False

    def _spend(self, comparisons: int) -> None:
        self._left -= comparisons
        if self._left < 0:
            raise BadInput("too large", "its style sheets have too many rules for one page; save its text as .txt")


def _compounds(selector: str) -> list[_Compound]:
    """`main > p.note` as main and p.note; empty for a selector that is ignored."""
    found = []
    for part in selector.replace(">", " ").split():
        match = _COMPOUND.fullmatch(part.replace("\\", ""))
        if not match or not match[0]:
            return []
        names = re.findall(r"([.#])([\w-]+)", match[2])
        ids = [name for mark, name in names if mark == "#"]
        classes = frozenset(name for mark, name in names if mark == ".")
        found.append(_Compound((match[1] or "").lower(), ids[0] if ids else "", classes))
    return found


def _style_rules(sheet: str) -> Iterator[tuple[str, str]]:
    """Yields (selectors, declarations) of a sheet without comments, nested rules included.

    Rules in blocks such as @media screen, @layer and @supports count where these apply to a screen of 1280 by 720
    pixels.
    """
    # For each open block: its selectors ("" for an @ block), its declarations so far, and whether it is read.
    blocks: list[tuple[str, list[str], bool]] = []
    start = deeper = 0  # deeper: the number of open blocks that are nested too deeply to be read
    for mark in re.finditer(r"[{};]", sheet):
        at = mark.start()
        if mark[0] == ";":
            if blocks and not deeper:
                blocks[-1][1].append(sheet[start:at])
        elif deeper or (mark[0] == "{" and len(blocks) == _DEEPEST):
            deeper += 1 if mark[0] == "{" else -1
        elif mark[0] == "{":
            prelude = sheet[start:at].strip()
            around, _, read = blocks[-1] if blocks else ("", [], True)
            if prelude[:1] == "@":
                blocks.append((around, [], read and _holds(" ".join(prelude.split()).lower())))
            else:
                selectors = _nested(around, prelude) if around else prelude
                blocks.append((selectors, [], read and bool(selectors)))
        elif blocks:
            selectors, body, read = blocks.pop()
            if read and selectors:
                yield selectors, ";".join([*body, sheet[start:at]])
        start = at + 1


_LONGEST_SELECTORS = 2000  # characters; nested rules multiply their selectors
_DEEPEST = 8  # levels of nested rules that are read


def _nested(around: str, within: str) -> str:
    """The selectors of a nested rule; "" where they are longer than any page needs."""
    inner, outer = within.split(","), around.split(",")
    if sum(len(outer) * len(one) + len(around) for one in inner) > _LONGEST_SELECTORS:
        return ""
    joined = (one.replace("&", above) if "&" in one else f"{above} {one}" for one in inner for above in outer)
    return ",".join(joined)


def _holds(rule: str) -> bool:
    """Whether an @-block applies to a screen of 1280 by 720 pixels; False where that is unknown."""
    name, _, condition = rule.partition(" ")
    if name.partition("(")[0] in ("@layer", "@supports", "@container", "@scope"):
        return " not " not in f" {condition} "
    if not name.startswith("@media"):
        return False
    words = re.sub(_FEATURE, _feature_holds, rule.removeprefix("@media"))
    return all(word in ("only", "screen", "all", "and", "yes") for word in words.split())


_FEATURE = re.compile(r"\((min|max)-(width|height)\s*:\s*([\d.]{1,9}[a-z]{2,3})\s*\)")


def _feature_holds(match: re.Match[str]) -> str:
    size, screen = pixels(match[3]), 1280 if match[2] == "width" else 720
    if size is None:
        return "no"
    return "yes" if (size <= screen if match[1] == "min" else size >= screen) else "no"
