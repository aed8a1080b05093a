#!/usr/bin/env python3
"""Goal: a module that does not return is named, and does not hold up the machine's networks for good.

Method: a daemon with a transport that spins in a timer, for a while or for ever, and a short limit."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from lab import SLOW, TEST_PLUGINS, expect, expect_equal, main, poll  # noqa: E402

MODULE = os.path.join(TEST_PLUGINS, "hanging.so")


def node_that_hangs(lab, how_long, limit):
    node = lab.node("a", "10.0.0.1")
    lab.switch([node])
    node.network["allow_plaintext"] = True
    node.transports.append({"plugin": MODULE, "hanging": {"hang": how_long}})
    node.daemon_plugins["watchdog"] = limit
    return node.up()


def log_of(node):
    with open(os.path.join(node.folder, "warren.log"), errors="replace") as f:
        return f.read()


def module_that_hangs_is_named_and_the_process_ends_with_a_core(lab):
    node = node_that_hangs(lab, "1h", "200ms")
    begin = time.monotonic()
    code = node.process.wait(10 * SLOW)
    lab.processes.remove(node.process)
    took = time.monotonic() - begin
    expect_equal(code, -signal.SIGABRT, "how it ended")
    expect(2.0 < took < 0.5 + 3.0 * SLOW, f"after {took:.1f} s; limit 0.2 s, ten times that, half a second until it hangs")
    log = log_of(node)
    slow = [line for line in log.splitlines() if " plugin_slow " in line]
    expect_equal(len(slow), 1, "said once")
    for part in ("network=net", "plugin=hanging", "seconds=0.", MODULE):
        expect(part in slow[0], f"{part} in {slow[0]}")
    last = [line for line in log.splitlines() if line.startswith("warren: plugin 'hanging' of network 'net'")]
    expect(len(last) == 1 and MODULE in last[0], f"the last message: {last}")
    expect("plugin_hangs" in log, "in the log, too")


def module_that_is_slow_is_named_and_counted_and_everything_goes_on(lab):
    node = node_that_hangs(lab, "700ms", "200ms")
    poll("it is logged", lambda: " plugin_slow " in log_of(node), 5)
    count = {i["plugin"]: i["slow_calls"] for i in node.net()["instances"]}
    expect_equal((count["hanging"], count["wireguard"]), (1, 0), "counted where it belongs")
    expect_equal(node.down(), 0, "ends well")


def without_a_limit_nobody_looks(lab):
    node = node_that_hangs(lab, "3s", "0s")
    time.sleep(0.6)
    expect(node.net()["up"], "answers when it is over")
    expect("plugin_slow" not in log_of(node), "nothing is said")
    expect_equal(node.down(), 0, "ends well")


if __name__ == "__main__":
    main(module_that_hangs_is_named_and_the_process_ends_with_a_core, module_that_is_slow_is_named_and_counted_and_everything_goes_on,
         without_a_limit_nobody_looks)
