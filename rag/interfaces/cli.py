"""The command line: `dateline ask`, `search`, `articles`, `show`, `remove`, `doctor`, `rebuild`, `key`, `mcp`, and
the way to `ingest` and `serve`. Parses, calls one method, prints."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from typing import Any

from rag.errors import DatelineError, SettingsError
from rag.schema import Filters
from rag.settings import Settings

# `rag` imports neither the ingester nor the page; the command line hands over to them by name.
_ELSEWHERE = {"ingest": "ingest.cli", "serve": "app", "rebuild": "ingest.cli", "remove": "ingest.cli"}

DONE, NOTHING, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns 0 done, 1 nothing found or kept, 2 bad usage or settings."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        if args.command in _ELSEWHERE:
            module = importlib.import_module(_ELSEWHERE[args.command])
            return int(module.run(args))
        settings = Settings.load(data_dir=args.data_dir, llm=getattr(args, "llm", None))
        return int(_COMMANDS[args.command](args, settings))
    except DatelineError as error:
        return fail(error, as_json=args.json)
    except KeyboardInterrupt:
        sys.stderr.write("dateline: stopped. What was stored is kept.\n")
        return 130
    except BrokenPipeError:
        return DONE


def fail(error: DatelineError, *, as_json: bool) -> int:
    """One line on standard error (and as JSON on standard output when asked for); the exit code."""
    sys.stderr.write(f"dateline: {error}\n")
    if as_json:
        emit({"error": {"type": type(error).__name__, "message": str(error)}})
    return error.exit_code


def emit(data: Any) -> None:
    """Prints data as JSON."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def _say(text: str) -> None:
    sys.stdout.write(plain(text) + "\n")


def plain(text: str) -> str:
    """Without control characters: an article must not steer the reader's terminal."""
    return "".join(c for c in text if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160))


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data-dir", metavar="DIR", default=argparse.SUPPRESS, help="folder of the archive")
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser = argparse.ArgumentParser(
        prog="dateline", description="Answers questions from a news archive, with the very words behind every sentence."
    )
    parser.add_argument("--data-dir", metavar="DIR", default=None, help="folder of the archive (DATELINE_DATA_DIR)")
    parser.add_argument("--json", action="store_true", default=False, help="print JSON")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common])

    ask = add("ask", "answer a question with citations")
    ask.add_argument("question")
    ask.add_argument("--llm", metavar="MODEL", help="packaged, none, a GGUF file, or a model at DATELINE_LLM_URL")
    search = add("search", "find passages")
    search.add_argument("question", metavar="query")
    search.add_argument("--top-k", type=int, metavar="N", help="how many hits")
    listing = add("articles", "list the articles of the archive, newest first")
    listing.add_argument("text", nargs="?", default="", help="words in title, outlet or byline")
    listing.add_argument("--limit", type=int, default=50, metavar="N")
    for command in (ask, search, listing):
        _add_filters(command)
    show = add("show", "print an article")
    show.add_argument("id")
    show.add_argument("--version", type=int, metavar="N", help="an earlier version")
    remove = add("remove", "delete articles with all their versions")
    remove.add_argument("ids", nargs="+", metavar="ID")
    add("doctor", "check the catalogue and compare the indexes with it")
    rebuild = add("rebuild", "make the indexes anew from the catalogue")
    rebuild.add_argument("--embed", action="store_true", help="cut and embed all articles again, too")
    _add_ingest(add("ingest", "read articles from files and folders"))
    serve = add("serve", "open the page")
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (default 7860)")
    serve.add_argument("--llm", metavar="MODEL", help="packaged, none, a GGUF file, or a model at DATELINE_LLM_URL")
    serve.add_argument("--open", action="store_true", help="open the page in the browser")
    serve.add_argument("--no-page", action="store_true", help="the HTTP API alone")
    serve.add_argument("--without-keys", action="store_true", help="let others in without a key (with --host)")
    agents = add("mcp", "serve an MCP client over standard input and output")
    agents.add_argument("--llm", metavar="MODEL", help="packaged, none, a GGUF file, or a model at DATELINE_LLM_URL")
    _add_keys(add("key", "make, list and revoke API keys; the server asks for one once there is one"), common)
    return parser


def _add_keys(command: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key; its secret is shown once", parents=[common])
    create.add_argument("name")
    create.add_argument(
        "--scope", action="append", default=[], metavar="SCOPE", help="read (default) or ingest; give it twice for both"
    )
    actions.add_parser("list", help="the keys and what they may do", parents=[common])
    revoke = actions.add_parser("revoke", help="take a key back", parents=[common])
    revoke.add_argument("name", metavar="NAME-OR-ID")


def _add_filters(command: argparse.ArgumentParser) -> None:
    command.add_argument("--since", type=_day, metavar="DAY", help="published on this day or later (2025-03-01)")
    command.add_argument("--until", type=_day, metavar="DAY", help="published on this day or earlier")
    command.add_argument("--outlet", action="append", default=[], metavar="NAME")
    command.add_argument("--language", action="append", default=[], metavar="CODE", help="en, es, …")
    command.add_argument("--author", action="append", default=[], metavar="NAME")


def _add_ingest(command: argparse.ArgumentParser) -> None:
    command.add_argument("paths", nargs="+", metavar="PATH")
    command.add_argument("--published", type=_day, metavar="DAY", help="for texts that do not say when")
    command.add_argument("--outlet", default="", metavar="NAME", help="for texts that do not say which")
    command.add_argument("--language", default="", metavar="CODE", help="instead of identifying it")
    command.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", help="field names of JSON and CSV: title=headline"
    )
    command.add_argument("--max-mb", type=float, metavar="N", help="largest file (default 50)")


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{value}' is no day; expected one such as 2025-03-01") from None


