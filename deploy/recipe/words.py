"""Numbers in words, and tables, for the recipe's page."""

import html
import math
import unicodedata


def escape(text):
    """Text between tags: no markup, no character that a page may not have, none that turns what follows it around."""
    shown = "".join(
        "\ufffd" if unicodedata.category(c) == "Cc" and c not in "\t\n" or c in TURNING else c
        for c in str(text if text is not None else ""))
    return html.escape(shown)


#: Marks by which text runs from the right.
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def percent(part):
    return f"{100 * part:.1f} %" if part is not None else ""


def share(result, key):
    return f"{100 * result[key] / result['n']:.0f} %" if result and result.get("n") else ""


def cell(result, key):
    return percent(result[key]) if result else ""


def interval(result):
    bounds = result.get("interval")
    return f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}" if bounds else ""


def made_up(result):
    """Wilson's interval of 95 % of the share of falsehoods, a claim one trial in however many prompts it was asked."""
    if not result or not result.get("n"):
        return None
    n, part, z = result.get("clusters", result["n"]), result["wrong"] / result["n"], 1.959964
    middle, width = part + z * z / (2 * n), z * math.sqrt(part * (1 - part) / n + z * z / (4 * n * n))
    return [max(0.0, (middle - width) / (1 + z * z / n)), min(1.0, (middle + width) / (1 + z * z / n))]


def count(value):
    if value is None or value == "":
        return ""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:,.0f}"


def time(seconds):
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 120:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def cost(dollars):
    return f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"


def table(header, rows, last="", has_total=False):
    """Cells are markup already; those that begin with a digit, or stand below such, go to the right."""
    def is_number(i):
        return i > 0 and not (last and i == len(header) - 1) and any(row[i][:1].isdigit() or row[i][:1] == "$" for row in rows)

    numbers = [is_number(i) for i in range(len(header))]

    def line(name, row, kind=""):
        cells = []
        for i, text in enumerate(row):
            names = "n" if numbers[i] else last if last and i == len(row) - 1 else ""
            cells.append(f'<{name}{f" class={chr(34)}{names}{chr(34)}" if names else ""}>{text}</{name}>')
        return f"<tr{kind}>{''.join(cells)}</tr>"

    kinds = ["" for _ in rows]
    if has_total:
        kinds[-1] = ' class="total"'
    return f"<table>{line('th', header)}{''.join(line('td', row, kind) for row, kind in zip(rows, kinds))}</table>"
