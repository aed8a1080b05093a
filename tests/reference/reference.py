#!/usr/bin/env python3
"""Goal: the reference pages in docs/reference say what the plugins of this tree declare.

Method: asks the program to describe every plugin beside it and compares the answers with the pages.

    reference.py WARREN            exit 0 = the same
    reference.py WARREN --write    writes the pages anew, './do reference'
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

FOLDER = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../docs/reference"))
HEAD = "<!-- Written by './do reference' from what the plugin declares. Change it there. -->\n\n"


def ask(warren, *arguments):
    """Without the machine's own configuration and plugin folders."""
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "warren.toml")
        with open(config, "w", encoding="utf-8"):
            pass
        environment = {k: v for k, v in os.environ.items() if k != "WARREN_PLUGIN_DIR"}
        run = subprocess.run([warren, "--config", config, "plugin", *arguments], env=environment,
                             capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"'warren plugin {' '.join(arguments)}' failed: {run.stderr}")
    return run.stdout


def pages(warren):
    ours = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(warren))), "lib")
    plugins = [p for p in json.loads(ask(warren, "list", "--json"))["plugins"] if p["module"].startswith(ours + os.sep)]
    plugins.sort(key=lambda p: (p["kind"], p["name"]))
    index = ["# Reference\n",
             "The keys of `warren.toml` and of a network's file, with defaults: [warren.toml](../../configs/warren.toml),",
             "[networks/example.toml](../../configs/networks/example.toml). The plugins that come with Warren:\n",
             "| plugin | kind | what it is |", "|---|---|---|"]
    out = {}
    for p in plugins:
        file = f"{p['kind']}-{p['name']}.md"
        out[file] = HEAD + ask(warren, "describe", p["module"], "--format", "markdown")
        index.append(f"| [{p['name']}]({file}) | {p['kind']} | {p['summary']} |")
    index.append("\n`warren plugin describe NAME --format markdown` prints such a page of any plugin, `./do reference` writes these.")
    out["README.md"] = "\n".join(index) + "\n"
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("warren")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    wanted = pages(arguments.warren)
    os.makedirs(FOLDER, exist_ok=True)
    mistakes = []
    for name in sorted(set(os.listdir(FOLDER)) | set(wanted)):
        path, text = os.path.join(FOLDER, name), None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                text = f.read()
        if text == wanted.get(name):
            continue
        why = "is missing" if text is None else "is of no plugin" if name not in wanted else "is out of date"
        mistakes.append(f"docs/reference/{name} {why}")
        if not arguments.write:
            continue
        if name not in wanted:
            os.remove(path)
            continue
        with open(path, "w", encoding="utf-8") as f:
            f.write(wanted[name])
    if mistakes and not arguments.write:
        print("\n".join(mistakes) + "\n'./do reference' writes the pages anew")
        sys.exit(1)
    print(f"{len(wanted)} pages of docs/reference" + (f", {len(mistakes)} written" if mistakes else " are as they should be"))


if __name__ == "__main__":
    main()
