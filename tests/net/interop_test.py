#!/usr/bin/env python3
"""Goal: Warren and stock WireGuard are the same on the wire.

Method: wireguard-go and wg in namespaces of their own, real TUN devices on both ends."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import SLOW, TEST_PLUGINS, TOOLS, Failed, expect, expect_equal, main, poll, sh  # noqa: E402


def pair(lab, family=4, psk=None, initiator="warren", keepalive=None, plugin_dirs=(), **extra):
    """A Warren node and a stock peer on one wire, configured for each other, up."""
    a = lab.node("warren", "10.0.0.1", "fd00::1")
    b = lab.stock("stock", "10.0.0.2", "fd00::2")
    a.plugin_dirs = list(plugin_dirs)
    lab.switch([a, b])
    outer = {4: (a.outer, b.outer), 6: (a.outer6, b.outer6)}[family]
    if psk:
        extra["psk"] = psk
    if keepalive:
        extra["keepalive"] = keepalive
    a.peer(b, outer=outer[1], endpoint=initiator != "stock", **extra)
    a.up()
    b.up()
    b.peer(a, psk=psk, outer=outer[0], endpoint=initiator != "warren")
    return a, b


def both_ways(a, b):
    for target in (b.address, b.address6):
        expect(a.ping(target, 3), f"{a.name} reaches {target}")
    for target in (a.address, a.address6):
        expect(b.ping(target, 3), f"{b.name} reaches {target}")


def warren_initiates_over_ipv4(lab):
    both_ways(*pair(lab))


def stock_initiates_over_ipv4(lab):
    a, b = pair(lab, initiator="stock")
    expect(b.ping(a.address, 3), "stock reaches warren")
    both_ways(a, b)
    expect_equal(a.peer_status(b)["endpoint"], f"{b.outer}:51820", "endpoint learned from the stock peer")


def both_initiate_over_ipv6(lab):
    both_ways(*pair(lab, family=6, initiator="both"))


def preshared_key_over_ipv6(lab):
    both_ways(*pair(lab, family=6, psk=sh("wg", "genpsk").strip()))


def preshared_key_over_ipv4_with_the_stock_peer_initiating(lab):
    a, b = pair(lab, psk=sh("wg", "genpsk").strip(), initiator="stock")
    expect(b.ping(a.address, 3), "stock reaches warren")
    both_ways(a, b)


def stock_initiates_over_ipv6(lab):
    a, b = pair(lab, family=6, initiator="stock")
    expect(b.ping(a.address6, 3), "stock reaches warren")
    both_ways(a, b)


def every_aead_library_talks_to_the_stock_peer(lab):
    a, b = pair(lab, initiator="both")
    names = ["openssl", "libsodium"] + (["ipsec-mb"] if os.uname().machine == "x86_64" else [])
    for name in names:
        a.transports[0]["wireguard"] = {"aead": name}
        a.reload()
        expect(a.ping(b.address, 20, size=1300, interval=0.01, seconds=6), f"{name} seals and opens")


def wrong_preshared_key_gives_no_session_and_says_why(lab):
    a = lab.node("warren", "10.0.0.1")
    b = lab.stock("stock", "10.0.0.2")
    lab.switch([a, b])
    a.peer(b, psk=sh("wg", "genpsk").strip())
    a.up()
    b.up()
    b.peer(a, psk=sh("wg", "genpsk").strip())
    expect(not a.ping(b.address, 2), "no answer with different preshared keys")
    expect(a.peer_status(b)["state"] != "up", "no session")


def byte_counters_are_exact_after_ten_pings(lab):
    a, b = pair(lab, initiator="warren")
    expect(a.ping(b.address, 10, interval=0.05), "ten pings")
    ours, rx, tx = a.peer_status(b), b.show(a, "rx"), b.show(a, "tx")
    expect_equal(ours["rx_bytes"], 1372, "received by warren")
    expect(ours["tx_bytes"] in (1428, 1460), f"sent by warren: {ours['tx_bytes']}")
    expect_equal(tx, 1372, "sent by stock")
    expect_equal(rx, ours["tx_bytes"], "received by stock")
    expect(ours["latest_handshake"] is not None and b.show(a, "latest-handshake") != 0, "both know the handshake")


def byte_counters_are_exact_when_the_stock_peer_initiates(lab):
    a, b = pair(lab, initiator="stock")
    expect(b.ping(a.address, 10, interval=0.05), "ten pings")
    ours = a.peer_status(b)
    expect_equal(ours["tx_bytes"], 1372, "sent by warren")
    expect(ours["rx_bytes"] in (1428, 1460), f"received by warren: {ours['rx_bytes']}")


def rekeys_lose_no_packet(lab):
    """With the timers of the test module Warren rekeys every few seconds; the stock peer follows."""
    a, b = pair(lab, plugin_dirs=[TEST_PLUGINS])
    expect(a.ping(b.address), "first ping")
    first = a.peer_status(b)["latest_handshake_unix_ms"]
    out = a.run("ping", "-c", "800", "-i", "0.01", "-q", b.address)
    expect("800 received" in out, out)
    metrics = a.net()["instances"][0]["metrics"]
    expect(metrics["handshake_initiations_total"] >= 3, f"rekeyed: {metrics}")
    expect(a.peer_status(b)["latest_handshake_unix_ms"] > first, "a later handshake")


def stock_peer_restarts(lab):
    a, b = pair(lab, initiator="both")
    both_ways(a, b)
    b.down()
    b.up()
    b.peer(a)
    expect(b.ping(a.address), "the restarted peer speaks first")
    both_ways(a, b)


def warren_restarts_and_after_kill_9(lab):
    a, b = pair(lab, initiator="both")
    both_ways(a, b)
    expect_equal(a.down(), 0, "exit code")
    expect("w0" not in a.ip("link"), "interface is gone")
    a.up()
    expect(a.ping(b.address), "after a restart")
    a.kill()
    poll("the kernel removed the interface", lambda: "w0" not in a.ip("link"))
    a.up()
    expect(a.ping(b.address), "after kill -9")
    both_ways(a, b)


def peer_changes_its_port_and_address(lab):
    a, b = pair(lab, initiator="both")
    both_ways(a, b)
    b.wg("set", b.interface, "listen-port", "4242")
    expect(b.ping(a.address), "from the new port")
    poll("warren follows the port", lambda: a.peer_status(b)["endpoint"] == f"{b.outer}:4242")
    expect(a.ping(b.address), "to the new port")
    b.ip("addr", "add", "192.0.2.99/24", "dev", "eth0")
    b.ip("addr", "del", f"{b.outer}/24", "dev", "eth0")
    b.peer(a)  # wireguard-go of 2022 does not forget its vanished source address by itself
    expect(b.ping(a.address), "from the new address")
    poll("warren follows the address", lambda: a.peer_status(b)["endpoint"] == "192.0.2.99:4242")
    expect(a.ping(b.address), "to the new address")


def warren_changes_its_address(lab):
    a, b = pair(lab, initiator="both")
    both_ways(a, b)
    old = a.outer
    a.ip("addr", "add", "192.0.2.88/24", "dev", "eth0")
    a.ip("addr", "del", f"{old}/24", "dev", "eth0")
    poll("warren sends from its new address", lambda: a.ping(b.address), 10)
    expect_equal(b.show(a, "endpoint"), "192.0.2.88:51820", "stock follows")


def flood(lab, source, target_key, target, mode, seconds, rate):
    return source.start(os.path.join(TOOLS, "wireguard_flood"), target_key, target, "51820", mode, str(rate), str(seconds), log="flood.log")


def floods_leave_memory_flat_and_let_a_legitimate_peer_in_within_a_second(lab):
    """A Warren peer answers a cookie at once. wireguard-go waits for its own retry after 5 s, as the paper says, and gets in then."""
    a = lab.node("warren", "10.0.0.1")
    b = lab.stock("stock", "10.0.0.2")
    c = lab.node("other", "10.0.0.3")
    evil = lab.host("evil")
    lab.switch([a, b, c, evil])
    # The attacker may speak from any address of a /16.
    evil.ip("route", "add", "local", "198.18.0.0/16", "dev", "lo")
    a.ip("route", "add", "198.18.0.0/16", "via", evil.outer)
    a.peer(b, endpoint=False)
    a.peer(c, endpoint=False)
    a.up()
    b.up()
    c.peer(a)
    before = None
    for mode, limit in (("bad-mac1", 1), ("good-mac1", 6.5)):
        # Slower programs get a slower flood: one that fills the socket's queue says nothing about the protocol.
        process = flood(lab, evil, a.tunnel_key, a.outer, mode, 30, int(20000 / SLOW))
        poll("the flood arrives", lambda: sum(a.net()["drops"].values()) > 5000, 10)
        before = before or a.rss_kb()
        if mode == "good-mac1":
            poll("cookies are demanded", lambda: a.net()["instances"][0]["metrics"]["cookie_replies_total"] > 100, 5)
        c.up()
        begin = time.monotonic()
        poll("a legitimate ping of another Warren node is answered", lambda: c.ping(a.address, seconds=0.2), 3)
        took = time.monotonic() - begin
        expect(took < 1 * SLOW, f"handshake of another Warren node took {took:.2f} s under {mode}")
        c.down()
        b.peer(a)
        begin = time.monotonic()
        poll("a legitimate ping of wireguard-go is answered", lambda: b.ping(a.address, seconds=0.2), limit + 1)
        took = time.monotonic() - begin
        expect(took < limit * SLOW, f"handshake of wireguard-go took {took:.2f} s under {mode}")
        expect(process.poll() is None, "the flood was still on")
        process.terminate()
        process.wait()
        b.wg("set", b.interface, "peer", a.tunnel_key, "remove")
    after = a.rss_kb()
    # Under sanitizers, which keep what is freed, memory says nothing; it is they who look for leaks then.
    expect(SLOW > 1 or after - before < 2048, f"memory grew from {before} to {after} kB")


if __name__ == "__main__":
    main(warren_initiates_over_ipv4, stock_initiates_over_ipv4, both_initiate_over_ipv6, preshared_key_over_ipv6,
         preshared_key_over_ipv4_with_the_stock_peer_initiating, stock_initiates_over_ipv6, every_aead_library_talks_to_the_stock_peer,
         wrong_preshared_key_gives_no_session_and_says_why, byte_counters_are_exact_after_ten_pings,
         byte_counters_are_exact_when_the_stock_peer_initiates, rekeys_lose_no_packet, stock_peer_restarts,
                 warren_restarts_and_after_kill_9,
         peer_changes_its_port_and_address, warren_changes_its_address,
         floods_leave_memory_flat_and_let_a_legitimate_peer_in_within_a_second)
