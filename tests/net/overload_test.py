#!/usr/bin/env python3
"""More traffic than two cores can carry: what is left for the others.

Three nodes on one switch. One flow of small UDP packets, offered faster than anything here forwards them, between two of the nodes;
meanwhile others ping, the control API is asked, a node that was not there yet comes up.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import TOOLS, expect, main, poll  # noqa: E402

OFFERED_PPS, PAYLOAD, PINGS = 600000, 172, 150


def received(node):
    """Packets of the flood that came out of the node's interface, about: superpackets count by their bytes."""
    return int(node.run("cat", "/sys/class/net/w0/statistics/rx_bytes")) // (PAYLOAD + 28)


class Flood:
    """From one node to another for some seconds; both programs are ended with it."""

    def __init__(self, source, target, seconds):
        def start(host, *args):
            return subprocess.Popen(["ip", "netns", "exec", host.ns, os.path.join(TOOLS, "udp_load"), *map(str, args)],
                                    stdout=subprocess.PIPE, text=True)
        before = received(target)
        self.programs = [start(target, "receive", 9000, 1), start(source, "send", target.address, 9000, PAYLOAD, OFFERED_PPS, seconds)]
        poll("the flood arrives", lambda: received(target) > before + OFFERED_PPS / 20, 10)

    def __enter__(self):
        return self

    def running(self):
        return self.programs[1].poll() is None

    def __exit__(self, *_):
        for program in self.programs:
            program.kill()
            program.communicate()


def three(lab):
    nodes = [lab.node(name, f"10.0.0.{number}") for number, name in enumerate("abcd", 1)]
    lab.switch(nodes)
    for node in nodes:
        for other in nodes:
            if node is not other:
                node.peer(other)
    for node in nodes[:3]:
        node.up()
    a, b, c, d = nodes
    for one, other in ((a, b), (a, c), (b, c)):
        expect(one.ping(other.address, 3), f"{one.name} reaches {other.name}")
    return a, b, c, d


def answered(one, other):
    """Of PINGS in one and a half seconds."""
    out = one.run("ping", "-q", "-c", PINGS, "-i", "0.01", "-W", "2", other.address, check=False)
    return int(out.split(" received")[0].rsplit(" ", 1)[1])


def api_times(node, times=20):
    out = []
    for _ in range(times):
        begin = time.monotonic()
        node.api("GET", "/v1/networks/net")
        out.append(time.monotonic() - begin)
    return sorted(out)


def check_others(flood, pinging, pinged, asked):
    got = answered(pinging, pinged)
    expect(got >= PINGS * 0.96, f"{got} of {PINGS} pings from {pinging.name} to {pinged.name} answered during the flood")
    times = api_times(asked)
    expect(times[-2] < 0.1, f"the control API of {asked.name} answers within 100 ms during the flood: {times}")
    expect(flood.running(), "the flood lasted longer than the measurement")


def flood_that_a_node_sends_leaves_its_other_peers_and_its_api_alone(lab):
    a, b, c, _ = three(lab)
    with Flood(a, b, 20) as flood:
        check_others(flood, a, c, a)


def flood_that_a_node_receives_leaves_its_other_peers_and_its_api_alone(lab):
    a, b, c, _ = three(lab)
    with Flood(b, a, 20) as flood:
        check_others(flood, c, a, a)


def new_peer_gets_a_session_during_a_flood(lab):
    a, b, _, d = three(lab)
    with Flood(b, a, 30) as flood:
        d.up()
        poll("a new peer reaches the node under load", lambda: d.ping(a.address), 10)
        expect(flood.running(), "the flood lasted longer than the measurement")
        memory = max(resident_mb(node) for node in (a, b))
        expect(memory < 24, f"memory stays bounded under load: {memory:.1f} MB")


def resident_mb(node):
    with open(f"/proc/{node.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main(flood_that_a_node_sends_leaves_its_other_peers_and_its_api_alone,
         flood_that_a_node_receives_leaves_its_other_peers_and_its_api_alone, new_peer_gets_a_session_during_a_flood)
