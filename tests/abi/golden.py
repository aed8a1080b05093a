#!/usr/bin/env python3
"""Goal: nothing in the plugin ABI changes by accident.

Method: reads the C headers of the SDK, has every compiler print what it makes of them (sizes, alignments, offsets, values), and compares
that and the spelling of every type with sdk/abi/warren-0.txt. All of a header is read: a declaration that this program does not understand
is a mistake, not a gap.

    golden.py [ROOT]    exit 0 = as written down, 1 = changed or not understood
    golden.py --write   writes it down anew
"""
import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

GOLDEN = "sdk/abi/warren-0.txt"
SKIPPED = 77
DIFF_LINES = 24
# Macros that are spelling, not values.
SPELLING = {"WRN_CALL", "WRN_EXPORT", "WRN_STATIC_ASSERT", "WRN_BEGIN", "WRN_END"}
# Rule 4 of docs/compatibility.md. Other names must be types of the ABI itself.
SCALARS = {"uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t", "int16_t", "int32_t", "int64_t", "size_t", "double", "char", "void"}


class Mistake(Exception):
    pass


class Headers:
    """What the headers declare, in their order."""

    def __init__(self, folder):
        self.names = []      # of the headers, relative to the include folder
        self.ids = []        # (macro, text)
        self.constants = []  # macros and enumerators that are numbers
        self.aliases = []    # (name, type)
        self.opaque = []     # declared, never defined here
        self.structs = []    # (name, [(path, type)])
        paths = []
        for where, below, files in os.walk(os.path.join(folder, "warren")):
            below.sort()
            paths += [os.path.join(where, f) for f in sorted(files) if f.endswith(".h")]
        for path in paths:
            self.names.append(os.path.relpath(path, folder))
            with open(path, encoding="utf-8") as f:
                self.read(f.read())
        defined = {name for name, _ in self.structs}
        self.opaque = [name for name in dict.fromkeys(self.opaque) if name not in defined]
        self.types = defined | set(self.opaque) | {name for name, _ in self.aliases}
        for _, fields in self.structs:
            for path, text in fields:
                self.check_type(path, text)
        for name, text in self.aliases:
            self.check_type(name, text)

    def fail(self, text):
        raise Mistake(f"sdk/include/{self.names[-1]}: not understood: {' '.join(text.split())[:90]}\n"
                      "teach tests/abi/golden.py to write it down, or declare it as its neighbours are")

    def read(self, text):
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL).replace("\\\n", " ")
        guard = re.search(r"#ifndef (\w+)\s+#define \1\b", text)
        if not guard or "//" in re.sub(r'"[^"\n]*"', "", text):
            self.fail("a header without include guard, or with a comment of C++")
        rest = []
        for line in text.splitlines():
            if not line.strip().startswith("#"):
                rest.append(line)
            elif match := re.match(r"#define (\w+)(\([\w, ]*\))?\s*(.*)", line.strip()):
                self.macro(*match.groups(), guard.group(1))
            elif not re.match(r"#(include|ifndef|if|else|endif)\b", line.strip()):
                self.fail(line)
        self.declarations("\n".join(rest))

    def macro(self, name, parameters, value, guard):
        if name == guard or name in SPELLING:
            return
        if parameters or not value:
            self.fail("#define " + name)
        if value.startswith('"'):
            self.ids.append((name, value.strip().strip('"')))
        elif name not in self.constants:
            self.constants.append(name)

    def declarations(self, text):
        text = re.sub(r"\bWRN_(BEGIN|END)\b", " ", text)
        while text := text.strip():
            head, end = self.one(text)
            text = text[end:]
            if head.startswith("WRN_STATIC_ASSERT"):
                continue
            if match := re.fullmatch(r"enum \{(.*)\}", head, re.DOTALL):
                self.constants += [item.split("=")[0].strip() for item in match.group(1).split(",") if item.strip()]
            elif match := re.fullmatch(r"(typedef )?struct (\w+) \{(.*)\}\s*(\w*)", head, re.DOTALL):
                typedef, name, body, alias = match.groups()
                if bool(typedef) != bool(alias) or (alias and alias != name):
                    self.fail(head)
                self.structs.append((name, list(self.fields(body, ""))))
            elif match := re.fullmatch(r"typedef struct (\w+) (\w+)", head):
                if match.group(1) != match.group(2):
                    self.fail(head)
                self.opaque.append(match.group(1))
            elif match := re.fullmatch(r"typedef (\w+) (\w+)", head):
                self.aliases.append((match.group(2), match.group(1)))
            else:
                self.fail(head)

    def one(self, text):
        """The first declaration, up to its semicolon outside of braces."""
        depth = 0
        for at, c in enumerate(text):
            depth += (c == "{") - (c == "}")
            if c == ";" and depth == 0:
                return text[:at].strip(), at + 1
        return self.fail(text)

    def fields(self, body, prefix):
        while body := body.strip():
            field, end = self.one(body)
            body = body[end:]
            if match := re.fullmatch(r"union \{(.*)\}\s*(\w+)", field, re.DOTALL):
                yield prefix + match.group(2), "union"
                yield from self.fields(match.group(1), prefix + match.group(2) + ".")
            elif match := re.fullmatch(r"([\w\s*]+?)\(\s*WRN_CALL\s*\*\s*(\w+)\)\s*\((.*)\)", field, re.DOTALL):
                yield prefix + match.group(2), tidy(f"{match.group(1)} ({match.group(3)})")
            elif match := re.fullmatch(r"((?:[\w\s]|\*)*?[\s*])(\w+(?:\[\w+\])?(?:\s*,\s*\w+(?:\[\w+\])?)*)", field):
                for name in re.split(r"\s*,\s*", match.group(2)):
                    bare, _, bound = name.partition("[")
                    yield prefix + bare, tidy(match.group(1)) + ("[" + bound if bound else "")
            else:
                self.fail(field)

    def check_type(self, where, text):
        if text == "union":
            return
        result, _, arguments = text.partition(" (")
        parts = [result] + [re.sub(r"\b\w+$", "", a) if not a.endswith("*") and a != "void" else a
                            for a in re.split(r", ", arguments.rstrip(")")) if a]
        for word in re.findall(r"\b[A-Za-z_]\w*", " ".join(re.sub(r"\[\w+\]", "", p) for p in parts)):
            if word != "const" and word not in SCALARS and word not in self.types:
                raise Mistake(f"{where}: '{word}' in '{text}' is no type of the ABI (rule 4 of docs/compatibility.md)")


