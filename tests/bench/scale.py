#!/usr/bin/env python3
"""What peers cost one node: time to start, memory, processor time when nothing happens.

    ./do bench scale [--peers N] [--static N] [--seconds S] [--json FILE]

Two parts. A node whose configuration has many static peers and no session. A node with sessions to real daemons, each in a network
namespace of its own, which has sent a packet to each of them; then nobody sends anything.
"""
import argparse
import base64
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lib"), os.path.join(HERE, "../net/lib")]
from lab import Lab, expect, poll  # noqa: E402
from usage import cpu_ns  # noqa: E402

KB_PER_PEER_MAX, IDLE_PERCENT_MAX = 16, 0.3  # the project's bars; it aims at 6 and 0.1


def resident_kb(node):
    with open(f"/proc/{node.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def idle_percent(node, seconds):
    """Of one core."""
    cpu, begin = cpu_ns(node.process.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_ns(node.process.pid) - cpu) / (time.monotonic() - begin) / 1e7


def start_seconds(node):
    begin = time.monotonic()
    node.up()
    return time.monotonic() - begin


def without_sessions(lab, count):
    """Time to start and memory with as many configured peers, less those of a node without any."""
    bare = lab.node("bare", "10.0.0.1")
    empty_seconds, empty_kb = start_seconds(bare), resident_kb(bare)
    bare.down()
    many = lab.node("many", "10.0.0.1")
    for i in range(count):
        many.peers.append({"name": f"p{i}", "tunnel_key": base64.b64encode(os.urandom(32)).decode(),
                           "addresses": [f"10.1.{i // 250}.{i % 250 + 1}"], "endpoints": [f"wireguard://192.0.2.{i % 250 + 1}:51820"]})
    seconds, kb = start_seconds(many), resident_kb(many)
    expect(len(many.net()["peers"]) == count, "all peers are known")
    many.down()
    return {"peers": count, "start_s": round(seconds, 2), "start_s_without": round(empty_seconds, 2), "rss_kb_without": empty_kb,
            "kb_per_peer": round((kb - empty_kb) / count, 2)}


def with_sessions(lab, count, seconds):
    hub = lab.node("hub", "10.0.0.1")
    spokes = [lab.node(f"n{i}", f"10.0.0.{i + 1}") for i in range(1, count + 1)]
    lab.switch([hub, *spokes])
    hub.up()
    bare_kb = resident_kb(hub)
    hub.down()
    for spoke in spokes:
        hub.peer(spoke)
        spoke.peer(hub)
        spoke.up(wait=False)
    hub.up()

    def connected():
        for spoke in spokes:
            hub.run("ping", "-q", "-c", "1", "-W", "1", spoke.address, check=False)
        return sum(p["state"] == "up" for p in hub.net()["peers"]) == count
    poll(f"{count} sessions", connected, 120)
    after = resident_kb(hub)
    poll("handshakes and keepalives are over", lambda: idle_percent(hub, 2) < 2, 60)
    return {"peers": count, "rss_kb_without": bare_kb, "kb_per_peer": round((after - bare_kb) / count, 2),
            "idle_percent": round(idle_percent(hub, seconds), 3), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(prog="./do bench scale", description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=int, default=100, help="real daemons (100)")
    parser.add_argument("--static", type=int, default=1000, help="peers of the configuration alone (1000)")
    parser.add_argument("--seconds", type=float, default=20, help="of doing nothing (20)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    with Lab() as lab:
        static = without_sessions(lab, options.static)
    with Lab() as lab:
        real = with_sessions(lab, options.peers, options.seconds)
    print(f"{static['peers']} configured peers: {static['kb_per_peer']} kB each, ready after {static['start_s']} s"
          f" ({static['start_s_without']} s without)")
    print(f"{real['peers']} peers with sessions: {real['kb_per_peer']} kB each, {real['idle_percent']} % of a core when idle")
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"schema": "warren.bench.scale/1", "configured": static, "connected": real}, f, indent=1)
    good = max(static["kb_per_peer"], real["kb_per_peer"]) <= KB_PER_PEER_MAX and real["idle_percent"] <= IDLE_PERCENT_MAX
    print(f"bars: {KB_PER_PEER_MAX} kB per peer, {IDLE_PERCENT_MAX} % of a core: {'held' if good else 'MISSED'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
