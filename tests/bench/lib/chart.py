"""The ratios as bars in an SVG that reads on light and on dark ground; no library."""
from xml.sax.saxutils import escape

from figures import TITLES

WIDTH, LEFT, RIGHT = 760, 250, 60
BAR, GAP, GROUP_GAP, TOP, BOTTOM = 18, 4, 18, 78, 64
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 16px; font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .ground { fill: #ffffff; }
  .wireguard { fill: #1f6feb; } .plain { fill: #8250df; }
  .spread { stroke: #24292f; stroke-width: 1.2; }
  .grid { stroke: #d0d7de; stroke-width: 1; } .one { stroke: #57606a; stroke-width: 1.5; }
  .bar { stroke: #cf222e; stroke-width: 2; } .aim { stroke: #1a7f37; stroke-width: 2; stroke-dasharray: 3 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; } .ground { fill: #0d1117; }
    .wireguard { fill: #4493f8; } .plain { fill: #ab7df8; }
    .spread { stroke: #e6edf3; } .grid { stroke: #30363d; } .one { stroke: #9198a1; }
    .bar { stroke: #f85149; } .aim { stroke: #3fb950; }
  }"""


def step_of(most):
    """Distance of the grid's lines: at most eight."""
    return next(s for s in (0.5, 1, 2, 5, 10, 20, 50, 100) if most / s <= 8 or s == 100)


def line(kind, x, top, bottom):
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'


def text(x, y, words, kind="", anchor="start"):
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style} text-anchor="{anchor}">{escape(words)}</text>'


def svg(result):
    ratios, limits = result["ratios"], {b["key"]: b for b in result["bars"]}
    names = [n for n in ("warren-wireguard", "warren-plain") if n in ratios]
    keys = [k for k in TITLES if names and k in ratios[names[0]]]
    shown = [(n, k) for n in names for k in keys]
    aims = [limits[f"{n}/{k}"]["aim"] for n, k in shown if f"{n}/{k}" in limits]
    most = max([ratios[n][k]["max"] for n, k in shown] + aims, default=1) * 1.05
    group = len(names) * (BAR + GAP) + GROUP_GAP
    bottom = TOP + len(keys) * group
    height = bottom + BOTTOM

    def at(value):
        return LEFT + value / most * (WIDTH - LEFT - RIGHT)

    subtitle = f"{result['reference']['version']}; medians of {result['pairs']} interleaved rounds; thin lines: all rounds"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
           f"<style>{STYLE}\n</style>", f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
           text(16, 28, "Warren : wireguard-go, higher is better", "title"),
           text(16, 48, subtitle, "small")]
    step = step_of(most)
    for i in range(int(most / step) + 1):
        out.append(line("one" if i * step == 1 else "grid", at(i * step), TOP - 8, bottom))
        out.append(text(at(i * step), TOP - 12, f"{i * step:g}", "small", "middle"))
    if step > 1:
        out.append(line("one", at(1), TOP - 8, bottom))
    for index, key in enumerate(keys):
        y = TOP + index * group
        out.append(text(LEFT - 10, y + group / 2 - GROUP_GAP / 2 + 4, TITLES[key], anchor="end"))
        for number, name in enumerate(names):
            v, row = ratios[name][key], y + number * (BAR + GAP)
            kind, width, middle = name.split("-")[1], at(v["median"]) - LEFT, row + BAR / 2
            out.append(f'<rect class="{kind}" x="{LEFT}" y="{row}" width="{width:.1f}" height="{BAR}" rx="2"/>')
            out.append(f'<line class="spread" x1="{at(v["min"]):.1f}" x2="{at(v["max"]):.1f}" y1="{middle}" y2="{middle}"/>')
            if limit := limits.get(f"{name}/{key}"):
                out += [line("bar", at(limit["at_least"]), row - 2, row + BAR + 2), line("aim", at(limit["aim"]), row - 2, row + BAR + 2)]
            out.append(text(WIDTH - RIGHT + 8, middle + 4, f"{v['median']:.2f}"))
    x = LEFT
    for kind, words, width in (("wireguard", "wireguard", 110), ("plain", "plain", 80), ("bar", "at least", 90), ("aim", "aim", 60)):
        mark = line(kind, x + 6, bottom + 22, bottom + 36) if kind in ("bar", "aim") else \
            f'<rect class="{kind}" x="{x}" y="{bottom + 22}" width="14" height="14" rx="2"/>'
        out += [mark, text(x + 20, bottom + 33, words)]
        x += width
    return "\n".join(out + ["</svg>"]) + "\n"


def write_svg(path, result):
    with open(path, "w") as f:
        f.write(svg(result))
