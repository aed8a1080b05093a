"""The tunnels that are compared: two hosts each, joined by a veth pair, addresses 10.0.0.1 and 10.0.0.2 (veth: its own)."""
import hashlib
import os
import re
import shutil
import subprocess


class Pair:
    """`a` sends to `target` on `b`; `pids` are the daemons' (none for bare veth)."""

    def __init__(self, lab, name, a, b, target="10.0.0.2"):
        self.name, self.a, self.b, self.target = name, a, b, target
        lab.connect(a, b, "192.0.2.1/24", "192.0.2.2/24")
        a.outer, b.outer = "192.0.2.1", "192.0.2.2"

    @property
    def pids(self):
        return [h.process.pid for h in (self.a, self.b) if getattr(h, "process", None)]

    def aeads(self):
        """The libraries that Warren's daemons chose for sealing; each measures for itself, so that they may differ."""
        found = []
        for host in (self.a, self.b):
            for name in getattr(host, "logs", lambda: [])():
                with open(name, errors="replace") as f:
                    found += re.findall(r"\baead_chosen\b.*\bbackend=(\S+)", f.read())
        return found


def veth(lab):
    return Pair(lab, "veth", lab.host("va"), lab.host("vb"), "192.0.2.2")


def wireguard_go(lab):
    pair = Pair(lab, "wireguard-go", lab.stock("ga", "10.0.0.1"), lab.stock("gb", "10.0.0.2"))
    pair.a.up()
    pair.b.up()
    pair.a.peer(pair.b)
    pair.b.peer(pair.a)
    return pair


def warren(lab, transport):
    short = transport[0]
    pair = Pair(lab, f"warren-{transport}", lab.node(short + "a", "10.0.0.1", transport=transport),
            lab.node(short + "b", "10.0.0.2", transport=transport))
    pair.a.peer(pair.b)
    pair.b.peer(pair.a)
    pair.a.up()
    pair.b.up()
    return pair


MAKERS = {
    "veth": veth,
    "wireguard-go": wireguard_go,
    "warren-wireguard": lambda lab: warren(lab, "wireguard"),
    "warren-plain": lambda lab: warren(lab, "plain"),
}


def reference():
    """Which wireguard-go that is: its path, what it says of itself, and the start of its SHA-256, since builds of one version differ."""
    program = os.environ.get("WIREGUARD_GO", "wireguard-go")
    path = shutil.which(program)
    if not path:
        return {"path": program, "version": "not found", "sha256": ""}
    said = subprocess.run([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    return {"path": path, "version": said.splitlines()[0] if said else "says nothing", "sha256": digest[:16]}
