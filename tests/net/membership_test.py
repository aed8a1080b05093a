"""Networks that people create and join with commands alone, between namespaces: to the first ping, and what happens to invites that
must not be let in."""
import sys
import time

from lib.lab import expect, expect_equal, main, poll


def pair(lab):
    a, b = lab.fresh("a"), lab.fresh("b")
    lab.switch([a, b])
    a.up()
    b.up()
    return a, b


def joined(lab):
    """Two machines in one network."""
    a, b = pair(lab)
    link = a.warren("network", "create", "acme", "--node", "host")["invite"]["link"]
    b.warren("network", "join", link, "--name", "laptop", "--no-wait")
    poll("the request has arrived", lambda: a.warren("member", "list")["pending"], 5)
    a.warren("member", "accept", "laptop")
    poll("b is a member", lambda: b.show()["state"] == "member", 5)
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


if __name__ == "__main__":
    main(two_fresh_machines_reach_each_other_by_three_commands_within_five_seconds)
