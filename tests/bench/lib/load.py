"""One round of load over one tunnel: a sample for every field."""
import json
import os
import re
import statistics
import subprocess

from lab import TOOLS, expect, poll
from usage import Usage, busy_share, forget_peak, peak_mb, syscalls

OFFERED_KPPS = 150  # what the reference nearly carries
FLOOD_KPPS = 600  # more than anything here carries
UDP_BYTES = 200 - 28  # 200-byte IP packets
INNER_BYTES = 1420  # of a full TCP segment, headers included
PAYLOAD_BYTES = INNER_BYTES - 40
SYSCALL_SECONDS = 1
IDLE_SECONDS = 0.3

FIELDS = ("tcp_1_gbps", "tcp_4_gbps", "tcp_1_retransmits", "cpu_ns_per_packet", "switches_per_mb", "syscalls_per_mb",
          "udp_kpps", "udp_offered_kpps", "udp_out_of_order", "udp_flood_kpps", "udp_flood_offered_kpps",
          "ping_median_ms", "ping_avg_ms", "ping_min_ms", "rss_mb", "others_busy")


class Iperf:
    """A server for one run and the command line of its client."""

    def __init__(self, pair, streams, seconds, congestion):
        self.pair = pair
        self.server = pair.b.start("iperf3", "-s", "-1")
        poll("iperf3 listens", lambda: ":5201" in pair.b.run("ss", "-ltn"), 10)
        self.client = [str(a) for a in ("iperf3", "-J", "-c", pair.target, "-t", seconds, "-P", streams, "-C", congestion)]

    def result(self, text):
        """The `end` of what the client printed; the server is gone then."""
        self.server.wait(10)
        self.pair.b.lab.processes.remove(self.server)
        return json.loads(text)["end"]


def tcp(pair, streams, seconds, congestion):
    run = Iperf(pair, streams, seconds, congestion)
    return run.result(pair.a.run(*run.client))


def tcp_sample(pair, seconds, congestion):
    """One stream, and what the daemons used for it."""
    usage = Usage(pair.pids)
    end = tcp(pair, 1, seconds, congestion)
    cpu, switches = usage.stop()
    received = end["sum_received"]["bytes"]
    out = {"tcp_1_gbps": end["sum_received"]["bits_per_second"] / 1e9, "tcp_1_retransmits": end["sum_sent"]["retransmits"]}
    if pair.pids:
        out["cpu_ns_per_packet"] = cpu / (received / PAYLOAD_BYTES)
        out["switches_per_mb"] = switches / (received / 1e6)
    return out


def syscall_sample(pair, congestion):
    """System calls per megabyte of a short transfer of its own, since counting them slows them down; and how."""
    if not pair.pids:
        return {}, None
    run = Iperf(pair, 1, SYSCALL_SECONDS, congestion)
    count, text, how = syscalls(pair.pids, ["ip", "netns", "exec", pair.a.ns, *run.client])
    return {"syscalls_per_mb": count / (run.result(text)["sum_received"]["bytes"] / 1e6)}, how


def udp(pair, kpps, seconds):
    """Delivered and offered thousands of packets per second, and how many were overtaken."""
    receiver = subprocess.Popen(["ip", "netns", "exec", pair.b.ns, os.path.join(TOOLS, "udp_load"), "receive", "9000", "0.7"],
            stdout=subprocess.PIPE, text=True)
    try:
        poll("the receiver listens", lambda: ":9000" in pair.b.run("ss", "-lun"), 10)
        sent = json.loads(pair.a.run(os.path.join(TOOLS, "udp_load"), "send", pair.target, "9000", UDP_BYTES, kpps * 1000, seconds))
        got = json.loads(receiver.communicate(timeout=20)[0])
    finally:
        receiver.kill()
        receiver.wait()
    return got["received"] / sent["seconds"] / 1000, sent["offered_kpps"], got["out_of_order"]


def ping(pair, count):
    """Milliseconds of each echo that came back."""
    return [float(ms) for ms in re.findall(r" time=([\d.]+) ms", pair.a.run("ping", "-c", count, "-i", "0.005", pair.target))]


def measure(pair, seconds, congestion):
    """(field -> value, how system calls were counted)."""
    expect(pair.a.ping(pair.target, 3), f"{pair.name} carries traffic")
    others = busy_share(IDLE_SECONDS)
    forget_peak(pair.pids)
    ping(pair, 50)
    echoes = ping(pair, 200)
    sample = {"others_busy": others, "ping_median_ms": statistics.median(echoes), "ping_avg_ms": statistics.fmean(echoes),
              "ping_min_ms": min(echoes)}
    sample.update(tcp_sample(pair, seconds, congestion))
    sample["tcp_4_gbps"] = tcp(pair, 4, seconds, congestion)["sum_received"]["bits_per_second"] / 1e9
    sample["udp_kpps"], sample["udp_offered_kpps"], sample["udp_out_of_order"] = udp(pair, OFFERED_KPPS, seconds)
    sample["udp_flood_kpps"], sample["udp_flood_offered_kpps"], _ = udp(pair, FLOOD_KPPS, seconds)
    if pair.pids:
        sample["rss_mb"] = peak_mb(pair.pids)
    counted, how = syscall_sample(pair, congestion)
    return {**sample, **counted}, how


def seal_open(aeads):
    """What sealing and opening the same bytes costs alone, per packet: {"seal_by", "open_by", "bytes", "seal_ns", "open_ns"}.

    `aeads` are what the sender and the receiver of the wireguard tunnel chose; without them the library that `auto` takes here and now.
    """
    sealed, opened = [json.loads(subprocess.run([os.path.join(TOOLS, "seal_open"), str(INNER_BYTES), *backend], check=True,
                                                stdout=subprocess.PIPE, text=True).stdout)
                      for backend in ([[a] for a in aeads] or [[], []])]
    return {"seal_by": sealed["backend"], "open_by": opened["backend"], "bytes": INNER_BYTES,
            "seal_ns": sealed["seal_ns"], "open_ns": opened["open_ns"]}
