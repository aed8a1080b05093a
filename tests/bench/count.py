#!/usr/bin/env python3
"""Counts instructions per packet of the micro-benchmarks and compares them with the baseline; a busy machine does not change them.

    ./do bench count [--write] [NAME...]
    count.py PROGRAM [--write] [NAME...]     exit 0 = nothing worse, 1 = worse, 77 = nothing to compare with here

bench_count runs under valgrind's callgrind, which collects inside of warren_bench_measured() and writes what it collected when
warren_bench_dump() returns: one file per benchmark, in order. valgrind knows no AVX-512, so libraries that choose at run time take
their AVX2 code; the figures are for comparing a change with what was before, not backends with each other.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline/instructions.txt")
WORSE = 0.03  # what counts as a change at all
SKIP = 77
HEADER = """\
# Instructions per packet of each micro-benchmark, counted by callgrind. Renew with ./do bench count --write, after a change that is
# meant, and say in the commit why. Compared only where the next line is the same:
# built by: {about}
"""


def about(program):
    """What the counts depend on besides our code: compiler, processor (libraries choose their code by it), libraries."""
    built_by = subprocess.run([program, "--about"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with open("/proc/cpuinfo") as f:
        cpu = dict(re.findall(r"^(vendor_id|cpu family|model)\s*: (\S+)$", f.read(), re.MULTILINE))
    linked = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=False).stdout
    files = sorted({os.path.basename(os.path.realpath(name)) for name in re.findall(r"=> (\S*(?:libc|IPSec_MB|sodium)\.so\S*)", linked)})
    return " ".join([built_by, "on", *(cpu.get(key, "?") for key in ("vendor_id", "cpu family", "model")), "with", *files, openssl()])


def openssl():
    done = subprocess.run(["openssl", "version"], stdout=subprocess.PIPE, text=True, check=False) if shutil.which("openssl") else None
    return "openssl " + (done.stdout.split()[1] if done and done.stdout else "?")


def read_baseline():
    """What it was taken with, and name -> count."""
    with open(BASELINE) as f:
        lines = f.read().splitlines()
    built_by = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("# built by:")), "")
    return built_by, {name: float(value) for name, value in (line.split() for line in lines if line and not line.startswith("#"))}


def write_baseline(built_by, counts):
    os.makedirs(os.path.dirname(BASELINE), exist_ok=True)
    with open(BASELINE, "w") as f:
        f.write(HEADER.format(about=built_by))
        f.write("".join(f"{name} {value:.2f}\n" for name, value in counts.items()))


def count(program, names):
    """name -> instructions per packet, one run of valgrind for all."""
    with tempfile.TemporaryDirectory(prefix="warren-count-") as folder:
        out = os.path.join(folder, "dump")
        done = subprocess.run(["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={out}",
                               "--toggle-collect=warren_bench_measured", "--dump-after=warren_bench_dump", program, *names],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"valgrind {os.path.basename(program)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        ran = [line.split() for line in done.stdout.splitlines()]
        dumps = sorted(glob.glob(out + ".*"), key=lambda name: int(name.rsplit(".", 1)[1]))
        totals = [total_of(name) for name in dumps]
        # The last dump, at the program's end, is what came after the last benchmark: nothing.
        if len(totals) < len(ran):
            sys.exit(f"{len(ran)} benchmarks ran and {len(totals)} were counted: is {program} stripped?")
        return {name: totals[i] / int(packets) for i, (name, packets) in enumerate(ran)}


def total_of(dump):
    with open(dump) as f:
        return int(re.search(r"^(?:totals|summary): (\d+)", f.read(), re.MULTILINE).group(1))


def compare(counts, baseline):
    """Rows of (name, baseline, now, change), worst first, and how many are worse and better."""
    rows = [(name, baseline[name], now, now / baseline[name] - 1) for name, now in counts.items() if name in baseline]
    rows.sort(key=lambda row: -row[3])
    return rows, [r for r in rows if r[3] > WORSE], [r for r in rows if r[3] < -WORSE]


def print_rows(rows):
    print(f"{'instructions per packet':36}{'baseline':>12}{'now':>12}{'change':>10}")
    for name, before, now, change in rows:
        print(f"{name:36}{before:>12.2f}{now:>12.2f}{change:>+10.2%}")


def main():
    parser = argparse.ArgumentParser(prog="./do bench count", description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these benchmarks")
    parser.add_argument("--write", action="store_true", help="make what is counted now the baseline")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: no valgrind")
        sys.exit(SKIP)
    built_by = about(options.program)
    taken_with, baseline = read_baseline() if os.path.exists(BASELINE) else ("", {})
    if not options.write and built_by != taken_with:
        print(f"skipped: this is {built_by}, the baseline is of {taken_with or 'nothing yet'}")
        sys.exit(SKIP)
    counts = count(options.program, options.names)
    if unknown := [name for name in options.names if name not in counts]:
        sys.exit(f"there is no benchmark {', '.join(unknown)}; {options.program} --list names them")
    if options.write:
        # Of another compiler nothing may stay; of this one, what was not counted now does.
        kept = baseline if options.names and built_by == taken_with else {}
        write_baseline(built_by, {**kept, **counts})
    rows, worse, better = compare(counts, baseline)
    new = [name for name in counts if name not in baseline]
    missing = [] if options.names else [name for name in baseline if name not in counts]
    print_rows(rows + [(name, counts[name], counts[name], 0.0) for name in new])
    for text, names in (("no baseline yet (--write)", new), ("in the baseline, but not here", missing)):
        if names:
            print(f"{text}: {', '.join(names)}")
    if options.write:
        print(f"written to {os.path.relpath(BASELINE)}")
        return
    if better:
        print(f"\nbetter by more than {WORSE:.0%}, so that the baseline can be renewed (--write): {', '.join(r[0] for r in better)}")
    if worse:
        print(f"\nworse by more than {WORSE:.0%}:")
        print_rows(worse)
        sys.exit(1)


if __name__ == "__main__":
    main()
