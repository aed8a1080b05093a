"""Hosts in network namespaces, Warren nodes and stock WireGuard peers on them, for tests against the real kernel.

Everything a lab makes carries its own prefix and is removed when the lab closes, also after a failure. Nothing waits a fixed time:
`poll` asks until a deadline. Programs that were started are ended by their process id. A daemon that does not end with 0, or whose
log has a sanitizer's finding, fails the test.
"""
import atexit
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("WARREN_BUILD", os.path.join(os.path.dirname(__file__), "../../../build/release")))
TEST_PLUGINS = os.path.join(BUILD, "lib/warren/test-plugins")  # WireGuard with shortened timers
WARREN = os.path.join(BUILD, "bin/warren")
TOOLS = os.path.join(BUILD, "bin")
SLOW = float(os.environ.get("WARREN_TEST_SLOW", "1"))  # deadlines are multiplied by this under sanitizers
SUPPORT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../support"))

# For builds with sanitizers; ignored by others. cmake/warren.cmake says the same for what ctest starts.
SANITIZER_EXIT = 99
os.environ.setdefault("ASAN_OPTIONS", f"exitcode={SANITIZER_EXIT}:"
                      "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1")
os.environ.setdefault("UBSAN_OPTIONS", f"exitcode={SANITIZER_EXIT}:print_stacktrace=1")
os.environ.setdefault("LSAN_OPTIONS", f"exitcode={SANITIZER_EXIT}:print_suppressions=0:suppressions={SUPPORT}/lsan.supp")
os.environ.setdefault("TSAN_OPTIONS", f"exitcode={SANITIZER_EXIT}:second_deadlock_stack=1:suppressions={SUPPORT}/tsan.supp")


class Failed(AssertionError):
    pass


