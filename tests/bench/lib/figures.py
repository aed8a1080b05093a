"""From samples to what is reported: medians per row, ratios per round, and the bars that the project has set itself."""
import statistics

from load import FIELDS, FLOOD_KPPS, OFFERED_KPPS

# name of a ratio -> (field, does more of it mean better?)
RATIOS = {
    "tcp_1": ("tcp_1_gbps", True),
    "tcp_4": ("tcp_4_gbps", True),
    "udp": ("udp_kpps", True),
    "udp_flood": ("udp_flood_kpps", True),
    "ping_median": ("ping_median_ms", False),
}
TITLES = {
    "tcp_1": "TCP, 1 stream",
    "tcp_4": "TCP, 4 streams",
    "udp": f"UDP 200 B, {OFFERED_KPPS} kpps offered",
    "udp_flood": f"UDP 200 B, {FLOOD_KPPS} kpps offered",
    "ping_median": "ping median",
}
REFERENCE = "wireguard-go"

# (key, what, unit of the ratio's end, at least, aim, is less better?); the values are those of `bar_values`.
BARS = (
    ("warren-wireguard/tcp_1", "TCP one stream, wireguard : wireguard-go", 2.0, 2.3, False),
    ("warren-plain/tcp_1", "TCP one stream, plain : wireguard-go", 3.2, 3.6, False),
    ("cpu", "CPU per packet, (wireguard - plain) : (seal + open)", 1.5, 1.2, True),
    ("warren-wireguard/udp", f"UDP 200 B delivered of {OFFERED_KPPS} kpps, wireguard : wireguard-go", 4.0, 6.0, False),
    ("warren-wireguard/ping_median", "ping median, wireguard-go : wireguard", 2.3, 3.0, False),
    ("rss", "resident memory under load, wireguard, MB", 24.0, 12.0, True),
)


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def rows(samples):
    """Medians of the rounds; of memory the most, since a bound is meant."""
    out = []
    for name, rounds in samples.items():
        row = {"name": name}
        for field in FIELDS:
            values = [r[field] for r in rounds if field in r]
            value = max(values) if values and field == "rss_mb" else median(values)
            row[field] = None if value is None else round(value, 3)
        out.append(row)
    return out


def ratios(samples):
    """name -> ratio -> {median, min, max} over the rounds: each round is a pair of its own, taken within a minute or two."""
    out = {}
    if REFERENCE not in samples:
        return out
    for name in ("warren-wireguard", "warren-plain"):
        if name not in samples:
            continue
        out[name] = {}
        for ratio, (field, more) in RATIOS.items():
            each = [ours[field] / theirs[field] if more else theirs[field] / ours[field]
                    for ours, theirs in zip(samples[name], samples[REFERENCE])]
            out[name][ratio] = spread(each)
    return out


def spread(values):
    return {"median": round(median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


def cpu_ratio(samples, seals):
    """How much of what encryption adds to a packet is not encryption: 1 = nothing."""
    if not {"warren-wireguard", "warren-plain"} <= samples.keys():
        return None
    return spread([(w["cpu_ns_per_packet"] - p["cpu_ns_per_packet"]) / (s["seal_ns"] + s["open_ns"])
                   for w, p, s in zip(samples["warren-wireguard"], samples["warren-plain"], seals)])


def bars(all_rows, all_ratios, cpu):
    """{key, figure, measured, at_least, aim, less_is_better, reached, aim_reached} of each bar that was measured."""
    values = {f"{name}/{ratio}": v["median"] for name, by_ratio in all_ratios.items() for ratio, v in by_ratio.items()}
    values["cpu"] = cpu["median"] if cpu else None
    values["rss"] = next((r["rss_mb"] for r in all_rows if r["name"] == "warren-wireguard"), None)
    out = []
    for key, figure, at_least, aim, less in BARS:
        value = values.get(key)
        if value is None:
            continue
        out.append({"key": key, "figure": figure, "measured": value, "at_least": at_least, "aim": aim, "less_is_better": less,
                    "reached": value <= at_least if less else value >= at_least, "aim_reached": value <= aim if less else value >= aim})
    return out


def most_possible(all_rows):
    """The largest ratio that the offered UDP load allows: all of it, to what the reference delivered. None without a reference."""
    reference = next((r for r in all_rows if r["name"] == REFERENCE), None)
    return round(OFFERED_KPPS / reference["udp_kpps"], 2) if reference else None
