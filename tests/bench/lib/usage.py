"""What processes used: processor time, context switches, system calls, memory. All from the kernel's own books."""
import os
import re
import shutil
import signal
import subprocess
import time


def cpu_ns(pid):
    """Processor time of all threads, also of those that have ended, in nanoseconds.

    The process's CPU clock is the sum of what /proc/PID/task/*/schedstat shows (sum_exec_runtime) and what ended threads left behind.
    Its number is made as the kernel makes it (CPUCLOCK_SCHED of a process), since Python has no clock_getcpuclockid().
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def switches(pid):
    """Context switches by thread, voluntary and not. Of a thread that ends between two readings the last part is lost."""
    out = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/status") as f:
                out[task] = sum(int(line.split()[1]) for line in f if "_ctxt_switches" in line)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return out


def busy_share(seconds):
    """How much of all processors is used during that time, 0..1: by others, when nothing of ours runs."""
    def ticks():
        with open("/proc/stat") as f:
            fields = [int(n) for n in f.readline().split()[1:9]]
        return sum(fields), fields[3] + fields[4]  # all; idle and waiting for a disk

    all_before, idle_before = ticks()
    time.sleep(seconds)
    all_after, idle_after = ticks()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


class Usage:
    """Of several processes, from now until stop()."""

    def __init__(self, pids):
        self.pids = pids
        self.cpu = sum(map(cpu_ns, pids))
        self.switches = {pid: switches(pid) for pid in pids}

    def stop(self):
        """Nanoseconds of processor time, context switches."""
        count = 0
        for pid in self.pids:
            count += sum(n - self.switches[pid].get(task, 0) for task, n in switches(pid).items())
        return sum(map(cpu_ns, self.pids)) - self.cpu, count


def forget_peak(pids):
    """From here on peak_mb() counts anew."""
    for pid in pids:
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")


def peak_mb(pids):
    """The most resident memory of any of them since forget_peak(), as the kernel has kept it: no peak falls between two samples."""
    peaks = [0]
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            peaks.append(next(int(line.split()[1]) for line in f if line.startswith("VmHWM")))
    return max(peaks) / 1024


def syscalls_by_perf(pids, command):
    """System calls of the processes while the command runs, and what it printed; None where perf cannot count them."""
    if not shutil.which("perf"):
        return None
    perf = ["perf", "stat", "-x,", "--log-fd=2", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids)), "--"]
    done = subprocess.run(perf + command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = re.search(r"^(\d+),[^,]*,raw_syscalls:sys_enter", done.stderr, re.MULTILINE)
    if done.returncode != 0 or not found:
        return None
    return int(found.group(1)), done.stdout


def syscalls_by_strace(pids, command):
    """The same. Each call then takes many times as long, so that batches are larger and calls per byte fewer than they are."""
    args = ["strace", "-f", "-c", "-U", "name,calls"] + [a for pid in pids for a in ("-p", str(pid))]
    tracer = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for _ in pids:
            tracer.stderr.readline()  # "Process 1 attached with 2 threads"
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        tracer.send_signal(signal.SIGINT)
        summary = tracer.communicate(timeout=20)[1]
    finally:
        tracer.kill()
        tracer.wait()
    return int(re.search(r"^total\s+(\d+)", summary, re.MULTILINE).group(1)), done.stdout


def syscalls(pids, command):
    """(count, what the command printed, how it was counted)."""
    if counted := syscalls_by_perf(pids, command):
        return *counted, "perf raw_syscalls:sys_enter"
    return *syscalls_by_strace(pids, command), "strace -f -c"
