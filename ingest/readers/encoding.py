"""Bytes become text: by byte-order mark, as UTF-8, by a declared charset, or by detection."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO, cast

from rag.errors import BadInput

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def decode(data: bytes) -> str:
    """The text in `data`, by its byte-order mark, as UTF-8, by the charset that it declares, or by detection.

    Raises BadInput with the reason "not text" for binary data.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), "")
    if not marked and b"\0" in data[:100_000]:
        raise BadInput("not text", "it holds binary data; expected text in UTF-8 or another common encoding")
    encoding = marked or _encoding(data)
    text = data.decode(encoding, "replace")
    odd = sum(1 for c in text[:20_000] if c == "\ufffd" or (c < " " and c not in "\n\r\t\f\x1a\x1b"))
    if odd > 0.05 * len(text[:20_000]):
        raise BadInput("not text", "most of it is no text in any known encoding; save it as UTF-8")
    return text


def _encoding(data: bytes) -> str:
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    # Much valid UTF-8 with a few broken bytes is damaged UTF-8, such as a file cut in the middle of a character.
    good, bad = len(re.findall(rb"[\xc2-\xf4][\x80-\xbf]+", data)), data.decode("utf-8", "replace").count("\ufffd")
    if bad <= 0.02 * good + (good > 5):
        return "utf-8"
    declared = re.search(rb"charset=[\"']?\s*([\w.:-]+)", data[:5000]) if data.lstrip()[:1] == b"<" else None
    return (_charset(declared[1].decode("ascii", "replace")) if declared else "") or _likeliest(data)


# The encodings of the WHATWG standard under their Python names. No other declared name is accepted: Python also has
# codecs that compress or transform, and some that do not produce text.
_CHARSETS = frozenset(
    "utf-8 cp866 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-10 iso8859-13 "
    "iso8859-14 iso8859-15 iso8859-16 koi8-r koi8-u mac-roman mac-cyrillic cp874 cp1250 cp1251 cp1252 cp1253 cp1254 "
    "cp1255 cp1256 cp1257 cp1258 gb18030 big5hkscs euc_jp iso2022_jp cp932 cp949".split()
)
# Browsers decode these as their supersets: pages declared as Latin-1 contain “quotes” that only cp1252 has.
_SUPERSETS = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs",
    "shift_jis": "cp932", "euc_kr": "cp949", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
}  # fmt: skip


def _charset(label: str) -> str:
    """The Python codec of a declared charset; "" where it is unknown."""
    try:
        name = codecs.lookup(label.lower().removeprefix("x-").replace("windows-949", "cp949")).name
    except (LookupError, ValueError):
        return ""
    name = _SUPERSETS.get(name, name)
    return name if name in _CHARSETS else ""


def _likeliest(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:100_000]
    accented = len(re.findall(rb"[\x80-\xff]", sample))
    # Single accented letters inside ASCII words: Western European text, which detectors mistake for cp1250.
    if (
        accented < 0.15 * len(sample)
        and not re.search(rb"[\x80-\xff]{3}", sample)
        and not re.search(rb"[\x81\x8d\x8f\x90\x9d]", sample)
    ):
        return "cp1252"
    best = from_bytes(sample).best()
    return best.encoding if best else "cp1252"


def decoded_lines(stream: IO[bytes], limit: int) -> Iterator[str]:
    """Yields the lines of a stream with their line ends, and closes it.

    A line that is not valid UTF-8 is decoded by itself.
    """
    with io.BufferedReader(cast(io.RawIOBase, stream), 65_536) as buffered:
        head = buffered.peek(65_536)
        encoding = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if head.startswith(mark)), "utf-8")
        wide = encoding in {"utf-16", "utf-32"}
        if not wide and b"\0" in head:
            raise BadInput("not text", "it holds binary data; expected one record a line")
        text = io.TextIOWrapper(buffered, encoding, errors="replace" if wide else "surrogateescape", newline="\n")
        while line := text.readline(limit + 1):
            if len(line) > limit:
                raise BadInput("too large", f"a line is longer than {limit:,} characters; expected one record a line")
            if not wide and re.search("[\udc80-\udcff]", line):
                line = decode(line.encode("utf-8", "surrogateescape"))
            yield line
