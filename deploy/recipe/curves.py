"""Curves and intervals as SVG, for the recipe's page."""

import math

from words import escape, percent

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 210, 52, 16, 10, 24


def ticks(least, most, wanted=4):
    """Round numbers from below `least` to above `most`."""
    span = most - least or abs(most) or 1
    step = 10 ** math.floor(math.log10(span / wanted))
    for factor in (5, 2):
        if span / (step * factor) >= wanted:
            step *= factor
            break
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return [(first + i) * step for i in range(max(last - first, 1) + 1)]


def figure(value, unit):
    return f"{100 * value:.0f} %" if unit == "%" else f"{value:.4g}"


def chart(title, series, across, dashed=None, bounds=None, low=None, unit="", is_late=False):
    """Lines of [[x, y], …] by name. `is_late`: the first twentieth may leave the chart, so that what follows is seen."""
    series = [(name, points) for name, points in series if points]
    if not series:
        return ""
    points = [point for _, line in series for point in line]
    seen = [p[1] for _, line in series for p in line[len(line) // 20 if is_late else 0:]]
    least, most = bounds or (min(seen), max(seen))
    if low is not None:
        least = min(low, least)
    marks = ticks(least, most)
    (bottom, top), (first, last) = (marks[0], marks[-1]), (min(p[0] for p in points), max(p[0] for p in points))

    def x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * ((value - first) / (last - first) if last > first else 0.5)

    def y(value):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (min(max(value, bottom), top) - bottom) / (top - bottom))

    def path(line):
        return "".join(f"{'L' if i else 'M'}{x(p[0]):.1f} {y(p[1]):.1f}" for i, p in enumerate(line))

    drawn = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for mark in marks:
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"></line>'
                     f'<text x="{LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end" class="weak">{figure(mark, unit)}</text>')
    for mark in ticks(first, last, 3):
        if first <= mark <= last and mark == int(mark):
            drawn.append(f'<text x="{x(mark):.1f}" y="{HEIGHT - 6}" text-anchor="middle" class="weak">{mark:,.0f}</text>')
    if dashed:
        drawn.append(f'<path class="series dashed" d="{path(dashed[1])}"><title>{escape(dashed[0])}</title></path>')
    for i, (name, line) in enumerate(series):
        drawn.append(f'<path class="series s{i}" d="{path(line)}"><title>{escape(name)}</title></path>')
        if len(line) < 30:
            drawn += [f'<circle class="s{i}" cx="{x(p[0]):.1f}" cy="{y(p[1]):.1f}" r="2.6"><title>{across} {p[0]}: '
                      f"{figure(p[1], unit)}</title></circle>" for p in line]
    drawn.append("</svg>")
    legend = [f'<span><i class="s{i}"></i>{escape(name)}: {figure(line[0][1], unit)} → {figure(line[-1][1], unit)}</span>'
              for i, (name, line) in enumerate(series)]
    if dashed:
        legend.append(f'<span><i class="dashed"></i>{escape(dashed[0])}</span>')
    return f'<div class="chart"><h3>{escape(title)}</h3>{"".join(drawn)}<div class="legend">{"".join(legend)}</div></div>'


def growth(points, share):
    """A share whose odds grow by the same factor each step, and that factor; None for one that does not grow.

    Guesses are right with some probability, thoughts with a higher one, and steps move answers from one to the other:
    at first `share` of them are thoughts. The factor is fitted to the rise alone, since where nearly all think there is
    nothing to tell it by.
    """
    if len(points) < 8:
        return None
    first, last = points[:2], points[-max(2, len(points) // 4):]
    start, end = (sum(p[1] for p in part) / len(part) for part in (first, last))
    if end - start < 0.2:
        return None
    # How often guesses are right, and thoughts.
    low, high = max(0.0, (start - share * end) / (1 - share)), end
    parts = [(x, (y - low) / (high - low)) for x, y in points]
    risen = next((i for i in range(1, len(parts) - 1) if sum(p for _, p in parts[i - 1:i + 2]) / 3 > 0.9), len(parts))
    odds = [(x, math.log(p / (1 - p))) for x, p in parts[:risen] if 0.03 < p < 0.97]
    if len(odds) < 3:
        return None
    mean_x, mean_y = (sum(p[i] for p in odds) / len(odds) for i in (0, 1))
    spread = sum((p[0] - mean_x) ** 2 for p in odds)
    slope = sum((p[0] - mean_x) * (p[1] - mean_y) for p in odds) / spread if spread else 0
    if slope <= 0:
        return None

    def thinking(x):
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, mean_y + slope * (x - mean_x)))))

    return [[x, low + (high - low) * thinking(x)] for x, _ in points], math.exp(slope)


def whiskers(rows):
    """Shares with their intervals: (name, greedy or sampled, share, [from, to])."""
    width, height, left = 720, 22 * len(rows) + 26, 190

    def x(part):
        return left + (width - left - 70) * part

    drawn = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="accuracies" style="width:100%;max-width:{width}px">']
    for mark in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="4" y2="{height - 20}"></line>'
                     f'<text x="{x(mark):.1f}" y="{height - 5}" text-anchor="middle" class="weak">{100 * mark:.0f} %</text>')
    shown = None
    for i, (name, kind, part, (low, high)) in enumerate(rows):
        y, series = 15 + 22 * i, 0 if kind == "greedy" else 1
        if name != shown:
            drawn.append(f'<text x="0" y="{y + 4}">{escape(name)}</text>')
            shown = name
        drawn.append(
            f'<line class="whisker s{series}" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"></line>'
            f'<circle class="s{series}" cx="{x(part):.1f}" cy="{y}" r="4">'
            f"<title>{escape(name)}, {kind}: {percent(part)}</title></circle>"
            f'<text x="{max(x(high), x(part) + 4) + 8:.1f}" y="{y + 4}" class="weak">{percent(part)}</text>')
    drawn.append("</svg>")
    legend = (
        '<div class="legend"><span><i class="s0"></i>greedy</span><span><i class="s1"></i>sampled at temperature 1</span></div>')
    return f'<div class="chart plot">{"".join(drawn)}{legend}</div>'
