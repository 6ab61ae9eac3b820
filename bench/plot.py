"""The plot of a comparison, as SVG written by hand: no library, no script, two themes."""

from xml.sax.saxutils import escape

from report import TITLES
from workloads import CASHEW, DIRECT, NUTCRACKER, NUTCRACKER_QUIET, WORKLOADS

BAR = 9
BAR_STEP = 11
GROUP_GAP = 9
LABEL_WIDTH = 124
NUMBER_WIDTH = 40
PANEL_TOP = 46
MARGIN = 24
GUTTER = 28
WIDTH = 960
HEADER = 84

# The background changes with the theme together with the text, so that a viewer that shows
# the wrong theme still shows a legible picture.
STYLE = """
text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #24292f }
.title { font-size: 18px; font-weight: 600 }
.panel { font-size: 14px; font-weight: 600 }
.number { font-size: 10px; paint-order: stroke; stroke: #ffffff; stroke-width: 3px }
.strong { font-weight: 700 }
.quiet { fill: #57606a }
.card { fill: #ffffff; stroke: #d0d7de }
.axis { stroke: #8c959f; stroke-dasharray: 3 3 }
.limit { stroke: #1f2328; stroke-width: 2 }
.nutcracker { fill: #8c959f } .nutcracker-v4 { fill: #c3cad1 }
.cashew { fill: #d9730d } .direct { fill: #2f81c9 } .other { fill: #8250df }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .number { stroke: #0d1117 }
  .quiet { fill: #9aa4ae }
  .card { fill: #0d1117; stroke: #30363d }
  .limit { stroke: #ffffff }
  .nutcracker { fill: #7d8590 } .nutcracker-v4 { fill: #4d5560 }
  .cashew { fill: #f0883e } .direct { fill: #58a6ff } .other { fill: #a371f7 }
}
"""

# Title, what is shown of a Median, whether the workloads' limits are drawn.
PANELS = [
    ("CPU per request (less is better)", lambda median: median.cpu, True),
    ("Requests per second (more is better)", lambda median: median.rps, False),
    ("Latency p50 (less is better)", lambda median: median.p50, False),
    ("Latency p99 (less is better)", lambda median: median.p99, False),
    ("Latency p999 (less is better)", lambda median: median.p999, False),
    ("Resident memory (less is better)", lambda median: median.resident, False),
    ("System calls per request (less is better)", lambda median: median.syscalls, False),
]

# Where the axis of a panel ends at the latest; longer bars are cut and keep their number.
RATIO_MAX = 4.0


def text(x, y, content, kind="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{escape(content)}</text>")


def line(x, top, bottom, kind):
    return f'<path class="{kind}" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>'


def rectangle(x, y, width, kind, tip):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{BAR}" rx="1"'
            f' class="{kind}"><title>{escape(tip)}</title></rect>')


def kind_of(name):
    return name if name in (NUTCRACKER, NUTCRACKER_QUIET, CASHEW, DIRECT) else "other"


def ratios(summary, value):
    """(workload, [(target name, ratio to nutcracker)]) of all that have the number."""
    groups = []
    for workload in WORKLOADS:
        targets = summary.get(workload.name, {})
        base = targets.get(NUTCRACKER)
        if base is None or not value(base):
            continue
        bars = [(name, value(median) / value(base)) for name, median in targets.items()
                if value(median) is not None]
        groups.append((workload, bars))
    return groups


def height_of(groups):
    return PANEL_TOP + sum(len(bars) * BAR_STEP + GROUP_GAP for _, bars in groups)


def panel(title, groups, with_limits, x, y, width):
    """One group of bars for each workload; a dashed line where nutcracker is."""
    largest = max(ratio for _, bars in groups for _, ratio in bars)
    scale = (width - LABEL_WIDTH - NUMBER_WIDTH) / min(max(largest, 1), RATIO_MAX)
    zero = x + LABEL_WIDTH
    bottom = y + height_of(groups)
    parts = [
        text(x, y + 14, title, "panel"),
        line(zero + scale, y + PANEL_TOP - 10, bottom - GROUP_GAP, "axis"),
        text(zero + scale, y + PANEL_TOP - 14, "nutcracker = 1", "number quiet", "middle"),
    ]
    row = y + PANEL_TOP
    for workload, bars in groups:
        middle = row + len(bars) * BAR_STEP / 2 + 3
        parts.append(text(zero - 8, middle, workload.title, anchor="end"))
        for name, ratio in bars:
            length = min(ratio, RATIO_MAX) * scale
            number = f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"
            tip = f"{TITLES.get(name, name)}, {workload.title}: {number}"
            end = zero + length
            parts.append(rectangle(zero, row, length, kind_of(name), tip))
            if with_limits and name == CASHEW and workload.limit is not None:
                limit = zero + workload.limit * scale
                parts.append(line(limit, row - 1, row + BAR + 1, "limit"))
                # The number stands right of the limit where it would cover it.
                end = limit if end <= limit < end + NUMBER_WIDTH else end
            if name != NUTCRACKER:
                kind = "number strong" if name == CASHEW else "number"
                parts.append(text(end + 4, row + BAR - 1, number, kind))
            row += BAR_STEP
        row += GROUP_GAP
    return parts


def legend(names, with_limits):
    parts, x = [], MARGIN
    for name in names:
        parts.append(rectangle(x, 52, 14, kind_of(name), TITLES.get(name, name)))
        parts.append(text(x + 20, 61, TITLES.get(name, name)))
        x += 36 + 7 * len(TITLES.get(name, name))
    if with_limits:
        parts.append(line(x + 6, 50, 63, "limit"))
        parts.append(text(x + 14, 61, "limit that Cashew keeps"))
    return parts


def svg(summary):
    """All panels: CPU over the full width, the others in two columns below."""
    names = list(dict.fromkeys(name for targets in summary.values() for name in targets))
    drawn = [(title, ratios(summary, value), limits) for title, value, limits in PANELS]
    drawn = [entry for entry in drawn if entry[1]]
    parts = [text(MARGIN, 34, "Cashew and nutcracker, nutcracker = 1", "title")]
    parts += legend(names, CASHEW in names)
    y = HEADER
    half = (WIDTH - 2 * MARGIN - GUTTER) / 2
    if drawn:
        title, groups, limits = drawn[0]
        parts += panel(title, groups, limits, MARGIN, y, WIDTH - 2 * MARGIN)
        y += height_of(groups) + GUTTER
    for left in range(1, len(drawn), 2):
        pair = drawn[left:left + 2]
        for column, (title, groups, limits) in enumerate(pair):
            parts += panel(title, groups, limits, MARGIN + column * (half + GUTTER), y, half)
        y += max(height_of(groups) for _, groups, _ in pair) + GUTTER
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}"'
        f' width="{WIDTH}" height="{y:.0f}" role="img"'
        ' aria-label="Cashew and nutcracker compared, per workload">\n'
        f"<style>{STYLE}</style>\n"
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{y - 1:.0f}" rx="8"/>\n'
        f"{body}\n</svg>\n")
