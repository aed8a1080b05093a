"""Networks that people create and join with commands alone, between namespaces: to the first ping, who must not be let in, what
changes and removals do, copied disks, kills and full disks."""
import base64
import json
import os
import shutil
import subprocess
import time

from lib.lab import expect, expect_equal, main, poll, sh


def pair(lab):
    a, b = lab.fresh("a"), lab.fresh("b")
    lab.switch([a, b])
    a.up()
    b.up()
    return a, b


def two_fresh_machines_reach_each_other_by_three_commands_within_five_seconds(lab):
    a, b = pair(lab)
    begin = time.monotonic()
    made = a.warren("network", "create", "acme", "--node", "host", "--plan", "goconnect")
    expect(made["address"].endswith(".1"), made)
    b.warren("network", "join", made["invite"]["link"], "--name", "laptop", "--no-wait")
    poll("the request has arrived", lambda: a.warren("member", "list")["pending"], 5)
    a.warren("member", "accept", "laptop")
    poll("b is a member", lambda: b.show()["state"] == "member", 5)
    me = b.show()
    expect(me["address"].endswith(".2"), me)
    poll("b reaches a", lambda: b.ping(made["address"]), 5)
    took = time.monotonic() - begin
    print(f"        from nothing to the first ping: {took:.2f} s", flush=True)
    expect(took < 5, f"took {took:.2f} s")
    poll("a reaches b by IPv6", lambda: a.ping(me["address6"]), 5)


def accepted(lab, names=("laptop",)):
    """A host and members, in one network."""
    nodes = [lab.fresh("host")] + [lab.fresh(name) for name in names]
    lab.switch(nodes)
    for node in nodes:
        node.up()
    host = nodes[0]
    host.warren("network", "create", "acme", "--node", "host")
    for node in nodes[1:]:
        link = host.warren("invite", "create", "-n", "acme")["link"]
        node.warren("network", "join", link, "--name", node.name, "--no-wait")
        poll("the request has arrived", lambda: host.warren("member", "list")["pending"], 5)
        host.warren("member", "accept", node.name)
        poll(f"{node.name} is a member", lambda: node.show()["state"] == "member", 5)
    for node in nodes:
        node.inner = node.show()["address"]
    return nodes


def refused(host, guest, link, why, log=None):
    guest.warren("network", "join", link, "--name", guest.name, "--no-wait", code=None)
    shown = poll("the guest learns it", lambda: (s := guest.show())["state"] == "refused" and s, 8)
    expect(why in shown["why"], f"wanted '{why}' in: {shown['why']}")
    expect((log or why) in host.log(), f"'{log or why}' is not in the inviter's log")


def who_must_not_be_let_in_learns_exactly_why_and_so_does_the_inviters_log(lab):
    host, guest = lab.fresh("host"), lab.fresh("guest")
    lab.switch([host, guest])
    host.up()
    guest.up()
    host.warren("network", "create", "acme", "--node", "host")
    invite = lambda *more: host.warren("invite", "create", *more)

    link = invite()["link"]
    guest.warren("network", "join", link, "--name", "guest", "--no-wait")
    poll("the request has arrived", lambda: host.warren("member", "list")["pending"], 5)
    host.warren("member", "reject", "guest", "--why", "who are you?")
    poll("the guest learns it", lambda: guest.show()["why"] == "who are you?", 5)
    expect("who are you?" in host.log(), "the rejection is not in the log")

    made = invite()
    host.warren("invite", "revoke", made["id"])
    refused(host, guest, made["link"], "revoked")

    link = invite("--expires", "1s")["link"]
    poll("the invite has expired", lambda: host.warren("invite", "list")["invites"][-1]["state"] == "expired"
         or any(i["state"] == "expired" for i in host.warren("invite", "list")["invites"]), 5)
    refused(host, guest, link, "expired")

    link = invite()["link"]
    head, body, signature = link.rsplit("/", 1)[1].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["role"] = ["admin"]
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    refused(host, guest, f"warren://join/{head}.{body}.{signature}", "tampered")

    link = invite("--auto-accept")["link"]
    guest.warren("network", "join", link, "--name", "guest", "--no-wait")
    poll("the guest is a member", lambda: guest.show()["state"] == "member", 5)
    guest.warren("network", "leave", "-n", "acme")
    refused(host, guest, link, "used up")


