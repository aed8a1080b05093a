"""Tables for people, JSON and CSV for programs."""
import csv
import json

from figures import TITLES
from load import FIELDS, FLOOD_KPPS, OFFERED_KPPS

# field, heading, unit, decimals
COLUMNS = (
    ("tcp_1_gbps", "TCP 1", "Gbit/s", 2),
    ("tcp_4_gbps", "TCP 4", "Gbit/s", 2),
    ("cpu_ns_per_packet", "CPU", "ns/packet", 0),
    ("switches_per_mb", "switches", "per MB", 2),
    ("syscalls_per_mb", "syscalls", "per MB", 1),
    ("udp_kpps", f"UDP {OFFERED_KPPS}k", "kpps", 1),
    ("udp_flood_kpps", f"UDP {FLOOD_KPPS}k", "kpps", 1),
    ("udp_flood_offered_kpps", "offered", "kpps", 1),
    ("ping_median_ms", "ping", "median ms", 3),
    ("ping_min_ms", "ping", "min ms", 3),
    ("rss_mb", "memory", "max MB", 1),
)


def number(value, decimals):
    return "-" if value is None else f"{value:.{decimals}f}"


def print_rows(rows):
    print(f"{'':18}" + "".join(f"{heading:>11}" for _, heading, _, _ in COLUMNS))
    print(f"{'':18}" + "".join(f"{unit:>11}" for _, _, unit, _ in COLUMNS))
    for row in rows:
        print(f"{row['name']:18}" + "".join(f"{number(row[field], decimals):>11}" for field, _, _, decimals in COLUMNS))


def print_ratios(ratios):
    for name, by_ratio in ratios.items():
        said = ", ".join(f"{TITLES[k]} {v['median']:.2f} ({v['min']:.2f} to {v['max']:.2f})" for k, v in by_ratio.items())
        print(f"{name} : wireguard-go = {said}")


def print_bars(bars, possible):
    print(f"{'figure':66}{'measured':>10}{'bar':>10}{'aim':>10}  reached")
    for b in bars:
        sign = "<=" if b["less_is_better"] else ">="
        reached = "yes, and the aim" if b["aim_reached"] else "yes" if b["reached"] else "no"
        if b["key"].endswith("/udp") and possible < b["at_least"]:
            reached += f" (all that was offered would be {possible:.2f})"
        limit = f"{sign} {b['at_least']:g}"
        print(f"{b['figure']:66}{b['measured']:>10.2f}{limit:>10}{b['aim']:>10g}  {reached}")


def print_doubts(result):
    """What makes figures worth less."""
    busy = [100 * row["others_busy"] for row in result["rows"]]
    if max(busy) >= 5:
        print(f"before the loads, other programs used {min(busy):.0f} to {max(busy):.0f} % of the processors (medians of the rows):"
              " absolute figures\nare too low, and a tunnel of many threads gets more of what is left than one of few")
    s = result["seal_open"]
    if s["seal_by"] != s["open_by"]:
        print(f"the daemons chose different libraries, {s['seal_by']} and {s['open_by']}: one of them measured badly at its start;"
              " run it again")


def print_all(result):
    r = result
    reference, s = r["reference"], r["seal_open"]
    print(f"medians of {r['pairs']} rounds of {r['seconds']:g} s, TCP with {r['congestion']}, ratios per round;"
          f" system calls by {r['syscalls_by'] or 'nobody'}")
    print(f"wireguard-go: {reference['path']}, {reference['version']}, sha256 {reference['sha256']}…\n")
    print_rows(r["rows"])
    print(f"\nseal + open of {s['bytes']} bytes alone, as the daemons do, {s['seal_by']}, {s['open_by']}:"
          f" {s['seal_ns']:.0f} + {s['open_ns']:.0f} ns")
    print_doubts(r)
    print_ratios(r["ratios"])
    if r["bars"]:
        print()
        print_bars(r["bars"], r["udp_most_possible"] or 0)


def write_json(path, result):
    with open(path, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


def write_csv(path, samples):
    """A line per tunnel and round."""
    with open(path, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(("tunnel", "round", *FIELDS))
        for name, rounds in samples.items():
            for number_of_round, sample in enumerate(rounds, 1):
                out.writerow((name, number_of_round, *(f"{sample[field]:.4f}" if field in sample else "" for field in FIELDS)))
