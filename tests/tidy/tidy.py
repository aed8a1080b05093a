#!/usr/bin/env python3
"""Goal: the rules of docs/style.md that a machine can check stay true.

Method: reads every source file of the project; prints file:line and the rule.

Exceptions are in EXCEPTIONS below, each with its reason, and one that is no longer needed is a mistake, too.

    tidy.py [ROOT]     exit 0 = tidy
"""
import os
import re
import sys

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../.."))
FOLDERS = ("core", "plugins", "sdk", "tests", "cmake")
CODE = (".cpp", ".hpp", ".h", ".c")
TEXT = CODE + (".py", ".cmake", ".md", ".txt", ".json", ".in")
COLUMNS = 140
LINES = 500
README_LINES = 40

# rule -> {path (a folder ends in "/"): reason}
EXCEPTIONS = {
    "os": {
        "core/io/": "this is where clock, chance, threads and sockets live",
        "core/app/": "the daemon owns the threads",
        "tests/net/": "against the real kernel",
        "tests/bench/": "measures real time",
        "sdk/check/": "measures callbacks, and knows its own thread",
        "tests/conformance/broken/": "reaches for them, which is what the kit has to find",
        "tests/unit/core/control/": "a client and a server speak over a socket in a temporary folder",
    },
    "long file": {},
    "columns": {
        "tests/unit/core/app/": "expected output as it is printed",
        "tests/unit/core/control/fake_membership.hpp": "documents as they are sent",
        "tests/package/": "command lines",
    },
    "readme": {},
    "third party": {},
    "layers": {
        "sdk/check/": "the kit is part of the program, not of what a plugin sees",
    },
    "plugin includes": {
        "plugins/transport/wireguard/plugin.cpp": "the short timers of the test build",
    },
}

# What may be included outside: header prefix -> folders.
THIRD_PARTY = {
    "toml++/": ("core/config/",),
    "sodium": ("core/crypto/", "core/config/wg_quick.cpp",
               "core/trust/identity.cpp", "core/io/event_loop.cpp", "plugins/transport/wireguard/", "tests/"),
    "openssl/": ("core/crypto/", "plugins/transport/wireguard/", "tests/"),
    "intel-ipsec-mb": ("plugins/transport/wireguard/",),
    "boost/asio": ("core/app/", "core/control/", "core/io/", "tests/unit/core/control/"),
    "boost/beast": ("core/control/", "tests/fuzz/control/"),
    "boost/json": ("core/app/", "core/control/", "core/trust/invite.cpp", "tests/"),
    "boost/dll": ("core/plugin/",),
    "spdlog/": ("core/base/",),
    "libmnl/": ("core/io/",),
    "CLI/": ("core/app/",),
    "qrencode": ("core/app/qr.cpp",),
    "fmt/": ("core/app/",),
    "gtest/": ("tests/",),
    "gmock/": ("tests/",),
}

# app > control, mesh, plugin > route, io, trust > crypto, config > base. Within a row only what is listed.
LAYERS = {
    "base": (),
    "crypto": ("base",),
    "config": ("base", "crypto"),
    "trust": ("base", "crypto", "config"),
    "io": ("base", "crypto", "config"),
    "route": ("base", "crypto", "config"),
    "plugin": ("base", "crypto", "config", "trust", "io", "route"),
    "mesh": ("base", "crypto", "config", "trust", "io", "route", "plugin"),
    "control": ("base", "crypto", "config", "trust", "io", "route", "plugin", "mesh"),
    "app": ("base", "crypto", "config", "trust", "io", "route", "plugin", "mesh", "control"),
}

OS = re.compile(r"std::chrono::\w*_clock|\b(?:steady|system|high_resolution)_clock::|std::j?thread\b|(?<![\w:])::socket\(|random_device"
                r"|\bgetrandom\(|sleep_for|sleep_until|\b(?:u|nano)?sleep\(|clock_gettime|gettimeofday|[^_\w]time\(nullptr\)")