def waiting_survives_kills_of_both_sides(lab):
    host, guest = lab.fresh("host"), lab.fresh("guest")
    lab.switch([host, guest])
    host.up()
    guest.up()
    link = host.warren("network", "create", "acme", "--node", "host")["invite"]["link"]
    guest.warren("network", "join", link, "--name", "guest", "--no-wait")
    poll("the request has arrived", lambda: host.warren("member", "list")["pending"], 5)
    host.restart()
    guest.restart()
    expect_equal(guest.show()["state"], "waiting", "the guest's state")
    host.warren("member", "accept", "guest")
    poll("the guest is a member", lambda: guest.show()["state"] == "member", 20)


def members_who_never_met_become_a_full_mesh_and_a_removed_one_is_out_within_seconds(lab):
    host, one, two = accepted(lab, ("one", "two"))
    poll("one knows two", lambda: any(m["name"] == "two" for m in one.warren("member", "list")["members"]), 5)
    poll("one reaches two", lambda: one.ping(two.inner), 8)
    poll("one knows where two is", lambda: one.warren("trust", "show")["statements"]["node record"] == 3, 5)
    # By a link of their own: the host ends, and they go on, also after a restart.
    host.down()
    expect(one.ping(two.inner, count=3), "one reaches two without the host")
    one.restart()
    poll("one reaches two after a restart", lambda: one.ping(two.inner), 15)
    host.up()
    poll("one reaches the host", lambda: one.ping(host.inner), 15)
    begin = time.monotonic()
    host.warren("member", "remove", "two")
    poll("two is out at one", lambda: not one.ping(two.inner), 10)
    poll("two is out at the host", lambda: not host.ping(two.inner), 10)
    print(f"        removed everywhere after {time.monotonic() - begin:.1f} s", flush=True)
    # At once by the news, or else when its link has failed and it knocks with the secret of before.
    poll("two knows", lambda: two.show()["state"] == "removed", 60)
    expect(one.ping(host.inner, count=3), "the others go on, with a new secret")


def rules_of_the_network_forbid_a_port_at_once_and_explain_says_which_rule(lab):
    host, one = accepted(lab, ("one",))
    server = host.start("python3", "-c", "import http.server as h; h.HTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()")
    del server
    fetch = lambda: one.status("python3", "-c", f"import socket; socket.create_connection(('{host.inner}', 8080), 1)") == 0
    poll("the server answers", fetch, 5)
    rules = os.path.join(host.folder, "acl.hujson")
    with open(rules, "w") as f:
        f.write('{ // one port is closed\n  "acls": [\n    {"action": "deny", "proto": "tcp", "src": ["*"], "dst": ["*:8080"]},\n'
                '    {"action": "accept", "src": ["*"], "dst": ["*:*"]},\n  ],\n}\n')
    host.warren("acl", "push", rules, "--note", "close 8080")
    poll("the port is closed", lambda: not fetch(), 5)
    expect(one.ping(host.inner), "everything else passes")
    told = one.warren("explain", "flow", "one", "host", "tcp", "8080")
    expect(not told["forward"]["accept"] and told["forward"]["rule"].endswith(":3"), told)
    host.warren("acl", "push", "/dev/stdin", code=2, input='{"acls": [{"action": "perhaps"}]}')
    expect(":1:" in host.said, host.said)
    host.warren("acl", "push", rules, "--note", "again")
    expect_equal(len(host.warren("acl", "history")["versions"]), 2, "versions")


