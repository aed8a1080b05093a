#!/usr/bin/env python3
"""Measures tunnels between two hosts of one machine, all of them in one run and in turn, so that a noisy machine is noisy for everybody.

    ./do bench tunnel [--pairs N] [--seconds S] [--only NAME,NAME] [--json FILE] [--csv FILE] [--svg FILE]

Rows: bare veth, wireguard-go ($WIREGUARD_GO or the one in PATH), Warren with WireGuard, Warren plain. What a row holds: lib/load.py;
how medians, ratios and bars come of it: lib/figures.py.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lib"), os.path.join(HERE, "../net/lib")]
import chart  # noqa: E402
import figures  # noqa: E402
import load  # noqa: E402
import report  # noqa: E402
from lab import Lab  # noqa: E402
from pairs import MAKERS, reference  # noqa: E402


def run(wanted, rounds, seconds, congestion):
    """name -> samples of the rounds; seal_open() of each round; how system calls were counted."""
    samples, seals, how = {name: [] for name in wanted}, [], None
    with Lab() as lab:
        pairs = {name: MAKERS[name](lab) for name in wanted}
        aead = [backend for pair in pairs.values() for backend in pair.aeads()]
        for number in range(rounds):
            seals.append(load.seal_open(aead))
            for name in wanted:
                sample, counted_by = load.measure(pairs[name], seconds, congestion)
                samples[name].append(sample)
                how = counted_by or how
                print(f"round {number + 1}/{rounds} {name}: {sample['tcp_1_gbps']:.2f} Gbit/s", file=sys.stderr, flush=True)
    return samples, seals, how


def main():
    parser = argparse.ArgumentParser(prog="./do bench tunnel", description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", "--rounds", type=int, default=5, metavar="N", help="rounds, each with every tunnel in turn (5)")
    parser.add_argument("--seconds", type=float, default=4, help="of each load (4)")
    parser.add_argument("--congestion", default="cubic", metavar="NAME", help="TCP's congestion control (cubic, as Debian has it)")
    parser.add_argument("--only", default=",".join(MAKERS), metavar="NAME,…", help=f"of {', '.join(MAKERS)}")
    parser.add_argument("--json", metavar="FILE", help="everything, with all samples")
    parser.add_argument("--csv", metavar="FILE", help="a line per tunnel and round")
    parser.add_argument("--svg", metavar="FILE", help="the ratios as bars")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := [n for n in wanted if n not in MAKERS]:
        parser.error(f"there is no tunnel {', '.join(unknown)}")
    samples, seals, how = run([n for n in MAKERS if n in wanted], max(1, options.pairs), options.seconds, options.congestion)
    rows, ratios = figures.rows(samples), figures.ratios(samples)
    cpu = figures.cpu_ratio(samples, seals)
    result = {
        "schema": "warren.bench.tunnel/2", "pairs": max(1, options.pairs), "seconds": options.seconds,
        "congestion": options.congestion, "reference": reference(),
        "syscalls_by": how,
        "seal_open": {**seals[0], **{k: figures.median([s[k] for s in seals]) for k in ("seal_ns", "open_ns")}},
        "rows": rows, "ratios": ratios, "cpu_to_seal_open": cpu, "udp_most_possible": figures.most_possible(rows),
        "bars": figures.bars(rows, ratios, cpu), "samples": samples, "seal_open_samples": seals,
    }
    report.print_all(result)
    if options.json:
        report.write_json(options.json, result)
    if options.csv:
        report.write_csv(options.csv, samples)
    if options.svg:
        chart.write_svg(options.svg, result)


if __name__ == "__main__":
    main()
