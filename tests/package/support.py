"""What the tests of this folder share: a node whose plugins are modules named by their path, and commands in a clean environment."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../.."))
sys.path.insert(0, os.path.join(HERE, "../net/lib"))
from lab import Failed, Node, expect, poll, toml  # noqa: E402


def clean_environment(**extra):
    """Nothing that a developer has set reaches the programs."""
    developers = ("WARREN", "CMAKE", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "PKG_CONFIG")
    return dict({k: v for k, v in os.environ.items() if not k.startswith(developers)}, **extra)


def command(*args, code=0, env=None, **kw):
    """Runs a command, wants its exit code, returns all that it printed."""
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=env or clean_environment(), **kw)
    if done.returncode != code:
        raise Failed(f"{' '.join(map(str, args))}: exit {done.returncode}, wanted {code}\n{done.stdout}")
    return done.stdout


class ModuleNode(Node):
    """A node that names transport and discovery by path (or word); `word` is the transport's word in endpoints, `options` are its keys."""

    def __init__(self, lab, name, address, transport, word, discovery=None, binary=None, **options):
        super().__init__(lab, name, address, transport=transport, binary=binary)
        self.word, self.discovery = word, discovery
        self.network["allow_plaintext"] = True
        if options:
            self.transports[0][word] = options

    def write(self):
        super().write()
        if self.discovery:
            with open(self.network_file, "a") as f:
                f.write(f"[[discovery]]\nplugin = {toml(self.discovery)}\n")

    def knows(self, other):
        return self.peer(other, endpoints=[f"{self.word}://{other.outer}:51820"])


def carries_pings(a, b):
    """Connects two ModuleNodes, starts them, and wants pings both ways with small and full packets."""
    a.lab.switch([a, b])
    a.knows(b)
    b.knows(a)
    a.up()
    b.up()
    for one, other in ((a, b), (b, a)):
        poll(f"{one.name} reaches {other.name}", lambda: one.ping(other.address), 10)
        expect(one.ping(other.address, 10, interval=0.02), f"ten pings of {one.name} to {other.name}")
        expect(one.ping(other.address, 3, size=1300), f"large pings of {one.name} to {other.name}")
