"""The command line: runs a list of commands, and declares those that ask, search and look after an archive.

A command parses, calls one method and prints. `app.main` adds the commands of `ingest` and `serve`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, get_args

from rag.errors import DatelineError, SettingsError
from rag.interfaces.installation.commands import COMMANDS as INSTALLATION
from rag.interfaces.moving import COMMANDS as MOVING
from rag.schema import QuestionKind
from rag.terminal import DONE, NOTHING, Command, add_common_options, day, fail, print_json, print_note, print_text

if TYPE_CHECKING:
    from rag.archive.archive import Archive
    from rag.schema import Filters
    from rag.serving.api_keys import Keys
    from rag.settings import Settings

INTERRUPTED = 130  # the shell's exit code for Ctrl-C
LLM_HELP = "packaged, none, a GGUF file, or a model at DATELINE_LLM_URL"


def main(argv: Sequence[str] | None, commands: Sequence[Command]) -> int:
    """Runs the command that the arguments name. Returns its exit code; 2 for wrong usage or settings."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    args = _parser(commands).parse_args(argv)
    try:
        return {command.name: command for command in commands}[args.command].run(args)
    except DatelineError as error:
        return fail(error, as_json=args.json)
    except KeyboardInterrupt:
        print_note("dateline: stopped. What was stored is kept.")
        return INTERRUPTED
    except BrokenPipeError:
        return DONE


def _parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dateline", description="Answers questions from a news archive, with the very words behind every sentence."
    )
    parser.add_argument("--data-dir", metavar="DIR", default=None, help="folder of the archive (DATELINE_DATA_DIR)")
    parser.add_argument("--archive", metavar="NAME", default=None, help="one of several in it (DATELINE_ARCHIVE)")
    parser.add_argument("--json", action="store_true", default=False, help="print JSON")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        add_common_options(subparser)
        command.add_arguments(subparser)
    return parser


def _settings(args: argparse.Namespace) -> Settings:
    from rag.settings import Settings

    return Settings.load(data_dir=args.data_dir, archive=args.archive, llm=getattr(args, "llm", None))


def _existing(args: argparse.Namespace) -> Settings:
    """The settings of a command that makes no archive. Raises ArchiveAbsent, ArchiveMissing, StorageError."""
    from rag.archive.installation import existing

    return existing(_settings(args))


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=day, metavar="DAY", help="published on this day or later (2025-03-01)")
    parser.add_argument("--until", type=day, metavar="DAY", help="published on this day or earlier")
    parser.add_argument("--outlet", action="append", default=[], metavar="NAME", help="its whole name; repeatable")
    parser.add_argument("--language", action="append", default=[], metavar="CODE", help="en, es, …; repeatable")
    parser.add_argument("--author", action="append", default=[], metavar="NAME", help="part of the byline; repeatable")


