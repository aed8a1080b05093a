#!/usr/bin/env python3
"""./do demo: four hosts in network namespaces, three of them Warren nodes with different configurations, one a stock WireGuard peer."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import Lab, WARREN, expect, poll  # noqa: E402

BOLD, DIM, GREEN, RED, OFF = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5


def title(text):
    print(f"\n{BOLD}{text}{OFF}", flush=True)


def show_matrix(hosts):
    title("Who reaches whom (ping, IPv4 and IPv6)")
    print(f"{'':14}" + "".join(f"{h.name:>10}" for h in hosts))
    complete = True
    for a in hosts:
        cells = []
        for b in hosts:
            if a is b:
                cells.append(f"{DIM}{'-':>10}{OFF}")
                continue
            reached = a.ping(b.address) and a.ping(b.address6)
            complete = complete and reached
            cells.append(f"{GREEN}{'yes':>10}{OFF}" if reached else f"{RED}{'NO':>10}{OFF}")
        print(f"{a.name:14}" + "".join(cells), flush=True)
    return complete


def main():
    with Lab() as lab:
        title("Making keys, configurations and hosts")
        alice = lab.node("alice", "10.20.0.1", "fd20::1")
        bob = lab.node("bob", "10.20.0.2", "fd20::2")
        carol = lab.node("carol", "10.20.0.3", "fd20::3")
        dave = lab.stock("dave", "10.20.0.4", "fd20::4")
        lab.switch([alice, bob, carol, dave])
        # alice knows the others by node id; bob is reached over IPv6; nobody knows where carol is, she calls; dave runs wireguard-go.
        alice.peer(bob, by="id", outer=bob.outer6)
        alice.peer(carol, by="id", endpoint=False)
        alice.peer(dave)
        bob.network["interface"] = "mesh0"
        bob.peer(alice, by="id", outer=alice.outer6)
        bob.peer(carol, by="id", endpoint=False)
        bob.peer(dave)
        carol.network["mtu"] = 1380
        carol.peer(alice, by="id", keepalive="25s")
        carol.peer(bob, by="id", keepalive="25s")
        carol.peer(dave, keepalive="25s")
        nodes, hosts = [alice, bob, carol], [alice, bob, carol, dave]
        dave.up()
        for node in nodes:
            dave.peer(node)
        for node in nodes:
            node.up()
            print(f"{node.name:8} {node.id}  {DIM}{node.network['interface']}, {node.outer}{OFF}")
        print(f"{dave.name:8} stock wireguard-go, public key {dave.tunnel_key}", flush=True)
        poll("the nodes learned each other's tunnel keys", lambda: all(p["tunnel_key"] for n in nodes for p in n.net()["peers"]), 15)
        poll("carol called everybody", lambda: all(p["state"] == "up" for p in carol.net()["peers"]), 15)
        complete = show_matrix(hosts)

        for node in nodes:
            title(f"warren status on {node.name}")
            print(node.run(WARREN, "--config", node.config, "status"), end="", flush=True)
        title("warren peer list on alice")
        print(alice.run(WARREN, "--config", alice.config, "peer", "list"), end="", flush=True)
        title("warren ping bob on alice")
        print(alice.run(WARREN, "--config", alice.config, "ping", "-c", "3", "bob", check=False), end="", flush=True)

        title("Some seconds of traffic")
        for a, b in ((alice, bob), (bob, alice), (alice, dave)):
            server = b.start("iperf3", "-s", "-1")
            poll("iperf3 listens", lambda: ":5201" in b.run("ss", "-ltn"), 10)
            end = json.loads(a.run("iperf3", "-J", "-c", b.address, "-t", "2"))["end"]
            server.wait(5)
            lab.processes.remove(server)
            kind = "wireguard-go" if b is dave else "Warren"
            print(f"{a.name} to {b.name} ({kind}): {end['sum_received']['bits_per_second'] / 1e9:.2f} Gbit/s TCP, one stream", flush=True)
        title("Removing everything" if complete else f"{RED}Somebody could not be reached{OFF}; removing everything")
        return 0 if complete else 1


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("the demo makes network namespaces and needs root")
        sys.exit(4)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped; everything is removed")
        sys.exit(130)
