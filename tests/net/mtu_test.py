#!/usr/bin/env python3
"""Goal: what is too big for a relayed link is answered or cut, and TCP needs no ICMP to find sizes that pass, also to hosts behind a node.

Method: the line of mesh_test.py with the kernel's own ping and TCP at its ends; 1360 bytes is what its relayed link carries."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import expect, expect_equal, main, poll  # noqa: E402
from mesh_test import line  # noqa: E402

RELAYED = 1360
BEHIND = "203.0.113"


# Sends 2 MB and gets them back; prints the segment size of the client's connection.
SERVER = """import socket
s = socket.create_server(("::", 5201), family=socket.AF_INET6, dualstack_ipv6=True)
c = s.accept()[0]
data = b"".join(iter(lambda: c.recv(65536), b""))
c.sendall(data)"""
CLIENT = """import os, socket, sys
c = socket.create_connection((sys.argv[1], 5201), 5)
data = os.urandom(2_000_000)
c.sendall(data)
c.shutdown(socket.SHUT_WR)
assert b"".join(iter(lambda: c.recv(65536), b"")) == data
print(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))"""


def transfer(client, server, address):
    """A connection that moves bytes both ways; its segment size, without TCP's options."""
    process = server.start("python3", "-c", SERVER)
    poll("the server listens", lambda: ":5201" in server.run("ss", "-ltn"))
    size = int(client.run("python3", "-c", CLIENT, address))
    process.wait(5)
    return size


def too_large_pings_are_cut_or_answered(lab):
    a, b, c = line(lab)
    expect_equal(a.peer_status(c)["mtu"], RELAYED, "mtu of the relayed link")
    expect_equal(a.peer_status(b)["mtu"], 1420, "mtu of the direct link")
    for size in (RELAYED - 28, RELAYED - 27, 1392, 8000):  # before the kernel hears of the smaller size
        expect(a.ping(c.address, size=size, extra=("-M", "dont")), f"{size} bytes in pieces")
    expect_equal(a.drops("too_big"), 0, "drops while all could be cut")
    expect(a.ping(c.address, size=RELAYED - 28, extra=("-M", "do")), "what fits passes whole")
    said = a.run("ping", "-c", 1, "-W", 1, "-M", "do", "-s", RELAYED - 27, c.address, check=False)
    expect(f"mtu = {RELAYED}" in said, "frag needed: " + said)
    expect(a.ping(c.address6, size=RELAYED - 48, extra=("-M", "do")), "IPv6 that fits")
    said = a.run("ping", "-c", 1, "-W", 1, "-M", "do", "-s", RELAYED - 47, c.address6, check=False)
    expect(f"mtu={RELAYED}" in said, "packet too big: " + said)
    expect_equal(a.drops("too_big"), 2, "drops")


def tcp_finds_the_size_without_icmp(lab):
    a, b, c = line(lab)
    timestamps = 12
    expect_equal(transfer(a, c, c.address), RELAYED - 40 - timestamps, "segments")
    expect_equal(transfer(c, a, a.address6), RELAYED - 60 - timestamps, "segments of IPv6")
    expect_equal([n.drops("too_big") for n in (a, c)], [0, 0], "drops")


def tcp_from_behind_a_node_passes_where_icmp_is_filtered(lab):
    a, b, c = line(lab)
    host = lab.host("h")
    lab.connect(c, host, f"{BEHIND}.1/24", f"{BEHIND}.9/24")
    host.ip("route", "add", "default", "via", f"{BEHIND}.1")
    c.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    c.run("nft", "add table inet filter; add chain inet filter forward { type filter hook forward priority 0; }; "
          "add chain inet filter output { type filter hook output priority 0; }; "
          "add rule inet filter forward ip protocol icmp counter drop; add rule inet filter output ip protocol icmp counter drop")
    next(p for p in a.peers if p["name"] == "c")["routes"] = [f"{BEHIND}.0/24"]
    a.reload()
    floor, timestamps = 1280, 12
    expect_equal(transfer(a, host, f"{BEHIND}.9"), floor - 40 - timestamps, "segments")
    expect_equal(transfer(host, a, a.address), floor - 40 - timestamps, "segments of a connection from there")
    expect_equal([n.drops("too_big") for n in (a, c)], [0, 0], "drops")


if __name__ == "__main__":
    main(too_large_pings_are_cut_or_answered, tcp_finds_the_size_without_icmp, tcp_from_behind_a_node_passes_where_icmp_is_filtered)
