"""report.html: one self-contained page, no scripts, nothing loaded from anywhere."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from prima_jax.evaluation.captions import facts, method_name, title, warnings
from prima_jax.evaluation.curves import stage_name
from prima_jax.evaluation.tables import Table, build

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; }
body { max-width: 68rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #ddd; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .55rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 9rem; }
thead th { border-bottom: 2px solid #888; }
tr.own td { font-weight: 600; }
tr.published td { color: #555; background: #f6f6f6; }
tr.published.first td { border-top: 2px solid #888; }
.warning { background: #fff6e0; border-left: 4px solid #d99a00; padding: .5rem .8rem; margin: .4rem 0; }
.synthetic { background: #fde8e8; border-left: 4px solid #b00020; padding: .5rem .8rem; font-weight: 600; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
.pictures img { max-width: 100%; height: auto; flex: 0 1 auto; width: 31rem; }
.pictures.small img { width: 21rem; }
pre { font-size: .75rem; background: #f6f6f6; padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
p.note { font-size: .85rem; color: #444; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .scroll { overflow: visible; } table { font-size: 7pt; } th, td { padding: .12rem .25rem; }
  .pictures img { width: 48%; break-inside: avoid; } h2 { break-after: avoid; } pre { font-size: 6.5pt; }
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def page(
    results: Mapping[str, Any],
    *,
    losses: Mapping[str, bytes],
    confusions: Mapping[str, bytes],
    config: str,
) -> str:
    """The whole page: table, warnings, seconds, pictures (PNG bytes by stage and by method), versions, config text."""
    table = build(results)
    parts = [
        '<p class="synthetic">SYNTHETIC: drawn by a program. No figure here is about patients.</p>'
        if results["synthetic"]
        else "",
        _tables(table),
        *(f'<p class="note">{escape(sentence)}</p>' for sentence in facts(results)),
        "<h2>Read this first</h2>",
        *(f'<p class="warning">{escape(sentence)}</p>' for sentence in warnings(results)),
        "<h2>Training</h2>",
        _seconds(results),
        _pictures({stage: (f"Loss of {stage} over the steps, one line per fold", p) for stage, p in losses.items()}),
        "<h2>Confusion matrices, all folds together</h2>",
        _pictures(
            {m: (f"Confusion matrix of {method_name(m, results)}", picture) for m, picture in confusions.items()},
            "pictures small",
        ),
        "<h2>Versions</h2>",
        _pairs(sorted(results.get("versions", {}).items())),
        "<h2>Config</h2>",
        f'<p class="note">Hash of what bears on the results: {escape(str(results.get("config_hash", "unknown")))}.</p>',
        f"<pre>{escape(config)}</pre>" if config else "",
    ]
    return _PAGE.format(title=escape(title(results)), style=_STYLE, body="\n".join(part for part in parts if part))


def _tables(table: Table) -> str:
    own = [("own" if row[0] == method_name("prima", {}) else "", row) for row in table.rows]
    published = [("published first" if n == 0 else "published", row) for n, row in enumerate(table.published)]
    if not published:
        return _table(table.headings, own)
    said = "".join(f'<p class="note">{escape(note)}</p>' for note in table.published_notes)
    return _table(table.headings, own + published) + said


def _table(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headings)
    body = "\n".join(f'<tr class="{kind}">' + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for kind, row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _seconds(results: Mapping[str, Any]) -> str:
    seconds = results.get("seconds", {})
    pairs = [(stage_name(stage), f"{value:,.1f} s") for stage, value in seconds.items()]
    if "peak_memory_bytes" in results:
        pairs.append(("Peak memory of the process", f"{results['peak_memory_bytes'] / 2**30:.2f} GiB"))
    return _pairs(pairs)


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "\n".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in pairs)
    return f'<div class="scroll"><table><tbody>\n{rows}\n</tbody></table></div>' if pairs else ""


def _pictures(pictures: Mapping[str, tuple[str, bytes]], kind: str = "pictures") -> str:
    images = [
        f'<img alt="{escape(text)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        for text, picture in pictures.values()
    ]
    return f'<div class="{kind}">\n' + "\n".join(images) + "\n</div>" if images else ""
