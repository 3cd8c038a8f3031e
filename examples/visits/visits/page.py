"""The page: what came in last, and from which countries. Plain HTML, drawn here; everything from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template

from .store import CountryCount, Summary, Visit

BARS = 18  # as tall, with the two rows below them, as the latest visits beside them

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Visits</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/page.css">
<script src="/static/page.js" defer></script>
</head>
<body>
<header>
<h1><img src="/static/icon.svg" alt="" width="36" height="36">Visits</h1>
<button id="updates" type="button" aria-pressed="false" hidden>Pause updates</button>
</header>
<main id="live">
<dl class="tiles" aria-label="Totals">
$tiles
</dl>
<div class="columns">
<section aria-labelledby="countries">
<h2 id="countries">By country</h2>
$chart
</section>
<section aria-labelledby="latest">
<h2 id="latest">Latest visits <small>times in UTC</small></h2>
$table
</section>
</div>
</main>
<footer>
<p>The same as data:
<a href="/api/visits">visits</a>
<a href="/api/countries">countries</a>
<a href="/api/summary">summary</a>
<a href="/health">health</a></p>
</footer>
</body>
</html>
""")


def render(summary: Summary, latest: Sequence[Visit], countries: Sequence[CountryCount]) -> str:
    """Draw the whole page.

    Parameters:
        summary: the totals.
        latest: the newest visits, newest first.
        countries: processed visits by country, most first.

    Returns:
        a complete HTML document.
    """
    return _PAGE.substitute(tiles=_tiles(summary), chart=_chart(countries), table=_table(latest))


def _tiles(summary: Summary) -> str:
    again = summary.processed_more_than_once
    processed = summary.processed_once + again
    note = f"{again:,} more than once" if again else "each exactly once"
    return "\n".join(
        [
            _tile("Stored", summary.stored, "answered and kept"),
            _tile("Processed", processed, note, "alarm" if again else "", processed / max(summary.stored, 1)),
            _tile("Waiting", summary.waiting, "for the worker" if summary.waiting else "the worker is done"),
            _tile("Countries", summary.countries, "looked up offline"),
        ]
    )


def _tile(name: str, number: int, note: str, kind: str = "", share: float | None = None) -> str:
    bar = "" if share is None else _bar(share, 4)
    return f'<div class="tile {kind}"><dt>{name}</dt><dd>{number:,}<small>{note}</small>{bar}</dd></div>'


def _chart(countries: Sequence[CountryCount]) -> str:
    if not countries:
        return '<p class="empty">Nothing yet. A country appears here as soon as the worker has processed a visit.</p>'
    total = sum(count.visits for count in countries)
    longest = max(count.visits for count in countries)
    places = [count for count in countries if count.country_code]
    # A last bar for many countries together would dwarf the others, so they get a number only.
    shown, rest = (places, []) if len(places) <= BARS + 1 else (places[:BARS], places[BARS:])
    rows = [_chart_row(count.country_code, count.country, count.visits, total, longest) for count in shown]
    if rest:
        rows.append(_chart_row(None, f"{len(rest)} more countries", sum(count.visits for count in rest), total, None))
    rows += [
        _chart_row(None, count.country, count.visits, total, longest) for count in countries if not count.country_code
    ]
    return (
        '<table class="chart"><caption class="hidden">Processed visits by country, most first</caption>'
        '<thead class="hidden"><tr><th scope="col">Country</th><td></td><th scope="col">Visits</th>'
        '<th scope="col">Share</th></tr></thead>\n<tbody>\n' + "\n".join(rows) + "\n</tbody></table>"
    )


def _chart_row(code: str | None, name: str, visits: int, total: int, longest: int | None) -> str:
    bar = "" if longest is None else _bar(visits / longest, 12)
    return (
        f'<tr class="{"" if code else "other"}"><th scope="row">{_code(code)}{escape(name)}</th>'
        f'<td class="bar" aria-hidden="true">{bar}</td>'
        f'<td class="number">{visits:,}</td><td class="number share">{100 * visits / total:.1f} %</td></tr>'
    )


def _bar(share: float, height: int) -> str:
    both = f'height="{height}" rx="{height / 3:.1f}"'
    return (
        f'<svg width="100%" height="{height}" aria-hidden="true" focusable="false">'
        f'<rect class="track" width="100%" {both}/><rect width="{100 * share:.2f}%" {both}/></svg>'
    )


def _table(latest: Sequence[Visit]) -> str:
    if not latest:
        command = """curl -d '{"path": "/", "ip": "9.9.9.9"}' http://.../visits"""
        return f'<p class="empty">No visits yet. Send one with<br><code>{escape(command)}</code></p>'
    rows = "\n".join(_row(visit) for visit in latest)
    return (
        '<div class="scroll" role="region" aria-labelledby="latest" tabindex="0"><table class="visits"><thead><tr>'
        '<th scope="col">Time</th><th scope="col">Path</th><th scope="col" class="country">Country</th>'
        f'<th scope="col" class="address">Address</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _row(visit: Visit) -> str:
    path, ip = escape(visit.path), escape(visit.ip)
    country = '<i class="waiting">waiting</i>' if visit.country is None else escape(visit.country)
    return (
        f'<tr><td class="time"><time datetime="{visit.seen_at:%Y-%m-%dT%H:%M:%SZ}" title="{visit.seen_at:%Y-%m-%d}">'
        f"{visit.seen_at:%H:%M:%S}</time></td>"
        f'<td class="path" title="{path}">{path}</td>'
        f'<td class="country">{_code(visit.country_code)}<span>{country}</span></td>'
        f'<td class="address" title="{ip}">{ip}</td></tr>'
    )


def _code(code: str | None) -> str:
    return f'<abbr aria-hidden="true">{escape(code or "-")}</abbr>'
