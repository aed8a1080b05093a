#!/usr/bin/env python3
"""Copies a module and spoils the copy: bend.py IN OUT (OFFSET=BYTE… | keep=PERCENT)."""
import sys

data = bytearray(open(sys.argv[1], "rb").read())
for what in sys.argv[3:]:
    offset, value = what.split("=")
    if offset == "keep":
        data = data[:len(data) * int(value) // 100]
    else:
        data[int(offset)] = int(value)
open(sys.argv[2], "wb").write(data)
