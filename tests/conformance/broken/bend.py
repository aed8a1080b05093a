#!/usr/bin/env python3
"""Copies a module and spoils the copy: bend.py IN OUT (OFFSET=BYTE… | half)."""
import sys

data = bytearray(open(sys.argv[1], "rb").read())
for what in sys.argv[3:]:
    if what == "half":
        data = data[:len(data) // 2]
    else:
        offset, value = what.split("=")
        data[int(offset)] = int(value)
open(sys.argv[2], "wb").write(data)