def a_stock_client_joins_by_its_file_and_reaches_every_member(lab):
    host, one = accepted(lab, ("one",))
    poll("the nodes know each other", lambda: one.ping(host.inner), 5)
    made = host.warren("member", "add", "--wireguard", "phone")
    stock = lab.host("phone")
    lab.connect(host, stock, "198.51.100.1/24", "198.51.100.2/24")
    text = made["config"].replace("192.0.2.1", "198.51.100.1")
    file = os.path.join(stock.folder, "wg.conf")
    interface = "wgm" + str(os.getpid() % 10000)
    keep = [line for line in text.splitlines() if not line.startswith(("Address", "DNS", "MTU"))]
    with open(file, "w") as f:
        f.write("\n".join(keep) + "\n")
    stock.start("wireguard-go", "-f", interface, env=dict(os.environ, WG_PROCESS_FOREGROUND="1"))
    poll("wireguard-go made its socket", lambda: os.path.exists(f"/var/run/wireguard/{interface}.sock"))
    stock.run("wg", "setconf", interface, file)
    stock.ip("addr", "add", made["address"] + "/24", "dev", interface)
    stock.ip("link", "set", interface, "up")
    poll("the phone reaches the host", lambda: stock.ping(host.inner), 10)
    poll("the phone reaches the other member through it", lambda: stock.ping(one.inner), 10)
    poll("and is reached", lambda: one.ping(made["address"]), 10)


def a_copied_disk_is_noticed_on_both_sides_and_removed_by_one_command(lab):
    host, one, thief = lab.fresh("host"), lab.fresh("one"), lab.fresh("thief")
    lab.switch([host, one, thief])
    host.up()
    one.up()
    link = host.warren("network", "create", "acme", "--node", "host")["invite"]["link"]
    one.warren("network", "join", link, "--name", "one", "--no-wait")
    poll("the request has arrived", lambda: host.warren("member", "list")["pending"], 5)
    host.warren("member", "accept", "one")
    poll("one is a member", lambda: one.show()["state"] == "member", 5)
    poll("all is spread", lambda: one.warren("trust", "show")["statements"]["node record"] == 2, 5)
    for folder in ("state", "networks"):
        shutil.copytree(os.path.join(one.folder, folder), os.path.join(thief.folder, folder), dirs_exist_ok=True)
    thief.up()
    poll("the admin sees it", lambda: any("two places" in w for w in host.show()["warnings"]), 120)
    poll("a copy sees it", lambda: any("another process" in w for n in (one, thief) for w in n.show()["warnings"]), 60)
    host.warren("member", "remove", "one")
    poll("the member is gone", lambda: all(m["name"] != "one" for m in host.warren("member", "list")["members"]), 5)
    poll("its link is gone", lambda: not host.ping(host.show()["address"][:-1] + "2"), 10)


