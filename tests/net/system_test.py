#!/usr/bin/env python3
"""Goal: the daemon is a good guest of its machine: it starts whole or not at all, mends what others break, and leaves nothing behind."""
import datetime
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import SLOW, TEST_PLUGINS, WARREN, Failed, expect, expect_equal, main, poll  # noqa: E402


def two(lab):
    a = lab.node("a", "10.0.0.1", "fd00::1")
    b = lab.node("b", "10.0.0.2", "fd00::2")
    lab.switch([a, b])
    a.peer(b, routes=["10.50.0.0/16"])
    b.peer(a)
    a.up()
    b.up()
    expect(a.ping(b.address), "a reaches b")
    return a, b


def run_once(node):
    """Runs the daemon to its end; exit code and what it said."""
    node.write()
    done = subprocess.run(["ip", "netns", "exec", node.ns, WARREN, "run", "--config", node.config], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=20)
    return done.returncode, done.stdout


def bad_configuration_exits_2_before_the_system_is_touched(lab):
    a = lab.node("a", "10.0.0.1")
    a.network["mtuu"] = 1400
    a.network["mtu"] = "x"
    code, said = run_once(a)
    expect_equal(code, 2, "exit code")
    expect("net.toml:5:" in said or "net.toml:6:" in said, said)
    expect("did you mean 'mtu'" in said and "expected an integer" in said, "both mistakes at once: " + said)
    expect("w0" not in a.ip("link"), "no interface")
    expect(not os.path.exists(a.socket), "no socket")


def each_obstacle_has_its_exit_code_and_one_sentence_with_the_next_step(lab):
    a = lab.node("a", "10.0.0.1")
    os.rename(a.keys, a.keys + "x")
    code, said = run_once(a)
    expect_equal(code, 2, "no keys: " + said)
    expect("warren key generate" in said, said)
    os.rename(a.keys + "x", a.keys)
    os.chmod(os.path.join(a.keys, "tunnel.key"), 0o644)
    code, said = run_once(a)
    expect_equal(code, 4, "readable key: " + said)
    expect("chmod 600" in said, said)
    os.chmod(os.path.join(a.keys, "tunnel.key"), 0o600)
    a.ip("link", "add", "w0", "type", "bridge")
    code, said = run_once(a)
    expect_equal(code, 6, "interface name taken: " + said)
    expect("w0" in said, said)
    a.ip("link", "del", "w0")
    holder = a.start("python3", "-c", "import socket,time\n"
                     "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\ns.bind(('::',51820))\ntime.sleep(60)")
    poll("the port is taken", lambda: ":51820" in a.run("ss", "-lun"))
    code, said = run_once(a)
    expect_equal(code, 6, "port in use: " + said)
    expect("51820" in said, said)
    holder.kill()
    holder.wait()
    a.up()
    code, said = run_once(a)
    expect_equal(code, 6, "second daemon on one socket: " + said)
    expect("another warren daemon" in said, said)
    expect(a.net()["up"], "the first runs on")


