#!/usr/bin/env python3
"""Goal: golden.py sees every kind of change to the ABI, and does not pass over what it cannot read.

Method: changes one place in a copy of the SDK's headers, runs it there, and expects a refusal that names the place.
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")

# (what, header, old text, new text, what the answer contains)
CHANGES = (
    ("a field becomes wider", "packet.h", "uint32_t local;", "uint64_t local;", "local: uint64_t"),
    ("two fields change places", "base.h",
     "const char* key;\n   uint32_t type; /* WRN_KV_* */", "uint32_t type;\n   const char* key;", "0+4 type"),
    ("a field has another name", "host/members.h", "uint32_t rtt_us;", "uint32_t rtt_ns;", "rtt_ns"),
    ("a member of a union changes", "base.h", "double f;", "uint64_t f;", "v.f: uint64_t"),
    ("a function takes another type", "host/udp.h",
     "wrn_handle sock, const wrn_pkt* pkts, uint32_t n", "wrn_handle sock, const wrn_pkt* pkts, uint16_t n",
     "uint16_t n"),
    ("a limit changes", "host/stream.h", "WRN_STREAM_PARTS_MAX 256u", "WRN_STREAM_PARTS_MAX 257u", "WRN_STREAM_PARTS_MAX 257"),
    ("an enumerator comes in between", "packet.h", "WRN_DROP_REPLAY,", "WRN_DROP_NEW, WRN_DROP_REPLAY,", "WRN_DROP_REPLAY 4"),
    ("a table has another id", "host/sign.h", '"warren.host.sign/1"', '"warren.host.sign/2"', "warren.host.sign/2"),
    ("a new struct", "event.h", "WRN_END", "typedef struct wrn_new { uint32_t a; } wrn_new;\nWRN_END", "struct wrn_new size 4"),
    ("a type that rule 4 forbids", "event.h", "uint32_t type;", "long type;", "'long'"),
    ("a bit-field", "event.h", "uint32_t type;", "uint32_t type : 4;", "not understood: uint32_t type : 4"),
    ("a function pointer without WRN_CALL", "plugin.h", "(WRN_CALL* destroy)", "(* destroy)", "not understood"),
    ("a named enum", "event.h", "enum {", "enum wrn_events {", "not understood"),
    ("a union of its own", "event.h", "WRN_END", "union wrn_new { int32_t a; };\nWRN_END", "not understood: union wrn_new"),
    ("a function", "event.h", "WRN_END", "int32_t wrn_new(void);\nWRN_END", "not understood: int32_t wrn_new"),
    ("a macro with parameters", "event.h", "WRN_END", "#define WRN_NEW(x) (x)\nWRN_END", "not understood: #define WRN_NEW"),
)


def answer(change=None):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(os.path.join(ROOT, "sdk"), os.path.join(folder, "sdk"))
        if change:
            path = os.path.join(folder, "sdk/include/warren", change[1])
            with open(path, encoding="utf-8") as f:
                text = f.read()
            if change[2] not in text:
                return 2, f"'{change[2]}' is no longer in {change[1]}"
            with open(path, "w", encoding="utf-8") as f:
                f.write(text.replace(change[2], change[3], 1).replace("WRN_STATIC_ASSERT(sizeof", "WRN_STATIC_ASSERT(1 || sizeof"))
        run = subprocess.run([sys.executable, os.path.join(HERE, "golden.py"), folder], capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr


def main():
    failed = 0
    if answer()[0] == 77:
        sys.exit(77)
    for change in CHANGES:
        code, text = answer(change)
        if code != 1 or change[4] not in text or "Traceback" in text:
            print(f"{change[0]}: exit {code}, expected 1 and '{change[4]}':\n{text}")
            failed += 1
    print(f"{len(CHANGES) - failed} of {len(CHANGES)} changes are seen")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
