#!/usr/bin/env python3
"""Measures tunnels between two hosts of one machine, all of them in one run and in turn, so that a noisy machine is noisy for everybody.

    ./do bench tunnel [--json FILE] [--rounds N] [--seconds S] [--only NAME,NAME]

Rows: bare veth, wireguard-go ($WIREGUARD_GO or the one in PATH), Warren with WireGuard, Warren plain. Per row the medians of all rounds:
TCP with one and four streams (iperf3), delivered 200-byte UDP packets of an offered rate that is measured at the sender, ping,
resident memory under load.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../net/lib"))
from lab import Lab, TOOLS, expect, poll  # noqa: E402

OFFERED_PPS = 150000
UDP_BYTES = 200 - 28  # 200-byte IP packets


class Veth:
    name = "veth"

    def __init__(self, lab):
        self.a, self.b = lab.host("va"), lab.host("vb")
        lab.connect(self.a, self.b, "192.0.2.1/24", "192.0.2.2/24")
        self.target = "192.0.2.2"

    def rss_mb(self):
        return 0.0


class WireGuardGo:
    name = "wireguard-go"

    def __init__(self, lab):
        self.a, self.b = lab.stock("ga", "10.0.0.1"), lab.stock("gb", "10.0.0.2")
        lab.connect(self.a, self.b, "192.0.2.1/24", "192.0.2.2/24")
        self.a.outer, self.b.outer = "192.0.2.1", "192.0.2.2"
        self.a.up()
        self.b.up()
        self.a.peer(self.b)
        self.b.peer(self.a)
        self.target = "10.0.0.2"

    def rss_mb(self):
        return max(rss_mb(h.process.pid) for h in (self.a, self.b))


class Warren:
    def __init__(self, lab, transport):
        self.name = f"warren-{transport}"
        short = transport[0]
        self.a, self.b = lab.node(short + "a", "10.0.0.1", transport=transport), lab.node(short + "b", "10.0.0.2", transport=transport)
        lab.connect(self.a, self.b, "192.0.2.1/24", "192.0.2.2/24")
        self.a.outer, self.b.outer = "192.0.2.1", "192.0.2.2"
        self.a.peer(self.b)
        self.b.peer(self.a)
        self.a.up()
        self.b.up()
        self.target = "10.0.0.2"

    def rss_mb(self):
        return max(rss_mb(h.process.pid) for h in (self.a, self.b))


def rss_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def tcp_gbps(pair, streams, seconds):
    server = pair.b.start("iperf3", "-s", "-1")
    poll("iperf3 listens", lambda: ":5201" in pair.b.run("ss", "-ltn"), 10)
    out = json.loads(pair.a.run("iperf3", "-J", "-c", pair.target, "-t", seconds, "-P", streams))["end"]
    server.wait(10)
    pair.b.lab.processes.remove(server)
    return out["sum_received"]["bits_per_second"] / 1e9, out["sum_sent"]["retransmits"]


def udp(pair, seconds):
    """Delivered and offered packets per second."""
    receiver = subprocess.Popen(["ip", "netns", "exec", pair.b.ns, os.path.join(TOOLS, "udp_load"), "receive", "9000", "0.7"],
            stdout=subprocess.PIPE, text=True)
    try:
        poll("the receiver listens", lambda: ":9000" in pair.b.run("ss", "-lun"), 10)
        sent = json.loads(pair.a.run(os.path.join(TOOLS, "udp_load"), "send", pair.target, "9000", UDP_BYTES, OFFERED_PPS, seconds))
        got = json.loads(receiver.communicate(timeout=20)[0])
    finally:
        receiver.kill()
        receiver.wait()
    return got["received"] / sent["seconds"] / 1000, sent["offered_kpps"], got["out_of_order"]


def ping_ms(pair):
    out = pair.a.run("ping", "-q", "-c", "200", "-i", "0.005", pair.target)
    values = out.rsplit("=", 1)[1].split()[0].split("/")
    return float(values[1]), float(values[0])


def measure(pair, seconds, row):
    expect(pair.a.ping(pair.target, 3), f"{pair.name} carries traffic")
    pair.a.run("ping", "-q", "-c", "50", "-i", "0.005", pair.target)
    avg, least = ping_ms(pair)
    row["ping_avg_ms"].append(avg)
    row["ping_min_ms"].append(least)
    gbps, retransmits = tcp_gbps(pair, 1, seconds)
    row["tcp_1_gbps"].append(gbps)
    row["tcp_1_retransmits"].append(retransmits)
    row["tcp_4_gbps"].append(tcp_gbps(pair, 4, seconds)[0])
    delivered, offered, disordered = udp(pair, seconds)
    row["udp_small_kpps"].append(delivered)
    row["udp_offered_kpps"].append(offered)
    row["udp_out_of_order"].append(disordered)
    row["rss_mb"].append(pair.rss_mb())


def main():
    parser = argparse.ArgumentParser(prog="./do bench tunnel", description=__doc__.split("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", default="veth,wireguard-go,warren-wireguard,warren-plain")
    options = parser.parse_args()
    makers = {"veth": Veth, "wireguard-go": WireGuardGo, "warren-wireguard": lambda lab: Warren(lab, "wireguard"),
            "warren-plain": lambda lab: Warren(lab, "plain")}
    wanted = [n for n in makers if n in options.only.split(",")]
    fields = ["tcp_1_gbps", "tcp_4_gbps", "udp_small_kpps", "ping_avg_ms", "rss_mb", "udp_offered_kpps", "udp_out_of_order",
            "ping_min_ms", "tcp_1_retransmits"]
    samples = {name: {f: [] for f in fields} for name in wanted}
    with Lab() as lab:
        pairs = {name: makers[name](lab) for name in wanted}
        for number in range(options.rounds):
            for name in wanted:
                measure(pairs[name], options.seconds, samples[name])
                print(f"round {number + 1}/{options.rounds} {name}: {samples[name]['tcp_1_gbps'][-1]:.2f} Gbit/s", file=sys.stderr,
                        flush=True)
    rows = [{"name": name, **{f: round(statistics.median(samples[name][f]), 3) for f in fields}} for name in wanted]
    print(f"{'':18}{'TCP 1':>10}{'TCP 4':>10}{'UDP 200 B':>12}{'offered':>10}{'ping':>10}{'memory':>10}")
    print(f"{'':18}{'Gbit/s':>10}{'Gbit/s':>10}{'kpps':>12}{'kpps':>10}{'ms':>10}{'MB':>10}")
    for r in rows:
        print(f"{r['name']:18}{r['tcp_1_gbps']:>10.2f}{r['tcp_4_gbps']:>10.2f}{r['udp_small_kpps']:>12.1f}"
              f"{r['udp_offered_kpps']:>10.1f}{r['ping_avg_ms']:>10.3f}{r['rss_mb']:>10.1f}")
    by_name = {r["name"]: r for r in rows}
    ratios = {}
    if "wireguard-go" in by_name:
        reference = by_name["wireguard-go"]
        for name in ("warren-wireguard", "warren-plain"):
            if name in by_name:
                r = by_name[name]
                ratios[name] = {"tcp_1": round(r["tcp_1_gbps"] / reference["tcp_1_gbps"], 2),
                        "tcp_4": round(r["tcp_4_gbps"] / reference["tcp_4_gbps"], 2),
                                "udp_small": round(r["udp_small_kpps"] / reference["udp_small_kpps"], 2),
                                        "ping": round(reference["ping_avg_ms"] / r["ping_avg_ms"], 2)}
                print(f"{name} to wireguard-go: " + ", ".join(f"{k} {v:.2f} : 1" for k, v in ratios[name].items()))
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"schema": "warren.bench.tunnel/1", "rounds": options.rounds, "seconds": options.seconds,
                    "reference": os.environ.get("WIREGUARD_GO", "wireguard-go"),
                       "rows": rows, "ratios": ratios, "samples": samples}, f, indent=1)


if __name__ == "__main__":
    main()