def filters_of(args: argparse.Namespace) -> Filters:
    """The filters that the options name."""
    return Filters(
        since=args.since,
        until=args.until,
        outlets=tuple(args.outlet),
        languages=tuple(args.language),
        authors=tuple(args.author),
    )


def _ask(args: argparse.Namespace, settings: Settings) -> int:
    from rag.assistant import Assistant
    from rag.interfaces.json import answer_data, answer_text

    with Assistant.open(settings=settings) as assistant:
        answer = assistant.ask(args.question, filters_of(args))
    if args.json:
        emit(answer_data(answer))
    else:
        _say(answer_text(answer))
    return DONE if answer.answered else NOTHING


def _search(args: argparse.Namespace, settings: Settings) -> int:
    from rag.assistant import Assistant
    from rag.interfaces.json import byline, hit_data

    if args.top_k is not None and not 1 <= args.top_k <= 1000:
        raise SettingsError(f"--top-k is {args.top_k}; expected 1 to 1000.")
    with Assistant.open(settings=settings, with_llm=False) as assistant:
        hits = assistant.search(args.question, filters_of(args), top_k=args.top_k)
    if args.json:
        emit({"query": args.question, "hits": [hit_data(hit) for hit in hits]})
    else:
        for hit in hits:
            article = hit.passage.article
            also = f" (also in {', '.join(a.outlet or a.id for a in hit.copies)})" if hit.copies else ""
            _say(f"{hit.score:.3f}  {article.title} — {byline(article)}{also}\n       {hit.passage.text[:160]}…")
    return DONE if hits else NOTHING


def _articles(args: argparse.Namespace, settings: Settings) -> int:
    from rag.archive.archive import Archive
    from rag.interfaces.json import article_data, byline

    with closing(Archive(settings)) as archive:
        found = archive.catalog.articles(filters_of(args), text=args.text, limit=args.limit)
    if args.json:
        emit({"articles": [article_data(article) for article in found]})
    else:
        for article in found:
            _say(f"{article.id:52}  {byline(article):44}  {article.title}")
    if not found:
        sys.stderr.write("dateline: no article matches. Add some with: dateline ingest FILE-OR-FOLDER\n")
    return DONE if found else NOTHING


def _show(args: argparse.Namespace, settings: Settings) -> int:
    from rag.archive.archive import Archive
    from rag.interfaces.json import article_data, byline

    with closing(Archive(settings)) as archive:
        article = archive.catalog.article(args.id, args.version)
    if article is None:
        version = f" version {args.version}" if args.version else ""
        sys.stderr.write(f"dateline: there is no article '{args.id}'{version}. List them with: dateline articles\n")
        return NOTHING
    if args.json:
        emit(article_data(article, with_text=True))
    else:
        state = "" if article.status == "live" else f"  [{article.status}]"
        _say(f"{article.title}{state}\n{byline(article)}\n{article.url}\n\n{article.text}")
    return DONE


def _doctor(args: argparse.Namespace, settings: Settings) -> int:
    from dataclasses import asdict

    from rag.archive.archive import Archive

    with closing(Archive(settings)) as archive:
        health = archive.health()
    if args.json:
        emit(asdict(health) | {"sound": health.sound})
    else:
        for problem in health.catalogue:
            _say(f"Damaged: {problem}")
        if health.catalogue:
            _say(
                f"The catalogue {settings.data_dir / 'catalogue.sqlite'} is not what was written. Put a backup of it "
                "in its place; the indexes will follow it. They were neither compared nor changed."
            )
        else:
            _say(
                f"{health.passages:,} passages in the catalogue. Vectors: {health.vectors_missing} missing, "
                f"{health.vectors_extra} too many. Words: {health.words_missing} missing, "
                f"{health.words_extra} too many."
            )
            _say("Sound." if health.sound else "Mend it: dateline rebuild")
    return DONE if health.sound else NOTHING


def _key(args: argparse.Namespace, settings: Settings) -> int:
    from rag.serving.api_keys import Keys

    keys = Keys(settings.data_dir.expanduser().absolute())
    if args.action == "create":
        key, secret = keys.create(args.name, args.scope or ["read"])
        if args.json:
            emit({"id": key.id, "name": key.name, "scopes": list(key.scopes), "key": secret})
        else:
            _say(f"{secret}\nThis is shown once. It may: {', '.join(key.scopes)}.")
        return DONE
    if args.action == "revoke":
        gone = keys.revoke(args.name)
        if not gone:
            sys.stderr.write(f"dateline: there is no key '{args.name}'. List them with: dateline key list\n")
        return DONE if gone else NOTHING
    found = [{"id": k.id, "name": k.name, "scopes": list(k.scopes), "created": k.created} for k in keys.all()]
    if args.json:
        emit({"keys": found})
    for key in [] if args.json else keys.all():
        _say(f"{key.id}  {key.created}  {'+'.join(key.scopes):12}  {key.name}")
    return DONE


def _mcp(args: argparse.Namespace, settings: Settings) -> int:
    from rag.interfaces.mcp import run

    return run(settings)


_COMMANDS = {
    "ask": _ask, "search": _search, "articles": _articles, "show": _show, "doctor": _doctor, "key": _key, "mcp": _mcp,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