def _add_today(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--today", type=day, metavar="DAY", help='the day from which "last week" is seen')


def _filters(args: argparse.Namespace) -> Filters:
    from rag.interfaces.filters import filters_from

    return filters_from(
        since=args.since and args.since.isoformat(),
        until=args.until and args.until.isoformat(),
        outlets=args.outlet,
        languages=args.language,
        authors=args.author,
    )


# --- ask and search ----------------------------------------------------------------------------------------


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question")
    parser.add_argument("--llm", metavar="MODEL", help=LLM_HELP)
    parser.add_argument(
        "--kind", choices=get_args(QuestionKind), help="the form of the answer, fact for a plain one (else: as asked)"
    )
    _add_today(parser)
    _add_filters(parser)


def _ask(args: argparse.Namespace) -> int:
    from rag.language.identify import load_identifier_in_background

    load_identifier_in_background()  # before the imports, which take as long

    from rag.assistant import Assistant
    from rag.interfaces.json import answer_data
    from rag.interfaces.text import answer_text

    with Assistant.open(settings=_existing(args), asks_once=True) as assistant:
        answer = assistant.ask(args.question, _filters(args), today=args.today, kind=args.kind)
    if args.json:
        print_json(answer_data(answer))
    else:
        print_text(answer_text(answer))
    return DONE if answer.answered else NOTHING


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", metavar="query")
    parser.add_argument("--top-k", type=int, metavar="N", help="how many hits")
    _add_today(parser)
    _add_filters(parser)


def _search(args: argparse.Namespace) -> int:
    from rag.assistant import Assistant
    from rag.interfaces.json import search_data
    from rag.interfaces.text import hit_line

    if args.top_k is not None and not 1 <= args.top_k <= 1000:
        raise SettingsError(f"--top-k is {args.top_k}; expected 1 to 1000.")
    with Assistant.open(settings=_existing(args), with_llm=False, asks_once=True) as assistant:
        hits = assistant.search(args.question, filters := _filters(args), today=args.today, top_k=args.top_k)
        note = "" if hits else assistant.nothing_found(filters)
    if args.json:
        print_json(search_data(args.question, hits, note))
    else:
        for hit in hits:
            print_text(hit_line(hit))
        if note:
            print_note(note)
    return DONE if hits else NOTHING


# --- the archive -------------------------------------------------------------------------------------------


def _add_articles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", default="", help="words in title, outlet or byline")
    parser.add_argument("--limit", type=int, default=50, metavar="N")
    _add_filters(parser)


def _articles(args: argparse.Namespace) -> int:
    from rag.answering.retrieval.filter_names import unknown_names
    from rag.archive.archive import Archive
    from rag.interfaces.json import article_data
    from rag.interfaces.text import byline

    with closing(Archive(_existing(args))) as archive:
        found = archive.catalog.articles(_filters(args), text=args.text, limit=args.limit)
        unknown = "" if found else unknown_names(archive.catalog, _filters(args))
    if args.json:
        print_json({"articles": [article_data(article) for article in found]})
    else:
        for article in found:
            print_text(f"{article.id:52}  {byline(article):44}  {article.title}")
    if not found:
        texts = "Only titles, outlets and bylines are compared; find words in the texts with: dateline search"
        more = texts if args.text else "Add some with: dateline ingest FILE-OR-FOLDER"
        print_note(f"dateline: no article matches. {unknown or more}")
    return DONE if found else NOTHING


def _add_stories(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="show the articles of this story, by day")
    parser.add_argument("--limit", type=int, default=50, metavar="N")
    _add_filters(parser)


def _stories(args: argparse.Namespace) -> int:
    from rag.archive.archive import Archive

    if not 1 <= args.limit <= 100_000:
        raise SettingsError(f"--limit is {args.limit}; expected 1 to 100000.")
    with closing(Archive(_existing(args), asks_once=True)) as archive:
        archive.wait_until_threaded()
        return _list_stories(args, archive) if args.id is None else _show_story(args, archive)


def _list_stories(args: argparse.Namespace, archive: Archive) -> int:
    from rag.interfaces.story_json import stories_data
    from rag.interfaces.text import story_line

    filters = _filters(args)
    found = archive.catalog.stories(filters, limit=args.limit)
    if args.json:
        print_json(stories_data(found, archive.catalog.count_stories(filters)))
    else:
        for story in found:
            print_text(f"{story.id}  {story_line(story)}")
    if not found:
        print_note("dateline: no story was found: two articles or more on one event make one.")
    return DONE if found else NOTHING


def _show_story(args: argparse.Namespace, archive: Archive) -> int:
    from rag.interfaces.story_json import full_story_data
    from rag.interfaces.text import story_text

    story = archive.catalog.story(args.id)
    if story is None:
        print_note(f"dateline: there is no story '{args.id}'. List them with: dateline stories")
        return NOTHING
    articles = archive.catalog.story_articles(story.id, limit=args.limit)
    if args.json:
        print_json(full_story_data(story, articles))
    else:
        print_text(story_text(story, articles))
    return DONE


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id")
    parser.add_argument("--version", type=int, metavar="N", help="an earlier version")


def _show(args: argparse.Namespace) -> int:
    from rag.archive.archive import Archive
    from rag.interfaces.json import full_article_data
    from rag.interfaces.text import byline

    with closing(Archive(_existing(args))) as archive:
        article = archive.catalog.article(args.id, args.version)
    if article is None:
        version = f" version {args.version}" if args.version else ""
        print_note(f"dateline: there is no article '{args.id}'{version}. List them with: dateline articles")
        return NOTHING
    if args.json:
        print_json(full_article_data(article))
    else:
        state = "" if article.status == "live" else f"  [{article.status}]"
        print_text(f"{article.title}{state}\n{byline(article)}\n{article.url}\n\n{article.text}")
    return DONE


# --- keys and agents ---------------------------------------------------------------------------------------


def _add_key(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key; its secret is shown once")
    create.add_argument("name")
    create.add_argument(
        "--scope", action="append", default=[], metavar="SCOPE", help="read (default) or ingest; give it twice for both"
    )
    listing = actions.add_parser("list", help="the keys and what they may do")
    revoke = actions.add_parser("revoke", help="take a key back")
    revoke.add_argument("name", metavar="NAME-OR-ID")
    for action in (create, listing, revoke):
        add_common_options(action)


def _key(args: argparse.Namespace) -> int:
    from rag.serving.shared_keys import opened_keys

    with opened_keys(_settings(args), may_be_new=args.action == "create") as keys:
        return {"create": _create_key, "revoke": _revoke_key, "list": _list_keys}[args.action](args, keys)


def _create_key(args: argparse.Namespace, keys: Keys) -> int:
    key, secret = keys.create(args.name, args.scope or ["read"])
    if args.json:
        print_json({"id": key.id, "name": key.name, "scopes": list(key.scopes), "key": secret})
    else:
        print_text(f"{secret}\nThis is shown once. It may: {', '.join(key.scopes)}.")
    return DONE


def _revoke_key(args: argparse.Namespace, keys: Keys) -> int:
    gone = keys.revoke(args.name)
    if not gone:
        print_note(f"dateline: there is no key '{args.name}'. List them with: dateline key list")
    elif not keys.all():
        print_note(f"dateline: no key is left, so nobody is let in. To ask for none again, {keys.way_back}")
    return DONE if gone else NOTHING


def _list_keys(args: argparse.Namespace, keys: Keys) -> int:
    if args.json:
        fields = ("id", "name", "scopes", "created")
        print_json({"keys": [{field: getattr(key, field) for field in fields} for key in keys.all()]})
    else:
        for key in keys.all():
            print_text(f"{key.id}  {key.created}  {'+'.join(key.scopes):12}  {key.name}")
    return DONE


def _add_mcp(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--llm", metavar="MODEL", help=LLM_HELP)


def _mcp(args: argparse.Namespace) -> int:
    from rag.interfaces.mcp import run

    return run(_existing(args))


COMMANDS = (
    Command(name="ask", help="answer a question with citations", run=_ask, add_arguments=_add_ask),
    Command(name="search", help="find passages", run=_search, add_arguments=_add_search),
    Command(
        name="articles",
        help="list the articles of the archive, newest first",
        run=_articles,
        add_arguments=_add_articles,
    ),
    Command(
        name="stories",
        help="list the stories of the archive, newest first, or the articles of one",
        run=_stories,
        add_arguments=_add_stories,
    ),
    Command(name="show", help="print an article", run=_show, add_arguments=_add_show),
    *INSTALLATION,
    *MOVING,
    Command(
        name="key",
        help="make, list and revoke API keys; the server asks for one once there is one",
        run=_key,
        add_arguments=_add_key,
    ),
    Command(name="mcp", help="serve an MCP client over standard input and output", run=_mcp, add_arguments=_add_mcp),
)