SLEEP = re.compile(r"sleep_for|sleep_until|\b(?:u|nano)?sleep\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TODO = re.compile(r"\b(?:TODO|FIXME|HACK)\b")
TODO_GOOD = re.compile(r"\bTODO\([\w.-]+, #\d+\)")
FORBIDDEN = re.compile(r"\b(?:registry\.npmjs|crates\.io|pypi\.(?:org|python)|files\.pythonhosted|proxy\.golang|deb\.debian\.org|"
                       r"rubygems\.org|artifactory|docker\.io|ghcr\.io|quay\.io)\b|/(?:work|root|home/\w+)/", re.IGNORECASE)

used = set()
mistakes = []


def excepted(rule, path):
    for prefix in EXCEPTIONS.get(rule, {}):
        if path.startswith(prefix):
            used.add((rule, prefix))
            return True
    return False


def say(rule, path, line, text):
    if not excepted(rule, path):
        mistakes.append(f"{path}:{line}: {rule}: {text}")


def without_comments(text):
    """Comments and strings blanked, lines kept, so that rules about code see code only."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def check_includes(path, number, line):
    match = INCLUDE.match(line)
    if not match:
        return
    quoted, header = match.group(1) == '"', match.group(2)
    for prefix, where in THIRD_PARTY.items():
        if header.startswith(prefix) and not path.startswith(where):
            say("third party", path, number, f"<{header}> belongs into {', '.join(where)}")
    parts = path.split("/")
    if path.startswith("core/") and header.startswith("core/"):
        mine, theirs = parts[1], header.split("/")[1]
        if mine != theirs and theirs not in LAYERS.get(mine, ()):
            say("layers", path, number, f"core/{mine} must not know core/{theirs}")
    if path.startswith("core/") and header.startswith(("plugins/", "tests/")):
        say("layers", path, number, f"the core must not know {header}")
    if path.startswith("plugins/") and quoted and not header.startswith(("warren/", "/".join(parts[:3]) + "/")):
        say("plugin includes", path, number, f"a plugin sees the SDK and itself, not {header}")
    if path.startswith("sdk/") and header.startswith(("core/", "plugins/", "tests/")):
        say("layers", path, number, f"the SDK must not know {header}")


def check_file(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    lines = text.splitlines()
    code = path.endswith(CODE)
    if code or path.endswith(".py"):
        if len(lines) > LINES:
            say("long file", path, len(lines), f"more than {LINES} lines")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                say("columns", path, number, f"{len(line)} columns, at most {COLUMNS}")
    if path != "tests/tidy/tidy.py":
        for number, line in enumerate(lines, 1):
            if TODO.search(line) and not TODO_GOOD.search(line):
                say("todo", path, number, "write TODO(owner, #issue)")
            if FORBIDDEN.search(line):
                say("words", path, number, "names a registry or a path of somebody's machine")
    if not code:
        return
    if path.endswith(".hpp") and "#pragma once" not in text:
        say("guard", path, 1, "no #pragma once")
    if path.startswith("sdk/include/") and path.endswith(".h"):
        guard = re.search(r"^#ifndef (WARREN_\w+_H)\n#define \1\n", text, re.MULTILINE)
        if not guard or not text.rstrip().endswith("#endif"):
            say("guard", path, 1, "no include guard WARREN_…_H")
    blanked = without_comments(text).splitlines()
    for number, (line, original) in enumerate(zip(blanked, lines), 1):
        if found := OS.search(line):
            say("os", path, number, f"'{found.group().strip()}': clock, chance, threads and sockets come from io::shard or the host")
        if path.startswith("tests/unit/") and SLEEP.search(line):
            say("sleep", path, number, "unit tests run under virtual time")
        check_includes(path, number, original)
        if "\t" in original:
            say("tabs", path, number, "three spaces")
        if original != original.rstrip():
            say("blanks", path, number, "at the end of the line")


def check_readmes(folders):
    """core/* and plugins/*/* have one of their own; below sdk/ and tests/* the nearest one above counts."""
    for folder in sorted(folders):
        parts = folder.split("/")
        if parts[0] in ("core", "plugins"):
            candidates = [folder]
        else:
            candidates = ["/".join(parts[:n]) for n in range(len(parts), 0 if parts[0] == "sdk" else 1, -1)]
        if parts[0] == "cmake":
            continue
        if not any(os.path.exists(os.path.join(ROOT, c, "README.md")) for c in candidates):
            say("readme", folder + "/", 1, "no README.md that says purpose, threads and entry points")


def main():
    folders = set()
    for top in FOLDERS:
        for folder, names, files in os.walk(os.path.join(ROOT, top)):
            names[:] = sorted(n for n in names if n not in ("corpus", "__pycache__"))
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                if name.endswith(CODE + (".py",)):
                    folders.add(os.path.dirname(path))
                if name == "README.md":
                    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
                        count = len(f.read().splitlines())
                    if count > README_LINES:
                        say("readme", path, count, f"more than {README_LINES} lines")
                if name.endswith(TEXT):
                    check_file(path)
    check_readmes(folders)
    for rule, paths in EXCEPTIONS.items():
        for path in paths:
            if (rule, path) not in used:
                mistakes.append(f"tests/tidy/tidy.py:1: exceptions: '{rule}' of {path} is not needed any more")
    print("\n".join(mistakes) if mistakes else "tidy")
    sys.exit(1 if mistakes else 0)


if __name__ == "__main__":
    main()
