#!/usr/bin/env python3
"""Goal: docs/plugin-check.md explains every property that there is, and none that there is not.

    docs_test.py WARREN DOCUMENT
"""
import json
import re
import subprocess
import sys

answer = json.loads(subprocess.run([sys.argv[1], "--json", "plugin", "check", "--list"], capture_output=True, text=True, check=True).stdout)
there_is = {p["name"] for p in answer["properties"]}
rows = [line.split("|")[1] for line in open(sys.argv[2], encoding="utf-8") if line.startswith("| `")]
explained = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} - {"ok", "skipped"}
for name in sorted(there_is - explained):
    print(f"{name}: not explained")
for name in sorted(explained - there_is):
    print(f"{name}: no such property")
sys.exit(1 if there_is != explained else 0)
