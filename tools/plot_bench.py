#!/usr/bin/env python3
"""Draws what `lemnos bench --json` or `-o FILE` wrote, as SVG.

    python3 tools/plot_bench.py RESULT.json [MORE.json ...] -o FOLDER

decode_over_depth.svg   tokens per second of every tg row over the depth it ran at
prefill_over_tokens.svg tokens per second of every pp row over the tokens of its prompt
roofline.svg            GFLOP/s over flops per byte, under what the device can do at most

A plot that no row belongs to is not made. Needs nothing but the standard library.
"""

import argparse
import json
import math
import os
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 200, 48, 60
COLORS = ["#1b6ca8", "#d1495b", "#2e8b57", "#edae49", "#6a4c93", "#00798c", "#8d6b4f", "#444444"]


def nice_ticks(low, high, n=5):
    """Round numbers from low to high."""
    span = high - low or 1
    step = 10 ** math.floor(math.log10(span / n))
    for factor in (1, 2, 5, 10):
        if span / (step * factor) <= n:
            step *= factor
            break
    first = math.ceil(low / step) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


def log_ticks(low, high):
    return [10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def number(value):
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Plot:
    """Axes, lines and points in one SVG."""

    def __init__(self, title, x_name, y_name, x_range, y_range, log):
        self.log = log
        self.x_range, self.y_range = x_range, y_range
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle">'
            f"{escape(x_name)}</text>",
            f'<text transform="translate(20 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
            f'text-anchor="middle">{escape(y_name)}</text>',
        ]
        self.n_legend = 0
        ticks = log_ticks if log else nice_ticks
        for value in ticks(*x_range):
            if x_range[0] <= value <= x_range[1]:
                x = self.x(value)
                self.line((x, TOP), (x, HEIGHT - BOTTOM), "#dddddd")
                self.parts.append(
                    f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
                    f"{number(value)}</text>"
                )
        for value in ticks(*y_range):
            if y_range[0] <= value <= y_range[1]:
                y = self.y(value)
                self.line((LEFT, y), (WIDTH - RIGHT, y), "#dddddd")
                self.parts.append(
                    f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
                )

    def share(self, value, span):
        if self.log:
            return math.log(value / span[0]) / math.log(span[1] / span[0])
        return (value - span[0]) / ((span[1] - span[0]) or 1)

    def x(self, value):
        return LEFT + self.share(value, self.x_range) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - self.share(value, self.y_range) * (HEIGHT - TOP - BOTTOM)

    def line(self, a, b, color, width=1, dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" '
            f'stroke="{color}" stroke-width="{width}"{dashes}/>'
        )

    def series(self, name, points, color, joined=True, spread=None):
        """points: (x, y) in the units of the axes; spread: their (least, most)."""
        at = [(self.x(x), self.y(y)) for x, y in points]
        if joined:
            for a, b in zip(at, at[1:]):
                self.line(a, b, color, 2)
        for i, (x, y) in enumerate(at):
            if spread:
                self.line((x, self.y(spread[i][0])), (x, self.y(spread[i][1])), color, 1)
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')
        y = TOP + 14 + 18 * self.n_legend
        self.n_legend += 1
        x = WIDTH - RIGHT + 16
        self.parts.append(f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{color}"/>')
        self.parts.append(f'<text x="{x + 10}" y="{y}">{escape(name)}</text>')

    def save(self, path):
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(self.parts + ["</svg>\n"]))
        print(path)


def read(paths):
    """Every row that ran, with its report and model."""
    rows = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        if not isinstance(report, dict) or "models" not in report:
            sys.exit(f"{path} is no result of 'lemnos bench' (--json or -o FILE)")
        for model in report["models"]:
            for row in model["rows"]:
                if row.get("median_ts"):
                    rows.append((path, report, model, row))
    return rows


def label(path, model, more_files):
    name = f"{model['model']} {model['format']}"
    return f"{os.path.basename(path)}: {name}" if more_files else name


def plot_lines(rows, title, x_name, kind, key, series_of, path):
    lines = {}
    for row in rows:
        if row[3][kind] > 0:
            lines.setdefault(series_of(row), []).append(row[3])
    if not lines:
        return
    xs = [row[key] for line in lines.values() for row in line]
    top = max(row["max_ts"] for line in lines.values() for row in line)
    plot = Plot(title, x_name, "tokens per second", (0, max(max(xs), 1)), (0, top * 1.08), False)
    for i, (name, line) in enumerate(lines.items()):
        line.sort(key=lambda row: row[key])
        plot.series(
            name,
            [(row[key], row["median_ts"]) for row in line],
            COLORS[i % len(COLORS)],
            spread=[(row["min_ts"], row["max_ts"]) for row in line],
        )
    plot.save(path)


def plot_roofline(rows, path, more_files):
    """Of the first report: other devices have other roofs."""
    report = rows[0][1]
    peaks = report.get("peaks", {})
    roof = max(peaks.get("f32_gflop_per_s") or 0, peaks.get("matrix_gflop_per_s") or 0)
    slope = peaks.get("read_gb_per_s") or 0
    if not roof or not slope:
        return
    points = [
        (row["flops"] / row["read_bytes"], row["gflop_per_s"], f"{label(p, m, more_files)} {row['test']}")
        for p, r, m, row in rows
        if r is report and row["read_bytes"] > 0 and row["gflop_per_s"] > 0
    ]
    if not points:
        return
    low_x = min([p[0] for p in points] + [roof / slope]) / 2
    high_x = max([p[0] for p in points] + [roof / slope]) * 2
    low_y = min([p[1] for p in points] + [low_x * slope]) / 2
    high_y = max([p[1] for p in points] + [roof]) * 2
    plot = Plot(
        f"Roofline, {report['device']['name']}", "flops per byte read", "GFLOP/s",
        (low_x, high_x), (low_y, high_y), True,
    )
    knee = roof / slope
    plot.line((plot.x(low_x), plot.y(low_x * slope)), (plot.x(knee), plot.y(roof)), "#888888", 2)
    plot.line((plot.x(knee), plot.y(roof)), (plot.x(high_x), plot.y(roof)), "#888888", 2)
    for i, (x, y, name) in enumerate(points):
        plot.series(name, [(x, y)], COLORS[i % len(COLORS)], joined=False)
    plot.save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", nargs="+")
    parser.add_argument("-o", "--output", default=".", help="folder for the plots")
    args = parser.parse_args()
    rows = read(args.results)
    if not rows:
        sys.exit("no row of these results was measured: nothing to draw")
    os.makedirs(args.output, exist_ok=True)
    more = len(args.results) > 1

    def of_tokens(row):
        return f"{label(row[0], row[2], more)} {row[3]['test'].split(' ')[0]}"

    def of_depth(row):
        depth = row[3]["n_depth"]
        return label(row[0], row[2], more) + (f" @ d{depth}" if depth else "")

    plot_lines(rows, "Decode over depth", "tokens in the context before", "n_gen", "n_depth",
               of_tokens, os.path.join(args.output, "decode_over_depth.svg"))
    plot_lines(rows, "Prefill over tokens", "tokens of the prompt", "n_prompt", "n_prompt",
               of_depth, os.path.join(args.output, "prefill_over_tokens.svg"))
    plot_roofline(rows, os.path.join(args.output, "roofline.svg"), more)


if __name__ == "__main__":
    main()
