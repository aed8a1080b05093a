#!/usr/bin/env python3
"""./do demo: a network from nothing, by commands alone, between hosts in network namespaces: created, joined by one who is accepted and
one who is rejected, entered by a stock WireGuard client with the file that it is given; a rule forbids a port and a drop is explained;
at the end somebody is removed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import Lab, expect, poll  # noqa: E402

BOLD, DIM, GREEN, RED, OFF = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
RULES = """{ // everybody may do everything, but nobody fetches from port 8080
  "acls": [
    {"action": "deny", "proto": "tcp", "src": ["*"], "dst": ["*:8080"]},
    {"action": "accept", "src": ["*"], "dst": ["*:*"]},
  ],
}
"""


def title(text):
    print(f"\n{BOLD}{text}{OFF}", flush=True)


def told(ok, text):
    print(f"  {GREEN if ok else RED}{text}{OFF}", flush=True)
    expect(ok, text)


def command(host, *args, quiet=False):
    """Shows a command as a person would type it on that host, and what it says."""
    shown = " ".join(a if len(a) < 60 else a[:40] + "…" for a in args)
    print(f"{DIM}{host.name}${OFF} warren {shown}", flush=True)
    text = host.run(host.binary, "--config", host.config, *args)
    if not quiet:
        print("".join("  " + line + "\n" for line in text.splitlines()), end="", flush=True)
    return text


def members(host):
    return host.warren("member", "list")


def main():
    with Lab() as lab:
        alice, bob, mallory, carol = (lab.fresh(n) for n in ("alice", "bob", "mallory", "carol"))
        dave = lab.host("dave")
        lab.switch([alice, bob, mallory, carol, dave])
        for node in (alice, bob, mallory, carol):
            node.up()

        title("alice makes a network and gets a link to send")
        command(alice, "network", "create", "acme", "--node", "alice")
        inner = {"alice": alice.show()["address"]}

        title("bob and mallory use links; alice decides")
        for guest in (bob, mallory, carol):
            link = alice.warren("invite", "create")["link"]
            command(guest, "network", "join", link, "--name", guest.name, "--no-wait")
        poll("all have asked", lambda: len(members(alice)["pending"]) == 3, 10)
        command(alice, "member", "list")
        command(alice, "member", "accept", "bob", quiet=True)
        command(alice, "member", "accept", "carol", quiet=True)
        command(alice, "member", "reject", "mallory", "--why", "I do not know you", quiet=True)
        poll("mallory knows", lambda: mallory.show()["state"] == "refused", 10)
        told(mallory.show()["why"] == "I do not know you", "mallory was told: I do not know you")
        for guest in (bob, carol):
            poll(f"{guest.name} is a member", lambda: guest.show()["state"] == "member", 10)
            inner[guest.name] = guest.show()["address"]
        told(poll("bob reaches carol", lambda: bob.ping(inner["carol"]), 10),
             f"bob reaches carol ({inner['carol']}), whom nobody told him of")

        title("dave has only WireGuard: a file is all he needs")
        made = alice.warren("member", "add", "--wireguard", "dave")
        config = os.path.join(dave.folder, "wg.conf")
        print("".join("  " + line + "\n" for line in made["config"].replace(made["config"].split("PrivateKey = ")[1].split("\n")[0],
                                                                          "(secret)").splitlines()), end="")
        with open(config, "w") as f:
            f.write("\n".join(line for line in made["config"].splitlines() if not line.startswith(("Address", "DNS", "MTU"))) + "\n")
        interface = "wgd" + str(os.getpid() % 10000)
        dave.start("wireguard-go", "-f", interface, env=dict(os.environ, WG_PROCESS_FOREGROUND="1"))
        poll("wireguard-go runs", lambda: os.path.exists(f"/var/run/wireguard/{interface}.sock"), 10)
        dave.run("wg", "setconf", interface, config)
        dave.ip("addr", "add", made["address"] + "/24", "dev", interface)
        dave.ip("link", "set", interface, "up")
        told(poll("dave reaches alice", lambda: dave.ping(inner["alice"]), 10), f"dave ({made['address']}) reaches alice")

        title("a rule forbids one port, everywhere at once")
        carol.start("python3", "-c", "import http.server as h; h.HTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()")
        fetch = lambda: bob.status("python3", "-c", f"import socket; socket.create_connection(('{inner['carol']}', 8080), 1)") == 0
        told(poll("carol serves", fetch, 10), "before: bob fetches from carol's port 8080")
        rules = os.path.join(alice.folder, "rules.hujson")
        with open(rules, "w") as f:
            f.write(RULES)
        print("".join(f"  {DIM}{line}{OFF}\n" for line in RULES.splitlines()), end="")
        command(alice, "acl", "push", rules, "--note", "no fetching", quiet=True)
        poll("the port is closed", lambda: not fetch(), 10)
        told(bob.ping(inner["carol"]), "after: port 8080 is closed, everything else passes")
        command(bob, "explain", "flow", "bob", "carol", "tcp", "8080")
        command(bob, "explain", "flow", "--last")

        title("carol leaves the company")
        command(alice, "member", "remove", "carol", quiet=True)
        poll("carol is out", lambda: not bob.ping(inner["carol"]), 10)
        poll("carol knows", lambda: carol.show()["state"] == "removed", 10)
        told(bob.ping(inner["alice"]), "nobody reaches carol any more; bob and alice go on, with a new secret")
        command(alice, "member", "list")
        command(alice, "audit")
        title("Removing everything")
        return 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("the demo makes network namespaces and needs root")
        sys.exit(4)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped; everything is removed")
        sys.exit(130)