def missing_privilege_is_said(lab):
    a = lab.node("a", "10.0.0.1")
    a.write()
    done = subprocess.run(["ip", "netns", "exec", a.ns, "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", WARREN, "run",
            "--config", a.config],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    expect_equal(done.returncode, 4, "exit code: " + done.stdout)
    expect("root" in done.stdout or "CAP_NET_ADMIN" in done.stdout, done.stdout)


def reload_with_a_bad_file_keeps_everything_and_says_why(lab):
    a, b = two(lab)
    before = a.net()
    a.peers[0]["keepalive"] = "soon"
    a.network["mtu"] = 1300
    a.write()
    answer = a.api("POST", "/v1/reload")
    expect_equal(a.api_status, 422, "status")
    expect("net.toml:" in answer["detail"] and "keepalive" in answer["detail"], answer["detail"])
    after = a.net()
    expect_equal(after["mtu"], before["mtu"], "mtu")
    expect(a.ping(b.address), "traffic goes on")
    expect_equal(a.peer_status(b)["latest_handshake"], before["peers"][0]["latest_handshake"], "session")


def reload_changes_only_what_changed(lab):
    a, b = two(lab)
    handshake = a.peer_status(b)["latest_handshake"]
    ping = a.start("ping", "-q", "-i", "0.01", "-c", "300", b.address, log="ping.log")
    a.network["mtu"] = 1400
    a.peers[0]["routes"] = ["10.60.0.0/16"]
    a.reload()
    expect("mtu 1400" in a.ip("link", "show", "w0"), "mtu")
    routes = a.ip("route")
    expect("10.60.0.0/16 dev w0" in routes and "10.50.0.0/16" not in routes, routes)
    expect_equal(ping.wait(20), 0, "no ping was lost")
    with open(os.path.join(a.folder, "ping.log")) as f:
        expect(" 0% packet loss" in f.read(), "no ping was lost")
    expect_equal(a.peer_status(b)["latest_handshake"], handshake, "the session was kept")
    # Everything that a running daemon must not lose over a second reload.
    os.kill(a.process.pid, signal.SIGHUP)
    expect(a.ping(b.address, 3), "after SIGHUP")


def routes_addresses_and_link_deleted_behind_our_back_come_back(lab):
    a, b = two(lab)
    a.ip("route", "del", "10.50.0.0/16", "dev", "w0")
    poll("the route is back", lambda: "10.50.0.0/16 dev w0" in a.ip("route"), 5)
    a.ip("addr", "del", "10.0.0.1/24", "dev", "w0")
    poll("the address and its routes are back", lambda: "10.0.0.1/24" in a.ip("addr", "show",
            "w0") and "10.50.0.0/16 dev w0" in a.ip("route"), 5)
    a.ip("addr", "flush", "dev", "w0")
    poll("all addresses are back", lambda: "fd00::1/64" in a.ip("addr", "show", "w0") and "10.0.0.1/24" in a.ip("addr", "show", "w0"), 5)
    # Who sets an interface down means it; its routes, which the kernel removes with that, come back with the link.
    a.ip("link", "set", "w0", "down")
    poll("status says that it is down", lambda: not a.net()["up"], 5)
    a.ip("link", "set", "w0", "up")
    poll("the routes are back", lambda: a.net()["up"] and "10.50.0.0/16 dev w0" in a.ip("route"), 5)
    a.ip("link", "set", "w0", "mtu", "1300")
    poll("the MTU is back", lambda: "mtu 1420" in a.ip("link", "show", "w0"), 5)
    poll("and traffic flows", lambda: a.ping(b.address) and a.ping(b.address6), 5)


def interface_deleted_behind_our_back_comes_back(lab):
    a, b = two(lab)
    a.ip("link", "del", "w0")
    poll("the interface is back", lambda: "10.50.0.0/16 dev w0" in a.ip("route", check=False), 5)
    poll("and traffic flows", lambda: a.ping(b.address), 5)


def stop_leaves_no_interface_route_or_socket(lab):
    a, b = two(lab)
    traffic = b.start("ping", "-q", "-i", "0.002", a.address)
    expect_equal(a.down(), 0, "exit code")
    expect("w0" not in a.ip("link"), "interface")
    expect("10.50.0.0" not in a.ip("route"), "routes")
    expect(not os.path.exists(a.socket), "control socket")
    expect("51820" not in a.run("ss", "-lun"), "udp socket")
    traffic.terminate()


def kill_9_leaves_nothing_that_a_restart_does_not_clean(lab):
    a, b = two(lab)
    for _ in range(5):
        killed_ms = time.time() * 1000
        a.kill()
        poll("the kernel removed the interface", lambda: "w0" not in a.ip("link"))
        a.up()
        poll("it works again", lambda: a.ping(b.address), 10)
        # Session keys are nowhere but in memory: what flows after a kill is sealed with keys of a new handshake, so no nonce comes twice.
        expect(a.peer_status(b)["latest_handshake_unix_ms"] > killed_ms, "a handshake of its own")


def several_networks_run_in_one_daemon_without_seeing_each_other(lab):
    a, b = two(lab)
    other = a.network_file.replace("net.toml", "second.toml")
    with open(a.network_file) as f:
        text = f.read()
    with open(other, "w") as f:
        f.write(text.replace("w0", "w1").replace("51820\"\n", "51821\"\n", 1).replace("10.0.0.1", "10.1.0.1").replace("fd00::1", "fd01::1")
                .split("[[peer]]")[0])
    answer = a.api("POST", "/v1/reload")
    expect_equal(a.api_status, 200, str(answer))
    expect_equal(a.api("GET", "/v1/networks")["networks"], ["net", "second"], "networks")
    expect("w1" in a.ip("link"), "second interface")
    expect(a.ping(b.address), "first network")
    os.remove(other)
    a.api("POST", "/v1/reload")
    expect("w1" not in a.ip("link"), "second interface is gone")
    expect(a.ping(b.address), "first network")


def a_failing_module_is_restarted_with_back_off_and_nobody_else_notices(lab):
    a, b = two(lab)
    failing = os.path.join(TEST_PLUGINS, "failing.so")
    a.transports.append({"plugin": failing})
    a.network["allow_plaintext"] = True
    a.reload()
    other = b.start("ping", "-q", "-i", "0.02", "-c", "400", a.address, log="ping.log")

    def events(name):
        lines = a.run(a.binary, "events", "--json", "--config", a.config).splitlines()
        return [e for e in map(json.loads, lines) if e["event"] == name]
    poll("it fails a third time", lambda: len(events("plugin.failed")) >= 3, 20)
    expect_equal({e["fields"]["why"] for e in events("plugin.failed")}, {"it was told to break"}, "reasons")
    downs = [e for e in events("peer.down") if e["fields"]["transport"] == "failing"]
    expect(downs and "failing failed: it was told to break" in downs[0]["fields"]["reason"], f"links went down with the reason: {downs}")
    at = [datetime.datetime.fromisoformat(e["time"].replace("Z", "+00:00")).timestamp() for e in events("plugin.failed")]
    # It fails half a second after each start, and is started after one second, then after two.
    expect(1.3 < at[1] - at[0] < 1.5 + 1.2 * SLOW and 2.3 < at[2] - at[1] < 2.5 + 1.2 * SLOW, f"failures at {[t - at[0] for t in at]}")
    poll("the pings end", lambda: other.poll() is not None, 20)
    with open(os.path.join(b.folder, "ping.log")) as f:
        said = f.read()
    expect(" 0% packet loss" in said, f"another transport of the same network: {said}")
    expect_equal(a.peer_status(b)["transport"], "wireguard", "the link that works")


def applications_hear_at_once_that_nobody_is_there(lab):
    a, b = lab.node("a", "10.0.0.1", "fd00::1"), lab.node("b", "10.0.0.2", "fd00::2")
    lab.switch([a, b])
    a.peer(b, endpoint=False)
    a.up()
    for target, why in (("10.0.0.2", "Host Unreachable"), ("10.0.0.9", "Net Unreachable"), ("fd00::2", "Address unreachable"),
                        ("fd00::9", "No route")):
        said = a.run("ping", "-c", "1", "-W", "1", target, check=False)
        expect(why in said, f"{target}: {said}")


def start_and_stop_many_times_with_traffic(lab):
    """WARREN_TEST_ROUNDS rounds (200 in the long run); the sanitizers of the build watch."""
    rounds = int(os.environ.get("WARREN_TEST_ROUNDS", "20"))
    a, b = two(lab)
    traffic = [b.start("ping", "-q", "-i", "0.002", a.address), b.start("iperf3", "-s")]
    for i in range(rounds):
        load = a.start("iperf3", "-c", b.address, "-t", "30")
        poll("traffic flows", lambda: a.ping(b.address), 20)
        expect_equal(a.down(60), 0, f"exit code in round {i}; see the log")
        load.kill()
        load.wait()
        lab.processes.remove(load)
        expect("w0" not in a.ip("link"), "interface is gone")
        a.up()
    expect_equal(b.down(60) if all(t.terminate() is None for t in traffic) else 0, 0, "exit code of b")


def tcp_is_not_reordered_and_nothing_is_sent_twice_on_a_clean_path(lab):
    a, b = two(lab)
    server = b.start("iperf3", "-s")
    poll("iperf3 listens", lambda: ":5201" in b.run("ss", "-ltn"))
    for args in ((), ("-P", "4"), ("-R",)):
        end = json.loads(a.run("iperf3", "-J", "-t", "3", "-c", b.address, *args))["end"]
        sent = end["sum_sent"]
        # A queue that overflows is congestion, which TCP may cause; reordering and duplicates are ours.
        segments = sent["bytes"] / 1368
        expect(sent["retransmits"] <= segments * 0.0005 + 3, f"{args}: {sent['retransmits']} retransmissions of {segments:.0f} segments")
    for host in (a, b):
        expect_equal(host.nstat("TcpExtTCPSACKReorder"), 0, f"reordering seen by {host.name}")
        # A host that is late with its acknowledgements makes the other's TCP probe its tail: those duplicates TCP sent itself.
        duplicates, own = host.nstat("TcpExtTCPDSACKRecv"), host.nstat("TcpRetransSegs")
        expect(duplicates <= own, f"{host.name}: the other side received {duplicates} duplicates, but its own TCP sent only {own} again")
        expect_equal(host.nstat("TcpInCsumErrors"), 0, "checksum errors")
    server.terminate()


if __name__ == "__main__":
    main(bad_configuration_exits_2_before_the_system_is_touched, each_obstacle_has_its_exit_code_and_one_sentence_with_the_next_step,
         missing_privilege_is_said, reload_with_a_bad_file_keeps_everything_and_says_why, reload_changes_only_what_changed,
         routes_addresses_and_link_deleted_behind_our_back_come_back, interface_deleted_behind_our_back_comes_back,
         stop_leaves_no_interface_route_or_socket, kill_9_leaves_nothing_that_a_restart_does_not_clean,
         several_networks_run_in_one_daemon_without_seeing_each_other,
         a_failing_module_is_restarted_with_back_off_and_nobody_else_notices,
         applications_hear_at_once_that_nobody_is_there, start_and_stop_many_times_with_traffic,
         tcp_is_not_reordered_and_nothing_is_sent_twice_on_a_clean_path)
