#!/usr/bin/env python3
"""Goal: members without a direct path work together over real networks: relayed links by a routing plugin, and services on them."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import BUILD, expect, expect_equal, main, poll  # noqa: E402

TEMPLATES = os.path.join(BUILD, "tests/unit/core/mesh/modules")


def line(lab, service=False):
    """a - b - c: the ends are on different networks, the middle is on both and forwards nothing in its kernel."""
    nodes = [lab.node(name, f"10.0.0.{i}", f"fd00::{i}") for i, name in enumerate("abc", 1)]
    a, b, c = nodes
    lab.connect(a, b, "192.0.2.1/24", "192.0.2.2/24")
    lab.connect(b, c, "198.51.100.2/24", "198.51.100.3/24")
    b.run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    a.peer(b, by="id", outer="192.0.2.2")
    a.peer(c, by="id", endpoint=False)
    b.peer(a, by="id", outer="192.0.2.1")
    b.peer(c, by="id", outer="198.51.100.3")
    c.peer(b, by="id", outer="198.51.100.2")
    c.peer(a, by="id", endpoint=False)
    b.roles = ["relay"]
    for node in nodes:
        node.plugins.append(("routing", {"plugin": os.path.join(TEMPLATES, "routing-cpp.so"), "my-plugin": {"interval": "1s"}}))
        if service:
            node.plugins.append(("service", {"plugin": os.path.join(TEMPLATES, "service-cpp.so")}))
        node.up()
    poll("a reaches c through b", lambda: a.ping(c.address), 30)
    return nodes


def cli(node, *args):
    return node.run(node.binary, *args, "--config", node.config)


def ends_of_a_line_reach_each_other_and_say_how(lab):
    a, b, c = line(lab)
    expect(c.ping(a.address), "the other way")
    expect(a.ping(c.address6), "IPv6")
    there = a.peer_status(c)
    expect_equal((there["path"], there["via"], there["endpoint"]), ("relayed", "b", "through the mesh"), "path of c at a")
    routes = json.loads(cli(a, "route", "list", "--json"))
    expect_equal([(r["destination"], r["next_hop"], r["used"]) for r in routes["routes"]], [("c", "b", True)], "ways")
    shown = cli(a, "route", "list")
    expect("DESTINATION" in shown and "my-plugin" in shown, shown)
    expect("(relayed)" in cli(a, "ping", "-c", "1", "c"), "ping says relayed")
    expect("through b" in cli(a, "peer", "list"), "the list of peers says through whom")
    expect("relay" in cli(b, "status"), "status of the relay")


def tcp_flows_through_a_relay_at_the_smaller_size(lab):
    a, b, c = line(lab)
    server = c.start("iperf3", "-s")
    poll("iperf3 listens", lambda: ":5201" in c.run("ss", "-ltn"))
    for direction in ((), ("-R",)):
        end = json.loads(a.run("iperf3", "-J", "-t", "2", "-c", c.address, *direction))["end"]
        expect(end["sum_received"]["bits_per_second"] > 20e6, f"{end['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s relayed")
    server.terminate()


def who_stops_relaying_is_not_used_any_more(lab):
    a, b, c = line(lab)
    b.roles = []
    b.reload()
    poll("a sees no way", lambda: not json.loads(cli(a, "route", "list", "--json"))["routes"], 20)
    expect(not a.ping(c.address), "c is out of reach")
    b.roles = ["relay"]
    b.reload()
    poll("a reaches c again", lambda: a.ping(c.address), 60)


def notes_of_a_service_spread_also_through_a_relay(lab):
    a, b, c = line(lab, service=True)
    cli(a, "plugin", "call", "my-plugin", "/say/hello you", "--post")
    poll("c has the note", lambda: "hello you" in cli(c, "plugin", "call", "my-plugin"), 20)
    notes = json.loads(cli(c, "plugin", "call", "my-plugin"))["notes"]
    expect_equal(notes, [{"from": "a", "text": "hello you"}], "notes at c")
    refused = c.status(c.binary, "plugin", "call", "nobody", "--config", c.config)
    expect(refused != 0, "an unknown plugin is an error")


if __name__ == "__main__":
    main(ends_of_a_line_reach_each_other_and_say_how, tcp_flows_through_a_relay_at_the_smaller_size,
         who_stops_relaying_is_not_used_any_more, notes_of_a_service_spread_also_through_a_relay)
