"""The report of a run as one page: it needs nothing from elsewhere, and is read on paper too."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from rowferry.cli import charts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from rowferry.cli.history import History
    from rowferry.records import Report

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --rule: #d1d9e0;
        --paper: #ffffff; --one: #0b62c4; --two: #b3501b; --bad: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --dim: #9198a1; --rule: #343b44; --paper: #0d1117;
          --one: #58a6ff; --two: #f0964b; --bad: #ff7b72; } }
@media print {
  :root { --ink: #000; --dim: #444; --rule: #bbb; --paper: #fff; --one: #0b62c4; --two: #b3501b; }
  section { break-inside: avoid; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem; max-width: 48rem; background: var(--paper);
       color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
p { margin: .2rem 0; } .dim, .none { color: var(--dim); } .bad { color: var(--bad); }
article + article { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: 2rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .75rem;
     margin: 1.5rem 0 0; }
dl div { border-left: 3px solid var(--rule); padding-left: .6rem; }
dt { color: var(--dim); font-size: .85rem; } dd { margin: 0; font-size: 1.15rem;
     font-variant-numeric: tabular-nums; }
svg { width: 100%; height: auto; display: block; }
svg line { stroke: var(--rule); stroke-width: 1; }
svg text { fill: var(--dim); font-size: 11px; } .end { text-anchor: end; }
.middle { text-anchor: middle; } .start { text-anchor: start; }
svg polyline { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
svg .line0 { stroke: var(--one); stroke-width: 1.75; }
svg .line1 { stroke: var(--two); stroke-width: 1.75; stroke-dasharray: 5 3; }
svg .dot { fill: currentColor; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 400; padding: .15rem 1rem .15rem 0; white-space: nowrap; }
td { text-align: right; font-variant-numeric: tabular-nums; padding: .15rem 1rem .15rem 0; }
td.bar { width: 60%; padding-right: 0; }
td.bar div { height: .7rem; background: var(--one); border-radius: 2px; min-width: 1px;
             print-color-adjust: exact; -webkit-print-color-adjust: exact; }
"""


class Ran(NamedTuple):
    """
    A job that was run.

    Attributes:
        goes_to: its API or database, for people.
        end: how it ended, in a few words.
        message: why it ended early; empty where it did not.
        report: None where it did not begin.
        reasons: dead letters by reason.
    """

    name: str
    goes_to: str
    end: str
    message: str
    report: Report | None
    history: History
    reasons: Mapping[str, int]


def page(runs: Sequence[Ran], began: dt.datetime, version: str) -> str:
    """Give the page of some jobs that were run at one time."""
    names = ", ".join(run.name for run in runs)
    articles = "".join(map(_article, runs))
    when = began.strftime("%Y-%m-%d %H:%M:%S %Z")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        '<link rel="icon" href="data:,">'
        f"<title>{escape(names)}: rowferry</title><style>{_STYLE}</style></head><body>"
        f'{articles}<p class="dim" style="margin-top:3rem">rowferry {version}, begun at {when}</p>'
        "</body></html>\n"
    )


def _article(run: Ran) -> str:
    history = run.history
    message = f'<p class="bad">{escape(run.message)}</p>' if run.message else ""
    sections = ""
    if history.events:
        sections = (
            _section("Rows a second", charts.lines("rows a second", {"rows/s": history.rates}))
            + _section("Requests in flight", charts.lines("in flight", {"": history.in_flight}))
            + _section("Latency, ms", charts.lines("latency in milliseconds", history.latencies))
            + _section("Sent again, so far", charts.lines("sent again", {"": history.retries}))
            + _section("Answers", charts.bars(_answers(run)))
        )
    return (
        f"<article><h1>{escape(run.name)}</h1><p>{escape(run.end)}</p>{message}"
        f'<p class="dim">{escape(run.goes_to)}</p>{_figures(run.report)}{sections}'
        f"{_section('Dead letters', charts.bars(run.reasons))}</article>"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _answers(run: Ran) -> dict[str, int]:
    """Give the answers by what they said."""
    last = run.history.events[-1]
    requests = run.report.requests if run.report else 0
    failed = {_status(status): count for status, count in last.answers.items()}
    return {"delivered": max(0, requests - sum(last.answers.values())), **failed}


def _status(status: int) -> str:
    return str(status) if status else "no complete answer"


def _figures(report: Report | None) -> str:
    if report is None:
        return ""
    figures = {
        "rows read": f"{report.read:,}",
        "delivered": f"{report.delivered:,}",
        "dead": f"{report.dead:,}",
        "pending": f"{report.pending:,}",
        "skipped": f"{report.skipped:,}",
        "sent again": f"{report.retries:,}",
        "maybe duplicated": f"{report.maybe_duplicated:,}",
        "time": charts.span(report.seconds),
        "rows a second": f"{report.rows_per_second:,.0f}",
    }
    items = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items()
    )
    return f"<dl>{items}</dl>"
