"""`python -m eval report OUT…`: one self-contained HTML page with tables, plots and the misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from eval.datasets.beir import load as load_data
from eval.reporting import outcome, plots
from eval.reporting.compare import json_lines
from rag.errors import SettingsError

MISSES_SHOWN = 30

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
th,td{border-bottom:1px solid #d7dce1;padding:.3rem .7rem;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left} .i{color:#5b6570;font-size:85%} .best{font-weight:700}
details{border-left:3px solid #d7dce1;padding:.2rem .8rem;margin:.6rem 0} summary{cursor:pointer}
svg{max-width:100%;height:auto} .bad{color:#a3211b} code{font-size:90%} h2{margin-top:2.5rem}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e4e7ea} th,td,details{border-color:#3a4047}
.i{color:#9aa4ae} .bad{color:#ff8a80}}
"""


def write(folders: Sequence[Path], page: Path) -> None:
    """Writes the page. Raises SettingsError when a folder holds no result."""
    found = [(folder, outcome.load(folder)) for folder in folders]
    if not found:
        raise SettingsError("There is nothing to report. Name one or more folders given as --out.")
    sections = "".join(_section(folder, result) for folder, result in found)
    contents = "".join(f"<li><a href='#{number}'>{_title(result)}</a></li>" for number, (_, result) in enumerate(found))
    for number in range(len(found)):
        sections = sections.replace("<h2>", f"<h2 id='{number}'>", 1)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Dateline evaluation</title><style>{_STYLE}</style><h1>Dateline evaluation</h1><ul>{contents}</ul>"
        f"{sections}</html>\n",
        encoding="utf-8",
    )


def _title(result: Mapping[str, Any]) -> str:
    return escape(f"{result['command']}: {result['data'].get('name', '')}")


def _section(folder: Path, result: Mapping[str, Any]) -> str:
    parts = [f"<h2>{_title(result)}</h2>", _origin(result), table(result["rows"]), _problems(result)]
    parts += _plots(result)
    parts.append(_misses(folder, result))
    return "".join(part for part in parts if part)