def tidy(text):
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"\s*\*\s*", "* ", text).strip().replace("* *", "**").replace("* ,", "*,").replace("* )", "*)").replace("( ", "(")


def program(headers):
    lines = ["#include <stdio.h>"] + [f'#include "{name}"' for name in headers.names]
    lines += ["#ifdef __cplusplus", "#define ALIGN alignof", "#else", "#define ALIGN _Alignof", "#endif", "int main(void) {"]

    def out(text, *values):
        cast = "".join(f", (long long)({v})" for v in values)
        lines.append(f'   printf("{text}\\n"{cast});')

    out("abi %lld.%lld, pointers of %lld bytes", "WRN_ABI_MAJOR", "WRN_ABI_MINOR", "sizeof(void*)")
    out("")
    for name, text in sorted(headers.ids):
        out(f"id {name} {text}")
    out("")
    for name in headers.constants:
        out(f"value {name} %lld", name)
    out("")
    for name, text in headers.aliases:
        out(f"type {name} {text} size %lld align %lld", f"sizeof({name})", f"ALIGN({name})")
    for name in headers.opaque:
        out(f"opaque {name}")
    for name, fields in headers.structs:
        out("")
        out(f"struct {name} size %lld align %lld", f"sizeof(struct {name})", f"ALIGN(struct {name})")
        for path, text in fields:
            out(f"   %lld+%lld {path}: {text}", f"offsetof(struct {name}, {path})", f"sizeof(((struct {name}*)0)->{path})")
    return "\n".join(lines + ["   return 0;", "}", ""])


def printed_by(command, source, suffix, include, folder):
    path, binary = os.path.join(folder, "layout" + suffix), os.path.join(folder, "layout")
    with open(path, "w", encoding="utf-8") as f:
        f.write(source)
    made = subprocess.run(command + ["-I", include, path, "-o", binary], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Mistake(f"{' '.join(command)} does not take the headers:\n{made.stderr[:2000]}")
    return subprocess.run([binary], capture_output=True, text=True, check=True).stdout


def layout(root):
    include = os.path.join(root, "sdk/include")
    source = program(Headers(include))
    known = (("gcc", "c11", ".c"), ("clang", "c11", ".c"), ("clang-14", "c11", ".c"), ("g++", "c++20", ".cpp"))
    compilers = [(compiler, standard, suffix) for compiler, standard, suffix in known if shutil.which(compiler)]
    if not compilers:
        print("no compiler by the name of gcc, clang or g++")
        sys.exit(SKIPPED)
    texts = {}
    with tempfile.TemporaryDirectory() as folder:
        for compiler, standard, suffix in compilers:
            texts.setdefault(printed_by([compiler, "-std=" + standard, "-w"], source, suffix, include, folder), compiler)
    if len(texts) > 1:
        (one, first), (two, second) = list(texts.items())[:2]
        raise Mistake(f"{first} and {second} disagree:\n" + difference(one, two, first, second))
    return texts.popitem()[0]


def difference(old, new, old_name, new_name):
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, n=1, lineterm=""))
    more = [f"… and {len(lines) - DIFF_LINES} lines more"] if len(lines) > DIFF_LINES else []
    return "\n".join(lines[:DIFF_LINES] + more)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("root", nargs="?", default=os.path.join(os.path.dirname(__file__), "../.."))
    arguments = parser.parse_args()
    now = layout(arguments.root)
    if "pointers of 8 bytes" not in now:
        print("written down for pointers of 8 bytes only")
        sys.exit(SKIPPED)
    golden = os.path.join(arguments.root, GOLDEN)
    before = ""
    if os.path.exists(golden):
        with open(golden, encoding="utf-8") as f:
            before = f.read()
    if before == now:
        print(f"{GOLDEN}: {len(now.splitlines())} lines, unchanged")
        return
    same_minor = before.split("\n", maxsplit=1)[0] == now.split("\n", maxsplit=1)[0]
    print(difference(before, now, GOLDEN, "the headers now"))
    print("\nThe plugin ABI has changed.")
    if same_minor:
        print("Unless this minor is still to be released, WRN_ABI_MINOR in base.h must rise: docs/compatibility.md")
    if not arguments.write:
        print("'./do abi' writes the change down; CHANGELOG.md says it to plugin authors.")
        sys.exit(1)
    with open(golden, "w", encoding="utf-8") as f:
        f.write(now)
    print(f"{GOLDEN} is written; say in CHANGELOG.md what changed.")


if __name__ == "__main__":
    try:
        main()
    except Mistake as mistake:
        print(mistake)
        sys.exit(1)
