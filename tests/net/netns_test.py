#!/usr/bin/env python3
"""Goal: what WireGuard's own netns.sh asserts, as far as it applies to a mesh node.

Method: the same experiments with Warren on one or both ends."""
import base64
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import Failed, expect, expect_equal, main, poll, sh  # noqa: E402

LOW_ORDER_KEYS = [
    # The points whose product with any clamped scalar is zero (RFC 7748 section 6.1; list as in WireGuard's tests).
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def two(lab, mtu=1420, stock=False, by="key"):
    a = lab.node("a", "10.0.0.1", "fd00::1")
    b = lab.stock("b", "10.0.0.2", "fd00::2") if stock else lab.node("b", "10.0.0.2", "fd00::2")
    lab.switch([a, b])
    a.network["mtu"] = mtu
    a.peer(b, by=by)
    if not stock:
        b.network["mtu"] = mtu
        b.peer(a, by=by)
    a.up()
    b.up()
    if stock:
        b.peer(a)
    return a, b


def iperf(client, server, target, *args, seconds=2):
    process = server.start("iperf3", "-s", "-1")
    try:
        poll("iperf3 listens", lambda: ":5201" in server.run("ss", "-ltn"))
        return json.loads(client.run("iperf3", "-J", "-t", seconds, "-c", target, *args))["end"]
    finally:
        process.terminate()
        process.wait()
        client.lab.processes.remove(process)


def ping_floods_tcp_and_udp_pass_in_both_families_and_directions(lab):
    a, b = two(lab)
    for one, other in ((a, b), (b, a)):
        for target in (other.address, other.address6):
            expect(one.ping(target, 100, interval=0.002), f"flood from {one.name} to {target}")
            for args in ((), ("-P", "5"), ("-u", "-b", "50M")):
                end = iperf(one, other, target, *args, seconds=1)
                total = end.get("sum_received") or end["sum"]
                expect(total["bits_per_second"] > 1e6, f"{one.name} to {target} {args}: {total}")


def peers_that_know_only_node_ids_reach_each_other(lab):
    a, b = two(lab, by="id")
    poll("the tunnel keys are known", lambda: a.peer_status(b)["tunnel_key"] == b.tunnel_key, 10)
    expect(a.ping(b.address, 3) and b.ping(a.address6, 3), "both ways")


def edges_of_the_mtu_and_of_padding_pass(lab):
    a, b = two(lab, mtu=1300, stock=True)
    b.ip("link", "set", b.interface, "mtu", "1300")
    # Inner packets of 1297 to 1300 bytes: padding to 16 must not go beyond the MTU.
    for size in (1269, 1270, 1271, 1272):
        expect(a.ping(b.address, 1, size=size, extra=("-M", "do")), f"{size} bytes from warren")
        expect(b.ping(a.address, 1, size=size, extra=("-M", "do")), f"{size} bytes from stock")
    expect(not a.ping(b.address, 1, size=1273, extra=("-M", "do")), "1301 bytes do not pass unfragmented")
    expect(a.ping(b.address, 1, size=4000), "fragments of a larger one do")


def outer_packet_never_exceeds_what_the_inner_mtu_allows(lab):
    a, b = two(lab, mtu=1300, stock=True)
    b.run("nft", "add", "table", "inet", "t")
    b.run("nft", "add", "chain", "inet", "t", "in", "{ type filter hook prerouting priority -300; }")
    b.run("nft", "add", "rule", "inet", "t", "in", "udp", "dport", "51820", "meta", "length", ">", "1360", "drop")
    expect(a.ping(b.address, 1, size=1269), "1297 bytes inside, at most 1360 outside")


def prefix_moves_from_one_peer_to_the_other(lab):
    a = lab.node("a", "10.0.0.1")
    b = lab.stock("b", "10.0.0.2")
    c = lab.stock("c", "10.0.0.3")
    lab.switch([a, b, c])
    a.peer(b, routes=["10.9.0.0/16"])
    a.peer(c)
    a.up()
    for host in (b, c):
        host.up()
        host.peer(a)
        host.ip("addr", "add", "10.9.0.1/32", "dev", host.interface)
    expect(a.ping("10.9.0.1"), "through b")
    sent_to_b = a.peer_status(b)["tx_bytes"]
    a.peers[1]["routes"] = a.peers[0].pop("routes")
    a.reload()
    expect(a.ping("10.9.0.1", 3), "through c")
    expect(a.peer_status(b)["tx_bytes"] - sent_to_b <= 32, "nothing but a keepalive went to b")
    before = a.drops("wrong_source")
    b.ping(a.address, 2, extra=("-I", "10.9.0.1"))
    expect(a.drops("wrong_source") >= before + 1, "what b says of that prefix is refused now")


def source_of_another_peer_is_refused(lab):
    a = lab.node("a", "10.0.0.1")
    b = lab.stock("b", "10.0.0.2")
    c = lab.stock("c", "10.0.0.3")
    lab.switch([a, b, c])
    a.peer(b)
    a.peer(c)
    a.up()
    for host in (b, c):
        host.up()
        host.peer(a)
        expect(host.ping(a.address), f"{host.name} reaches a")
    b.ip("addr", "add", "10.0.0.3/32", "dev", b.interface)
    b.ping(a.address, 3, extra=("-I", "10.0.0.3"))
    expect(a.drops("wrong_source") >= 3, "b cannot speak as c")


def endpoint_follows_authenticated_packets_only(lab):
    a, b = two(lab, stock=True)
    evil = lab.host("evil")
    lab.connect(evil, a, "203.0.113.1/24", "203.0.113.2/24")
    expect(a.ping(b.address), "session")
    before = a.peer_status(b)["endpoint"]
    # A real data message, replayed from elsewhere, and junk of every kind.
    code = ("import socket,os\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
            "for t in (1,2,3,4):\n  for n in (32,64,92,148,200):\n"
            "    s.sendto(bytes([t,0,0,0])+os.urandom(n-4),('203.0.113.2',51820))\n")
    evil.run("python3", "-c", code)
    poll("the junk was counted", lambda: sum(a.net()["drops"].values()) >= 15)
    expect_equal(a.peer_status(b)["endpoint"], before, "endpoint")
    expect(a.ping(b.address), "session lives on")


def own_key_as_peer_is_silent(lab):
    a = lab.node("a", "10.0.0.1")
    b = lab.stock("b", "10.0.0.2")
    lab.switch([a, b])
    a.peer(b)
    a.peers.append({"name": "self", "tunnel_key": a.tunnel_key, "addresses": ["10.0.0.9"], "endpoints": [f"wireguard://{b.outer}:51820"],
            "keepalive": "1s"})
    a.up()
    b.up()
    b.peer(a)
    expect(a.ping(b.address), "others work")
    a.ping("10.0.0.9", 2)
    expect_equal(a.peer_status("self")["tx_bytes"], 0, "bytes sent to ourselves")


def seven_low_order_keys_are_silent(lab):
    a = lab.node("a", "10.0.0.1")
    b = lab.host("b")
    lab.switch([a, b])
    for i, key in enumerate(LOW_ORDER_KEYS):
        a.peers.append({"name": f"low{i}", "tunnel_key": base64.b64encode(bytes.fromhex(key)).decode(), "addresses": [f"10.0.0.{10 + i}"],
                        "endpoints": [f"wireguard://{b.outer}:1111"], "keepalive": "1s"})
    a.up()
    begin = int(a.run("cat", "/sys/class/net/eth0/statistics/tx_packets"))
    for i in range(7):
        a.ping(f"10.0.0.{10 + i}", 1, seconds=0.3)
    for i in range(7):
        expect_equal(a.peer_status(f"low{i}")["tx_bytes"], 0, f"bytes sent to low-order key {i}")
    # ARP and neighbour discovery aside, nothing leaves.
    udp = a.run("cat", "/proc/net/snmp").split("Udp: ")[2].split()[3]
    expect_equal(udp, "0", "datagrams sent")
    del begin


def key_swapped_while_running_makes_a_session_at_once(lab):
    a, b = two(lab, stock=True)
    expect(a.ping(b.address), "old key")
    old = a.tunnel_key
    private = sh("wg", "genkey").strip()
    path = os.path.join(a.keys, "tunnel.key")
    with open(path + ".new", "w") as f:
        os.fchmod(f.fileno(), 0o600)
        f.write(private + "\n")
    os.rename(path + ".new", path)
    a.tunnel_key = sh("wg", "pubkey", input=private).strip()
    b.wg("set", b.interface, "peer", old, "remove")
    b.peer(a)
    a.reload()
    expect(a.ping(b.address, 1, seconds=3), "first ping with the new key")
    expect_equal(a.net()["tunnel_key"], a.tunnel_key, "tunnel key")


def traffic_through_a_nat_with_short_memory_survives_by_keepalive(lab):
    a = lab.node("a", "10.0.0.1")
    b = lab.stock("b", "10.0.0.2")
    nat = lab.host("nat")
    lab.connect(a, nat, "192.168.1.2/24", "192.168.1.1/24")
    lab.connect(b, nat, "203.0.113.2/24", "203.0.113.1/24")
    a.outer, b.outer = "192.168.1.2", "203.0.113.2"
    a.ip("route", "add", "default", "via", "192.168.1.1")
    nat.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nat.run("nft", "add", "table", "ip", "n")
    nat.run("nft", "add", "chain", "ip", "n", "p", "{ type nat hook postrouting priority 100; }")
    nat.run("nft", "add", "rule", "ip", "n", "p", "ip", "saddr", "192.168.1.0/24", "masquerade", "random")
    for name in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
        nat.run("sysctl", "-qw", f"net.netfilter.{name}=2")
    a.peer(b, keepalive="1s")
    a.up()
    b.up()
    b.peer(a, endpoint=False)
    poll("a session by keepalive alone", lambda: a.peer_status(b)["state"] == "up", 10)
    expect(b.show(a, "endpoint").startswith("203.0.113.1:"), "stock sees the NAT's address")
    begin = a.peer_status(b)["tx_packets"]
    poll("keepalives leave while nothing else happens", lambda: a.peer_status(b)["tx_packets"] >= begin + 4, 10)
    expect(b.ping(a.address), "in from outside, after longer than the NAT remembers")


def endpoint_inside_the_tunnel_does_not_loop(lab):
    a, b = two(lab, stock=True)
    expect(a.ping(b.address), "works first")
    # The way to the endpoint now leads into the tunnel itself.
    a.ip("route", "add", f"{b.outer}/32", "dev", "w0")
    a.peers[0]["routes"] = [f"{b.outer}/32"]
    a.reload()
    begin = a.peer_status(b)["tx_bytes"]
    started = time.monotonic()
    while time.monotonic() - started < 1:
        a.ping(b.address, 5, interval=0.01, seconds=0.1)
    expect(a.peer_status(b)["tx_bytes"] - begin < 70000, "bytes sent in a second of looping")
    a.peers[0].pop("routes")
    a.reload()
    a.ip("route", "del", f"{b.outer}/32", "dev", "w0")
    poll("works again", lambda: a.ping(b.address), 20)


def answers_leave_from_the_address_that_was_called(lab):
    a = lab.node("a", "10.0.0.1")
    b = lab.stock("b", "10.0.0.2")
    lab.switch([a, b])
    for i in (2, 3, 4):
        a.ip("addr", "add", f"192.0.2.{50 + i}/24", "dev", "eth0")
    a.peer(b, endpoint=False)
    a.up()
    b.up()
    for i in (2, 3, 4):
        b.peer(a, outer=f"192.0.2.{50 + i}")
        expect(b.ping(a.address), f"through address {50 + i}")
        expect_equal(b.show(a, "endpoint"), f"192.0.2.{50 + i}:51820", "the answer came from the called address")


def source_address_that_goes_away_is_replaced(lab):
    a = lab.node("a", "10.0.0.1")
    b = lab.stock("b", "10.0.0.2")
    lab.switch([a, b])
    a.ip("addr", "add", "192.0.2.77/24", "dev", "eth0")
    a.peer(b)
    a.up()
    b.up()
    b.peer(a, outer="192.0.2.77")
    expect(b.ping(a.address), "through the second address")
    expect(a.ping(b.address), "and back from it")
    a.ip("addr", "del", "192.0.2.77/24", "dev", "eth0")
    poll("traffic goes on from the first address", lambda: a.ping(b.address), 10)
    expect_equal(b.show(a, "endpoint"), f"{a.outer}:51820", "stock follows")


def traffic_passes_without_offloads_and_status_says_what_is_used(lab):
    a, b = two(lab)
    used = a.net()["offloads"]
    expect_equal(set(used), {"tso", "uso", "gso", "gro"}, "offloads that status names")
    expect(all(state in ("on", "unsupported", "untested") for state in used.values()), f"a healthy kernel's offloads: {used}")
    for wanted in ([], ["tso"], ["gso", "gro"]):
        for node in (a, b):
            node.network["offload"] = wanted
            node.reload()
        # Sockets keep what they were opened with until the daemon starts again.
        for node in (a, b):
            node.down()
            node.up()
        now = a.net()["offloads"]
        for name, state in now.items():
            expect_equal(state, used[name] if name in wanted else "off", f"{name} with offload = {wanted}")
        end = iperf(a, b, b.address, seconds=1)
        expect(end["sum_received"]["bits_per_second"] > 1e6, f"TCP with offload = {wanted}: {end['sum_received']}")
    text = a.run(a.binary, "--config", a.config, "--socket", a.socket, "status")
    expect("not tso (off)" in text, f"status says what is off:\n{text}")


if __name__ == "__main__":
    main(ping_floods_tcp_and_udp_pass_in_both_families_and_directions, peers_that_know_only_node_ids_reach_each_other,
         edges_of_the_mtu_and_of_padding_pass, outer_packet_never_exceeds_what_the_inner_mtu_allows,
                 prefix_moves_from_one_peer_to_the_other,
         source_of_another_peer_is_refused, endpoint_follows_authenticated_packets_only, own_key_as_peer_is_silent,
                 seven_low_order_keys_are_silent,
         key_swapped_while_running_makes_a_session_at_once, traffic_through_a_nat_with_short_memory_survives_by_keepalive,
         endpoint_inside_the_tunnel_does_not_loop, answers_leave_from_the_address_that_was_called,
                 source_address_that_goes_away_is_replaced, traffic_passes_without_offloads_and_status_says_what_is_used)
