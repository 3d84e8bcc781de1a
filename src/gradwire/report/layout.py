"""Numbers as text, and a table as aligned text or Markdown. Knows nothing about runs."""

import csv
import io
import math
from dataclasses import dataclass

MISSING = "–"
_BYTE_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))


@dataclass(frozen=True)
class Block:
    """One table: a caption, column titles (a newline splits one in two for the terminal) and rows of cells, all text."""

    caption: str
    titles: tuple
    rows: tuple


def significant(number, digits=3):
    """Three significant digits without an exponent where that stays short: 1234.5 → "1,234", 0.01234 → "0.0123"."""
    if math.isnan(number):
        return MISSING
    if number == 0 or math.isinf(number):
        return f"{number:.0f}"
    exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])  # of the rounded number: 0.9999 counts as 1.00
    if exponent < -3:
        return f"{number:.{digits - 1}e}"
    return f"{number:,.{max(0, digits - 1 - exponent)}f}"


def fixed(number, decimals):
    """A fixed number of decimals, so that a column lines up."""
    return MISSING if math.isnan(number) else f"{number:,.{decimals}f}"


def decimals_for(largest, digits=4):
    """Decimals that show `digits` digits of the largest number of a table, at least 0 and at most `digits` - 1."""
    if not largest > 0 or math.isinf(largest):
        return 0
    return min(digits - 1, max(0, digits - 1 - math.floor(math.log10(largest))))


def byte_unit(size):
    """(name, bytes) of the largest decimal unit that is at most `size`."""
    return next((unit for unit in _BYTE_UNITS if size >= unit[1]), _BYTE_UNITS[-1])


def as_csv(columns, rows):
    """One line for each row, a dict, with all columns, in base units; empty where there is nothing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row[name] for name in columns)
        writer.writerow([value if isinstance(value, str) else "" if value != value else f"{value:.9g}" for value in values])
    return out.getvalue()


def as_text(block):
    """Caption, a rule, and columns aligned: the first to the left, the others to the right."""
    heads = [title.split("\n") for title in block.titles]
    depth = max(len(head) for head in heads)
    lines = [tuple(head[i - depth + len(head)] if i >= depth - len(head) else "" for head in heads) for i in range(depth)]
    widths = [max(len(line[i]) for line in (*lines, *block.rows)) for i in range(len(heads))]
    body = [_aligned(line, widths) for line in (*lines, *block.rows)]
    rule = "─" * max(len(line) for line in body)
    return "\n".join([block.caption, rule, *body[:depth], rule, *body[depth:], rule])


def as_markdown(block):
    """A GitHub table under its caption."""
    titles = [title.replace("\n", " ") for title in block.titles]
    head = ["| " + " | ".join(titles) + " |", "|" + "|".join([":--", *["--:"] * (len(titles) - 1)]) + "|"]
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in block.rows]
    return "\n".join([f"**{block.caption}**", "", *head, *rows])


def _aligned(cells, widths):
    first, *others = (cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths)))
    return "  ".join([first, *others]).rstrip()