def a_kill_at_every_write_loses_no_member_and_gives_no_number_twice(lab):
    """strace ends the admin's daemon at its n-th write, fsync or rename while it accepts; it starts again and all is whole."""
    host = lab.fresh("host")
    guests = [lab.fresh(f"g{i}") for i in range(3)]
    lab.switch([host] + guests)
    for node in [host] + guests:
        node.up()
    host.warren("network", "create", "acme", "--node", "host")
    known = {}
    for syscall, rounds in (("fsync", 4), ("rename", 2), ("write", 4)):
        for when in range(1, rounds + 1):
            guest = guests[when % len(guests)]
            if "acme" in json.dumps(guest.api("GET", "/v1/networks")):
                guest.warren("network", "leave", "-n", "acme")
            name = f"{syscall}{when}"
            link = host.warren("invite", "create")["link"]
            guest.warren("network", "join", link, "--name", name, "--no-wait")
            poll("the request has arrived", lambda: any(p["name"] == name for p in host.warren("member", "list")["pending"]), 10)
            tracer = host.start("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
                                f"inject={syscall}:signal=KILL:when={when}", "-p", host.process.pid)
            time.sleep(0.3)  # strace says nowhere that it is attached
            answer = host.warren("member", "accept", name, code=None)
            try:
                host.process.wait(2)
                died = True
            except subprocess.TimeoutExpired:
                died = False
            if tracer.poll() is None:
                tracer.terminate()
            tracer.wait()
            if died:
                lab.processes.remove(host.process)
                host.up()
            members = poll("the host answers", lambda: host.warren("member", "list").get("members"), 10)
            if answer.get("schema") == "warren.member/1":
                expect(any(m["name"] == name for m in members), f"{name} was accepted and is lost")
            elif not any(m["name"] == name for m in members):
                host.warren("member", "accept", name)
                members = host.warren("member", "list")["members"]
            numbers, addresses = [m["number"] for m in members], [m["address"] for m in members]
            expect_equal(len(numbers), len(set(numbers)), "numbers")
            expect_equal(len(addresses), len(set(addresses)), "addresses")
            for m in members:
                before = known.setdefault(m["id"], (m["number"], m["address"]))
                expect_equal((m["number"], m["address"]), before, f"what {m['name']} was given")
            poll("the guest is a member", lambda: guest.show()["state"] == "member", 20)


def a_full_disk_is_a_clear_error_and_nothing_is_half_done(lab):
    host, guest = lab.fresh("host"), lab.fresh("guest")
    lab.switch([host, guest])
    os.makedirs(host.state, exist_ok=True)
    sh("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", host.state)
    try:
        host.up()
        guest.up()
        link = host.warren("network", "create", "acme", "--node", "host")["invite"]["link"]
        guest.warren("network", "join", link, "--name", "guest", "--no-wait")
        poll("the request has arrived", lambda: host.warren("member", "list")["pending"], 5)
        ballast = os.open(os.path.join(host.state, "ballast"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while os.write(ballast, b"x" * 4096) > 0:
                pass
        except OSError:
            pass
        os.close(ballast)
        host.warren("member", "accept", "guest", code=None)
        expect("space" in host.said.lower(), host.said)
        expect_equal(len(host.warren("member", "list")["members"]), 1, "members")
        os.remove(os.path.join(host.state, "ballast"))
        host.warren("member", "accept", "guest")
        poll("the guest is a member", lambda: guest.show()["state"] == "member", 10)
        host.down()
    finally:
        sh("umount", "-l", host.state, check=False)


def a_new_tunnel_key_does_not_end_a_flow(lab):
    host, one = accepted(lab, ("one",))
    before = one.net()["tunnel_key"]
    pings = one.start("ping", "-i", "0.1", "-c", "60", "-W", "3", host.inner, log="ping.txt")
    one.warren("key", "rotate", "-n", "acme")
    poll("the key is another one", lambda: one.net()["tunnel_key"] != before, 10)
    pings.wait(30)
    with open(os.path.join(one.folder, "ping.txt")) as f:
        text = f.read()
    lost = 60 - int(text.split(" received")[0].split()[-1])
    print(f"        {lost} of 60 pings lost", flush=True)
    expect(lost < 20, text)


if __name__ == "__main__":
    main(two_fresh_machines_reach_each_other_by_three_commands_within_five_seconds,
         who_must_not_be_let_in_learns_exactly_why_and_so_does_the_inviters_log,
         waiting_survives_kills_of_both_sides,
         members_who_never_met_become_a_full_mesh_and_a_removed_one_is_out_within_seconds,
         rules_of_the_network_forbid_a_port_at_once_and_explain_says_which_rule,
         a_stock_client_joins_by_its_file_and_reaches_every_member,
         a_copied_disk_is_noticed_on_both_sides_and_removed_by_one_command,
         a_kill_at_every_write_loses_no_member_and_gives_no_number_twice,
         a_full_disk_is_a_clear_error_and_nothing_is_half_done,
         a_new_tunnel_key_does_not_end_a_flow)
