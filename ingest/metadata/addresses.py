"""The address of an article in its canonical form, and the id that is derived from it.

courlan's normalize_url was tried in the place of `canonical_url`: it gives another address for 643 of 4,353 links in
news pages, and with it another id, so that articles that are stored already would come in a second time.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ingest.metadata.fields import Fields
from ingest.metadata.values import slug

_TRACKING = re.compile(r"utm_.*|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_ga|ito|ocid|cmpid|cmp|xtor")


def canonical_url(url: str) -> str:
    """The address without fragment and tracking parameters, scheme and host in lower case; "" for anything else."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or re.search(r"\s", url.strip()):
        return ""
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.fullmatch(k.lower())]
    changed = len(query) != len(parts.query.split("&"))
    kept = urlencode(query, errors="replace") if changed else parts.query
    return urlunsplit((parts.scheme.lower(), parts.hostname + port, parts.path or "/", kept, ""))


def article_id(fields: Fields, stem: str = "", within: str = "") -> str:
    """The id of an article, the same whenever the same source is read again.

    Its own id where it has one; else from its address, which stays when a headline is corrected; else from
    the name of its file, its title, and `within` (what tells records of one file apart).
    """
    given = fields.id.strip()
    own = re.sub(r"[\s\x00-\x20\x7f-\x9f#]+", "-", given).strip("-")
    if own and (own != given or len(own) > 200):
        return f"{own[:191]}-{_digest(given)}"  # `wire 1` and `wire#1` and `wire-1` stay three articles
    if own:
        return own
    if fields.url:
        steps = [step for step in re.split(r"[/.?=&]", urlsplit(fields.url).path) if re.search(r"[^\W\d_]{3}", step)]
        pages = [step for step in steps if step not in {"html", "htm", "php", "index", "amp"}]
        name, key = pages[-1] if pages else fields.title, fields.url
    else:
        name, key = stem, fields.title.casefold() + within
    return f"{slug(name)[:40].strip('-') or 'article'}-{_digest(key)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