def _origin(result: Mapping[str, Any]) -> str:
    data, machine = result["data"], result.get("machine", {})
    said = {
        "data": f"{data.get('name', '')} {data.get('split', '')} {data.get('digest', '')}",
        "model": result.get("model", ""),
        "judge": result.get("judge", ""),
        "commit": str(result.get("commit", ""))[:12],
        "code": result.get("code", ""),
        "machine": f"{machine.get('cpu', '')}, {machine.get('cores', '')} cores",
        "seed": result.get("seed", ""),
        "date": result.get("date", ""),
        "left out": result.get("left_out", 0),
    }
    lines = " · ".join(f"{key} <code>{escape(str(value))}</code>" for key, value in said.items() if value != "")
    settings = " · ".join(f"{escape(k)}={escape(str(v))}" for k, v in result.get("settings", {}).items() if v != "")
    versions = " · ".join(f"{escape(k)} {escape(str(v))}" for k, v in result.get("versions", {}).items())
    return (
        f"<p class=i>{lines}</p><details class=i><summary>settings, versions</summary>{settings}<p>{versions}</details>"
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Measures down, systems across; n, value and 95% interval; the best of a line bold."""
    systems = list(dict.fromkeys(r["system"] for r in rows))
    head = "".join(f"<th>{escape(s)}</th>" for s in systems)
    lines = []
    for measure in dict.fromkeys(r["measure"] for r in rows):
        here = {r["system"]: r for r in rows if r["measure"] == measure}
        values = [r["value"] for r in here.values() if r["value"] is not None]
        best = max(values) if len(values) > 1 else None
        cells = "".join(_cell(here.get(system), best) for system in systems)
        n = max((r["n"] for r in here.values()), default=0)
        lines.append(f"<tr><td>{escape(measure)}</td><td>{n}</td>{cells}</tr>")
    return f"<table><tr><th>measure</th><th>n</th>{head}</tr>{''.join(lines)}</table>"


def _cell(found: Mapping[str, Any] | None, best: float | None) -> str:
    if not found or found["value"] is None:
        return "<td>–</td>"
    mark = " class=best" if best is not None and found["value"] == best else ""
    return (
        f"<td><span{mark}>{found['value']:.3f}</span> <span class=i>{found['low']:.3f}–{found['high']:.3f}</span></td>"
    )


def _problems(result: Mapping[str, Any]) -> str:
    said = [*result["data"].get("problems", ())]
    said += [f"{s}: {q} crashed: {e}" for s, found in (result.get("crashed") or {}).items() for q, e in found.items()]
    if not said:
        return ""
    return f"<details><summary class=bad>{len(said)} problems</summary>{'<br>'.join(map(escape, said))}</details>"


def _plots(result: Mapping[str, Any]) -> list[str]:
    """The plots that this result has figures for."""
    found = []
    if result.get("by_kind"):
        bars = [(kind, one["right"], f"n={one['n']}") for kind, one in result["by_kind"].items()]
        found.append(plots.bars("Right, by kind of question", bars))
    if result.get("reliability"):
        points = [(one["claimed"], one["right"], one["n"]) for one in result["reliability"]]
        found.append(plots.reliability("Support claimed against answers that are right", points))
    if result.get("latencies_ms"):
        found.append(plots.distribution("Milliseconds, share of questions answered by then", result["latencies_ms"]))
    if result.get("growth"):
        found.append(plots.growth("Growth with the archive", result["growth"]))
    if result["command"] == "retrieval":
        names = [r for r in result["rows"] if r["measure"] == "nDCG@10" and r["value"] is not None]
        found.append(plots.bars("nDCG@10", [(r["system"], r["value"], f"n={r['n']}") for r in names]))
    return found


def _misses(folder: Path, result: Mapping[str, Any]) -> str:
    if not folder.is_dir():
        return ""
    if (folder / "predictions.jsonl").exists():
        rows = [r for r in json_lines(folder / "predictions.jsonl") if isinstance(r, dict) and r.get("right") == 0]
        shown = "".join(_answer(row) for row in rows[:MISSES_SHOWN])
        return f"<h3>Misses: {len(rows)}</h3>{shown}" if rows else ""
    if result["command"] == "retrieval":
        return _unfound(folder, result)
    return ""


def _answer(row: Mapping[str, Any]) -> str:
    """A wrong answer beside what was expected, with the words it rests on."""
    answer = row.get("answer") or {}
    cited = "".join(
        f"<li>[{c['number']}] {escape(str(c.get('title', '')))}: “{escape(c['quote'])}”</li>"
        for c in answer.get("citations", ())
    )
    return (
        f"<details><summary>{escape(row['question'])}</summary><p>{escape(str(answer.get('text') or row.get('error')))}"
        f"<p class=i>expected: {escape(' / '.join(row.get('answers', ())) or 'a refusal')}; "
        f"articles: {escape(', '.join(row.get('articles', ())))}<ul>{cited}</ul></details>"
    )


def _unfound(folder: Path, result: Mapping[str, Any]) -> str:
    """The questions whose first ten articles hold no relevant one, for the first system of the run."""
    system = result["systems"][0]
    missed = [q for q, value in outcome.load_per_query(folder)[system]["Success@10"].items() if not value]
    if not missed:
        return ""
    lists = {row[0]: row[1][:5] for row in json_lines(folder / f"ranked_{system}.jsonl") if isinstance(row, list)}
    try:
        data = load_data(Path(str(result["data"].get("folder", ""))), result["data"]["split"])
    except SettingsError:  # the data set is not on this machine: the ids must do
        data = None
    shown = []
    for query in missed[:MISSES_SHOWN]:
        text = data.queries[query].text if data and query in data.queries else query
        wanted = ", ".join(data.qrels.get(query, ())) if data else ""
        texts = {a: data.corpus[a].text[:150] if data and a in data.corpus else "" for a, _ in lists.get(query, ())}
        found = "".join(f"<li>{escape(article)}: {escape(start)}</li>" for article, start in texts.items())
        shown.append(f"<details><summary>{escape(text)}</summary>expected: {escape(wanted)}<ol>{found}</ol></details>")
    return f"<h3>Misses of {escape(system)}: {len(missed)}</h3>{''.join(shown)}"
