#!/usr/bin/env python3
"""Which properties does each module fail? survey.py WARREN MODULE…: for whoever writes a property, to see that a flaw has its name."""
import json
import os
import subprocess
import sys

for module in sys.argv[2:]:
    answer = subprocess.run([sys.argv[1], "--json", "plugin", "check", module], capture_output=True, text=True)
    verdicts = json.loads(answer.stdout)["verdicts"]
    failed = [v["property"] for v in verdicts if v["verdict"] == "FAILED"]
    print(f"{os.path.basename(module):40} {len(failed):3}  {' '.join(failed)}", flush=True)