def sh(*args, check=True, **kw):
    """Runs a command and returns what it printed."""
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def poll(what, condition, seconds=5.0, every=0.02):
    """Asks until condition() is true; its last value is returned, a timeout fails the test with `what`."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def expect(condition, what):
    if not condition:
        raise Failed(what)


def expect_equal(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")


class Lab:
    """Use as a context manager."""

    def __init__(self):
        self.prefix = f"wl{os.getpid() % 100000}"
        self.folder = tempfile.mkdtemp(prefix="warren-lab-")
        self.hosts = []
        self.processes = []
        self.daemons = {}  # process id -> name of the node, for those whose exit code counts
        self.links = 0
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        logs = {}
        try:
            wrong = self.end_processes()
            for host in self.hosts:
                for name in getattr(host, "logs", lambda: [])():
                    with open(name, errors="replace") as f:
                        logs[f"{host.name}: {os.path.basename(name)}"] = f.read()
            for name, text in logs.items():
                if "Sanitizer" in text or "runtime error:" in text:
                    wrong.append(f"a sanitizer's report in the log of {name}")
        finally:
            self.close()
        if kind is not None or wrong:
            for name, text in logs.items():
                at = min((i for i in (text.find("Sanitizer"), text.find("runtime error:")) if i >= 0), default=-1)
                sys.stderr.write(f"--- {name}\n{text[max(0, at - 200):at + 6000] if at >= 0 else text[-3000:]}\n")
        if wrong and kind is None:
            raise Failed("; ".join(wrong))

    def end_processes(self):
        """Ends everything that runs; what is to be said about daemons that did not end well."""
        wrong = []
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(10 * SLOW)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            name = self.daemons.get(process.pid)
            if name and process.returncode != 0:
                wrong.append(f"daemon {name} ended with {process.returncode}")
        self.processes = []
        return wrong

    def close(self):
        self.end_processes()
        for host in self.hosts:
            sh("ip", "netns", "del", host.ns, check=False)
        self.hosts = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def host(self, name):
        return self._add(Host(self, name))

    def node(self, name, *args, **kw):
        return self._add(Node(self, name, *args, **kw))

    def fresh(self, name, *args, **kw):
        return self._add(Fresh(self, name, *args, **kw))

    def stock(self, name, *args, **kw):
        return self._add(Stock(self, name, *args, **kw))

    def _add(self, host):
        self.hosts.append(host)
        return host

    def connect(self, a, b, address_a, address_b, mtu=1500):
        """A veth pair between two hosts; addresses with prefix length, several separated by spaces."""
        self.links += 1
        names = f"{a.name[:9]}{self.links}", f"{b.name[:9]}{self.links}p"
        sh("ip", "link", "add", names[0], "netns", a.ns, "mtu", mtu, "type", "veth", "peer", "name", names[1], "netns", b.ns, "mtu", mtu)
        for host, name, addresses in ((a, names[0], address_a), (b, names[1], address_b)):
            for address in addresses.split():
                extra = ["nodad"] if ":" in address else []
                host.ip("addr", "add", address, "dev", name, *extra)
            host.ip("link", "set", name, "up")
        return names

    def switch(self, hosts, subnet="192.0.2", v6="2001:db8::", mtu=1500):
        """All hosts on one bridge; host n gets subnet.n and v6n (from 1). Returns nothing; addresses are host.outer and host.outer6."""
        middle = self.host("sw")
        middle.ip("link", "add", "br0", "type", "bridge")
        middle.ip("link", "set", "br0", "mtu", mtu, "up")
        for number, host in enumerate(hosts, 1):
            port = f"p{number}"
            sh("ip", "link", "add", "eth0", "netns", host.ns, "mtu", mtu, "type", "veth", "peer", "name", port, "netns", middle.ns,
                    "mtu", mtu)
            middle.ip("link", "set", port, "master", "br0", "up")
            host.outer, host.outer6 = f"{subnet}.{number}", f"{v6}{number}"
            host.ip("addr", "add", host.outer + "/24", "dev", "eth0")
            host.ip("addr", "add", host.outer6 + "/64", "dev", "eth0", "nodad")
            host.ip("link", "set", "eth0", "up")
        return middle


class Host:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ns = f"{lab.prefix}-{name}"
        self.outer = self.outer6 = None
        self.folder = os.path.join(lab.folder, name)
        os.makedirs(self.folder, mode=0o700)
        sh("ip", "netns", "add", self.ns)
        self.ip("link", "set", "lo", "up")
        sh("ip", "netns", "exec", self.ns, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
           "net.ipv4.conf.all.promote_secondaries=1", "net.ipv4.conf.default.promote_secondaries=1", check=False)

    def ip(self, *args, check=True):
        return sh("ip", "-n", self.ns, *args, check=check)

    def run(self, *args, check=True, **kw):
        return sh("ip", "netns", "exec", self.ns, *args, check=check, **kw)

    def status(self, *args, **kw):
        """The exit code of a command."""
        return subprocess.run(["ip", "netns", "exec", self.ns, *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                **kw).returncode

    def start(self, *args, log=None, env=None):
        out = open(os.path.join(self.folder, log), "a") if log else subprocess.DEVNULL
        process = subprocess.Popen(["ip", "netns", "exec", self.ns, *map(str, args)], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env=env)
        self.lab.processes.append(process)
        return process

    def ping(self, target, count=1, size=56, seconds=1, interval=0.1, extra=()):
        """True when every echo came back."""
        return self.status("ping", "-q", "-c", count, "-i", interval, "-s", size, "-W", seconds, *extra, target) == 0

    def nstat(self, name):
        for line in self.run("nstat", "-asz", name).splitlines():
            if line.startswith(name):
                return int(line.split()[1])
        return 0


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


class Node(Host):
    """A Warren node with one network, "net". Edit `settings` and call start() or reload()."""

    def __init__(self, lab, name, address=None, address6=None, transport="wireguard", binary=None):
        super().__init__(lab, name)
        self.binary = binary or WARREN
        self.keys = os.path.join(self.folder, "keys")
        self.socket = os.path.join(self.folder, "warren.sock")
        self.config = os.path.join(self.folder, "warren.toml")
        self.process = None
        self.address, self.address6 = address, address6
        self.network = {"interface": "w0", "keys": self.keys, "allow_plaintext": transport == "plain"}
        self.addresses = [a + "/24" for a in [address] if a] + [a + "/64" for a in [address6] if a]
        self.transports = [{"plugin": transport, "listen": "[::]:51820"}]
        self.peers = []
        self.roles = []
        self.plugins = []  # (kind, table): discovery, routing, service
        self.plugin_dirs = []
        self.daemon_plugins = {}  # more keys of [plugins] in warren.toml
        os.makedirs(os.path.join(self.folder, "networks"))
        self.run(self.binary, "key", "generate", self.keys)
        shown = json.loads(self.run(self.binary, "key", "show", self.keys, "--json"))
        self.id, self.tunnel_key = shown["id"], shown["tunnel_key"]

    def logs(self):
        return [os.path.join(self.folder, "warren.log")] if os.path.exists(os.path.join(self.folder, "warren.log")) else []

    def peer(self, other, by="key", endpoint=True, outer=None, **extra):
        """Adds a [[peer]] for a Node or Stock host and returns its table."""
        table = {"name": other.name, "addresses": [a for a in (other.address, other.address6) if a]}
        if by == "id":
            table["id"] = other.id
        else:
            table["tunnel_key"] = other.tunnel_key
        if endpoint:
            where = outer or other.outer
            table["endpoints"] = [f"{self.transports[0]['plugin']}://{'[' + where + ']' if ':' in where else where}:51820"]
        table.update(extra)
        self.peers.append(table)
        return table

    def write(self):
        with open(self.config, "w") as f:
            f.write(f"state_dir = {toml(os.path.join(self.folder, 'state'))}\n[control]\nsocket = {toml(self.socket)}\n")
            f.write(f"[log]\nlevel = \"debug\"\n[plugins]\ndirs = {toml(self.plugin_dirs)}\n")
            f.write("".join(f"{k} = {toml(v)}\n" for k, v in self.daemon_plugins.items()))
        lines = ["[network]"] + [f"{k} = {toml(v)}" for k, v in self.network.items()]
        lines += ["[node]", f"name = {toml(self.name)}", f"addresses = {toml(self.addresses)}", f"roles = {toml(self.roles)}"]
        for name, tables in (("transport", self.transports), ("peer", self.peers), *((k, [t]) for k, t in self.plugins)):
            for table in tables:
                lines.append(f"[[{name}]]")
                subs = {k: v for k, v in table.items() if isinstance(v, dict)}
                lines += [f"{k} = {toml(v)}" for k, v in table.items() if k not in subs]
                for sub, entries in subs.items():
                    lines += [f"[{name}.{sub}]"] + [f"{k} = {toml(v)}" for k, v in entries.items()]
        self.network_file = os.path.join(self.folder, "networks/net.toml")
        with open(self.network_file, "w") as f:
            f.write("\n".join(lines) + "\n")

    def up(self, wait=True, prefix=()):
        self.write()
        self.process = self.start(*prefix, self.binary, "run", "--config", self.config, log="warren.log")
        self.lab.daemons[self.process.pid] = self.name
        if wait:
            def answers():
                expect(self.process.poll() is None, f"{self.name} ended with {self.process.returncode}")
                try:
                    return self.api("GET", "/v1/networks/net")["up"]
                except (OSError, http.client.HTTPException, KeyError):
                    return False
            poll(f"{self.name} is up", answers, 10)
        return self

    def down(self, seconds=10):
        self.process.terminate()
        code = self.process.wait(seconds * SLOW)
        self.lab.processes.remove(self.process)
        return code

    def kill(self):
        # `ip netns exec` replaces itself by the program, so this is the daemon's own id.
        self.process.kill()
        self.process.wait()
        self.lab.processes.remove(self.process)

    def api(self, method, path, body=None, timeout=10):
        connection = http.client.HTTPConnection("localhost", timeout=timeout * SLOW)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout * SLOW)
        connection.sock.connect(self.socket)
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        self.api_status = answer.status
        out = json.loads(answer.read())
        connection.close()
        return out

    def reload(self):
        self.write()
        answer = self.api("POST", "/v1/reload")
        expect(self.api_status == 200, f"reload of {self.name}: {answer}")
        return answer

    def net(self):
        return self.api("GET", "/v1/networks/net")

    def peer_status(self, name):
        name = getattr(name, "name", name)
        return next(p for p in self.net()["peers"] if p["name"] == name)

    def drops(self, reason):
        return self.net()["drops"].get(reason, 0)

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Fresh(Node):
    """A machine on which Warren runs and nothing is configured: for networks that people create and join."""

    def __init__(self, lab, name, binary=None):
        Host.__init__(self, lab, name)
        self.binary = binary or WARREN
        self.socket = os.path.join(self.folder, "warren.sock")
        self.config = os.path.join(self.folder, "warren.toml")
        self.state = os.path.join(self.folder, "state")
        self.plugin_dirs = []
        with open(self.config, "w") as f:
            f.write(f"state_dir = {toml(self.state)}\n[control]\nsocket = {toml(self.socket)}\n[log]\nlevel = \"debug\"\n")
            f.write("[plugins]\nwatchdog = \"1s\"\n" if SLOW == 1 else "")

    def up(self, wait=True, prefix=()):
        self.process = self.start(*prefix, self.binary, "run", "--config", self.config, log="warren.log")
        self.lab.daemons[self.process.pid] = self.name
        if wait:
            poll(f"{self.name} answers", self.answers, 10)
        return self

    def answers(self):
        expect(self.process.poll() is None, f"{self.name} ended with {self.process.returncode}")
        try:
            return self.api("GET", "/v1/info")
        except (OSError, http.client.HTTPException):
            return False

    def restart(self):
        self.kill()
        return self.up()

    def warren(self, *args, code=0, **kw):
        """The answer of a command, as JSON; `code` is the exit code that it shall have (None: any)."""
        done = subprocess.run(["ip", "netns", "exec", self.ns, self.binary, "--config", self.config, "--json", *map(str, args)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60 * SLOW, **kw)
        self.said = done.stdout + done.stderr
        if code is not None and done.returncode != code:
            raise Failed(f"{self.name}: warren {' '.join(map(str, args))}: exit {done.returncode}\n{self.said}")
        try:
            return json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            return {"text": self.said}

    def net(self, network="acme"):
        return self.api("GET", f"/v1/networks/{network}")

    def show(self, network="acme"):
        return self.warren("network", "show", "-n", network)

    def log(self):
        with open(os.path.join(self.folder, "warren.log"), errors="replace") as f:
            return f.read()


class Stock(Host):
    """wireguard-go, configured by wg: the foreign peer."""

    def __init__(self, lab, name, address=None, address6=None):
        super().__init__(lab, name)
        self.address, self.address6 = address, address6
        self.private = sh("wg", "genkey").strip()
        self.tunnel_key = sh("wg", "pubkey", input=self.private).strip()
        self.process = None
        self.port = 51820
        self.interface = "wg" + str(os.getpid() % 10000) + name[:5]  # its UAPI socket lives outside of the namespace

    def logs(self):
        return [os.path.join(self.folder, "wireguard-go.log")] if os.path.exists(os.path.join(self.folder, "wireguard-go.log")) else []

    def up(self):
        program = os.environ.get("WIREGUARD_GO", "wireguard-go")
        env = dict(os.environ, WG_PROCESS_FOREGROUND="1", LOG_LEVEL="verbose")
        self.process = self.start(program, "-f", self.interface, log="wireguard-go.log", env=env)
        poll("wireguard-go made its socket", lambda: os.path.exists(f"/var/run/wireguard/{self.interface}.sock"))
        poll("wireguard-go made its interface", lambda: self.interface in self.ip("link"))
        key = os.path.join(self.folder, "private")
        with open(key, "w") as f:
            f.write(self.private)
        self.wg("set", self.interface, "private-key", key, "listen-port", self.port)
        for address in [a for a in (self.address and self.address + "/24", self.address6 and self.address6 + "/64") if a]:
            self.ip("addr", "add", address, "dev", self.interface, *(["nodad"] if ":" in address else []))
        self.ip("link", "set", self.interface, "mtu", "1420", "up")
        return self

    def down(self):
        self.process.terminate()
        self.process.wait(10)
        self.lab.processes.remove(self.process)

    def wg(self, *args):
        return self.run("wg", *args)

    def peer(self, other, endpoint=True, psk=None, outer=None, keepalive=0, allowed=None):
        args = ["set", self.interface, "peer", other.tunnel_key, "allowed-ips",
                allowed or ",".join(a + ("/128" if ":" in a else "/32") for a in (other.address, other.address6) if a)]
        if endpoint:
            where = outer or other.outer
            args += ["endpoint", f"[{where}]:51820" if ":" in where else f"{where}:51820"]
        if psk:
            path = os.path.join(self.folder, "psk")
            with open(path, "w") as f:
                f.write(psk)
            args += ["preshared-key", path]
        if keepalive:
            args += ["persistent-keepalive", str(keepalive)]
        self.wg(*args)

    def show(self, other, what):
        """One column of `wg show dump` for the peer: endpoint, latest-handshake, rx, tx."""
        column = {"endpoint": 2, "latest-handshake": 4, "rx": 5, "tx": 6}[what]
        for line in self.wg("show", self.interface, "dump").splitlines()[1:]:
            fields = line.split("\t")
            if fields[0] == other.tunnel_key:
                return fields[column] if what == "endpoint" else int(fields[column])
        raise Failed(f"{self.name} has no peer {other.name}")


def main(*tests):
    """Runs test functions, each with a lab of its own, or those named on the command line; prints a line each."""
    if os.geteuid() != 0:
        print("needs root: network namespaces and TUN devices")
        sys.exit(77)
    wanted = sys.argv[1:]
    failed = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        begin = time.monotonic()
        try:
            with Lab() as lab:
                test(lab)
            print(f"ok      {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception as e:  # noqa: BLE001 - every failure is reported the same way
            failed += 1
            print(f"FAILED  {test.__name__} ({time.monotonic() - begin:.1f} s): {type(e).__name__}: {e}", flush=True)
    sys.exit(1 if failed else 0)
