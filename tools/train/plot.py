"""A loss curve as SVG, with nothing but text."""

import csv

WIDTH, HEIGHT, MARGIN = 720, 360, 48


def read_curve(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def polyline(points, box, colour):
    x0, x1, y0, y1 = box
    placed = []
    for x, y in points:
        px = MARGIN + (x - x0) / (x1 - x0) * (WIDTH - 2 * MARGIN)
        py = HEIGHT - MARGIN - (min(y, y1) - y0) / (y1 - y0) * (HEIGHT - 2 * MARGIN)
        placed.append(f"{px:.1f},{py:.1f}")
    return f'<polyline fill="none" stroke="{colour}" points="{" ".join(placed)}"/>'


def axis(box):
    x0, x1, y0, y1 = box
    lines = []
    for i in range(6):
        px = MARGIN + i / 5 * (WIDTH - 2 * MARGIN)
        py = HEIGHT - MARGIN - i / 5 * (HEIGHT - 2 * MARGIN)
        x, y = x0 + i / 5 * (x1 - x0), y0 + i / 5 * (y1 - y0)
        lines.append(f'<text x="{px:.0f}" y="{HEIGHT - 28}" text-anchor="middle">{x:.1f}</text>')
        lines.append(f'<text x="{MARGIN - 6}" y="{py + 4:.0f}" text-anchor="end">{y:.1f}</text>')
        lines.append(f'<path stroke="#ddd" d="M{MARGIN} {py:.0f}H{WIDTH - MARGIN}"/>')
    middle = WIDTH // 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">million tokens</text>')
    return lines


def draw(curve, path, title):
    """Training loss (smoothed, nats a token) and held-out bits per byte, where measured."""
    loss = [(float(row["tokens"]) / 1e6, float(row["loss"])) for row in curve]
    held = [(float(r["tokens"]) / 1e6, float(r["held_out"])) for r in curve if r["held_out"]]
    if len(loss) < 2:
        return
    smooth, mean = [], loss[0][1]
    for x, y in loss:
        mean += 0.05 * (y - mean)
        smooth.append((x, mean))
    box = (0, loss[-1][0], 0, 6)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" '
        f'fill="white"/><text x="{MARGIN}" y="24" font-size="14">{title}</text>'
    ]
    parts += axis(box)
    parts.append(polyline(smooth, box, "#1565c0"))
    x = WIDTH - 250
    parts.append(f'<text x="{x}" y="60" fill="#1565c0">training loss, nats a token</text>')
    if held:
        parts.append(polyline(held, box, "#c62828"))
        parts.append(f'<text x="{x}" y="76" fill="#c62828">held out, bits a byte</text>')
    path.write_text("\n".join(parts) + "\n</svg>\n", encoding="utf-8")
