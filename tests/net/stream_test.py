#!/usr/bin/env python3
"""Goal: a transport over TCP works over the kernel's streams, end to end.

Method: two daemons in namespaces with the module of the template, named by its absolute path: pings, throughput, calls from both sides,
a daemon that ends and comes back, a peer without an endpoint."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import BUILD, expect, expect_equal, main, poll  # noqa: E402

MODULE = os.path.join(BUILD, "lib/warren/template-plugins/stream_template.so")
WORD = "my-plugin"


def two(lab, endpoints=(True, True), outer6=False):
    nodes = [lab.node(name, f"10.0.0.{i}", f"fd00::{i}", transport=MODULE) for i, name in ((1, "a"), (2, "b"))]
    lab.switch(nodes)
    for one, other, known in zip(nodes, reversed(nodes), endpoints):
        one.network["allow_plaintext"] = True
        where = f"[{other.outer6}]" if outer6 else other.outer
        one.peer(other, endpoint=False, **({"endpoints": [f"{WORD}://{where}:51820"]} if known else {}))
    for node in nodes:
        node.up()
    return nodes


def connections(node):
    """Established streams of the transport, seen from this host."""
    return [line for line in node.run("ss", "-Htn", "state", "established").splitlines() if ":51820" in line]


def pings_pass_in_both_families_and_directions_over_one_connection(lab):
    a, b = two(lab)
    expect("tcp" in a.run("ss", "-Hltn").lower() or ":51820" in a.run("ss", "-Hltn"), "listens on TCP")
    expect(":51820" not in a.run("ss", "-Hlun"), "and on no UDP port")
    for one, other in ((a, b), (b, a)):
        for target in (other.address, other.address6):
            expect(one.ping(target, 5, seconds=3), f"{one.name} to {target}")
            expect(one.ping(target, 3, size=1300), f"large from {one.name} to {target}")
    poll("one connection is left", lambda: len(connections(a)) == 1)
    expect_equal(a.peer_status(b)["state"], "up", "state")


def five_seconds_of_tcp_pass(lab):
    a, b = two(lab)
    expect(a.ping(b.address, seconds=3), "connected")
    server = b.start("iperf3", "-s", "-1")
    poll("iperf3 listens", lambda: ":5201" in b.run("ss", "-ltn"))
    end = json.loads(a.run("iperf3", "-J", "-t", 5, "-c", b.address))["end"]
    server.wait(10)
    lab.processes.remove(server)
    rate = end["sum_received"]["bits_per_second"]
    print(f"        {rate / 1e6:.0f} Mbit/s of TCP inside TCP")
    expect(rate > 20e6, f"{rate} bit/s")
    expect(a.ping(b.address, 10, interval=0.02), "pings afterwards")
    expect_equal(len(connections(a)), 1, "connections")


def both_sides_call_at_once_and_keep_one_connection(lab):
    a, b = two(lab)
    pings = [one.start("ping", "-q", "-c", "30", "-i", "0.02", other.address) for one, other in ((a, b), (b, a))]
    for process in pings:
        expect_equal(process.wait(20), 0, "exit code of ping")
        lab.processes.remove(process)
    poll("one connection is left", lambda: len(connections(a)) == 1)


def daemon_that_comes_back_is_found_again(lab):
    a, b = two(lab)
    expect(a.ping(b.address, seconds=3), "first")
    expect_equal(b.down(), 0, "b ends")
    poll("a sees it at once", lambda: a.peer_status(b)["state"] != "up")
    b.up()
    poll("pings pass again", lambda: a.ping(b.address), 40)
    b.kill()
    b.up()
    poll("also after it was killed", lambda: a.ping(b.address), 40)


def peer_without_an_endpoint_is_reached_over_the_connection_it_made(lab):
    a, b = two(lab, endpoints=(True, False), outer6=True)
    expect(not b.ping(a.address), "b does not know where a is")
    expect(a.ping(b.address, seconds=3), "a calls")
    expect(b.ping(a.address), "b answers over it")


def way_to_the_endpoint_inside_the_tunnel_does_not_loop(lab):
    a, b = two(lab)
    expect(a.ping(b.address, seconds=3), "works first")
    a.peers[0]["routes"] = [f"{b.outer}/32"]
    a.reload()
    a.ping(b.address, 10, interval=0.05, seconds=0.2)
    expect(a.drops("loop") > 0, "what the stream itself sends is not put into the stream")


if __name__ == "__main__":
    main(pings_pass_in_both_families_and_directions_over_one_connection, five_seconds_of_tcp_pass,
         both_sides_call_at_once_and_keep_one_connection, daemon_that_comes_back_is_found_again,
         peer_without_an_endpoint_is_reached_over_the_connection_it_made, way_to_the_endpoint_inside_the_tunnel_does_not_loop)
