#!/usr/bin/env python3
"""Goal: a stranger builds plugins with the installed SDK alone.

Method: installs into a temporary prefix, builds all templates and examples in clean folders with gcc and clang, loads the results by path
and pings through them between network namespaces."""
import atexit
import functools
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ROOT, ModuleNode, carries_pings, clean_environment, command  # noqa: E402
from lab import BUILD, expect, expect_equal, main  # noqa: E402

KINDS, LANGS = ("transport", "discovery", "routing", "service"), ("c", "cpp")
WARNINGS = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"


@functools.cache
def folder():
    made = tempfile.mkdtemp(prefix="warren-outside-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@functools.cache
def prefix():
    where = os.path.join(folder(), "prefix")
    command("cmake", "--install", BUILD, "--prefix", where)
    return where


def warren():
    return os.path.join(prefix(), "bin/warren")


@functools.cache
def compilers():
    """Name -> (C, C++); those that are missing are said and left out."""
    found = {}
    for name, c, cpp in (("gcc", "gcc", "g++"), ("clang", "clang", "clang++"), ("clang", "clang-14", "clang++-14")):
        if name not in found and shutil.which(c) and shutil.which(cpp):
            found[name] = (c, cpp)
    for name in {"gcc", "clang"} - set(found):
        print(f"        left out: {name} is not installed")
    return found


def exported(module):
    return [line.split()[-1] for line in command("nm", "-D", "--defined-only", module).splitlines()]


def expect_good_module(module, name):
    expect_equal(exported(module), ["wrn_entry_0"], f"exported by {module}")
    expect("SONAME" not in command("readelf", "-d", module), f"{module} has no soname")
    expect(name in command(warren(), "plugin", "describe", module), f"{module} is described")


@functools.cache
def built(kind, lang, compiler, stream=False):
    """A template, made by `warren plugin new` and built outside with the SDK of the prefix alone; the module's path."""
    c, cpp = compilers()[compiler]
    name = f"{kind}-stream" if stream else f"{kind}-{lang}"
    source = os.path.join(folder(), f"{name}-{compiler}")
    command(warren(), "plugin", "new", kind, name, "--lang", lang, "--dir", source, *(["--stream"] if stream else []))
    flags = WARNINGS if lang == "c" else WARNINGS.replace(" -Wconversion", "")
    command("cmake", "-S", source, "-B", source + "/build", f"-DCMAKE_PREFIX_PATH={prefix()}", f"-DCMAKE_C_COMPILER={c}",
            f"-DCMAKE_CXX_COMPILER={cpp}", f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}")
    said = command("cmake", "--build", source + "/build")
    expect("warning" not in said.lower(), said)
    expect("Checking the description" in said, "the description is checked by the build\n" + said)
    module = f"{source}/build/{name}.so"
    expect_good_module(module, name)
    return module


def every_template_builds_outside_without_a_warning(lab):
    for compiler in compilers():
        for kind in KINDS:
            for lang in LANGS:
                built(kind, lang, compiler)
        built("transport", "cpp", compiler, stream=True)


def plugin_new_refuses_what_would_not_work(lab):
    where = os.path.join(folder(), "refused")
    os.makedirs(where)
    with open(os.path.join(where, "README.md"), "w") as f:
        f.write("mine")
    expect("exists already" in command(warren(), "plugin", "new", "transport", "mine", "--dir", where, code=6), "nothing is overwritten")
    expect_equal(os.listdir(where), ["README.md"], "files after a refusal")
    wrong_name = "name of a plugin"
    for kind, name, code, text in (("sauce", "mine", 2, "discovery, routing and service"), ("transport", "9lives", 2, wrong_name),
                                   ("transport", "../mine", 2, wrong_name), ("transport", "Mine", 2, wrong_name),
                                   ("discovery", "x" * 33, 2, wrong_name), ("discovery", "install", 2, "target of every CMake build")):
        said = command(warren(), "plugin", "new", kind, name, "--dir", where + "/new", code=code)
        expect(text in said, f"{kind} {name}: {said}")
    for args, code, text in ((("transport", "mine", "--lang", "c"), 1, "in C++"), (("discovery", "mine"), 2, "goes with a transport")):
        said = command(warren(), "plugin", "new", *args, "--stream", "--dir", where + "/new", code=code)
        expect(text in said, f"{args} --stream: {said}")
    expect(not os.path.exists(where + "/new"), "a refusal makes no folder")
    template = os.path.join(prefix(), "share/warren/template")
    os.rename(template, template + ".away")
    try:
        # The program may know the configured place, too; without that it says which package is missing.
        if not os.path.exists("/usr/local/share/warren/template"):
            said = command(warren(), "plugin", "new", "transport", "mine", "--dir", where + "/new", code=5)
            expect("warren-dev" in said, f"says what to install: {said}")
    finally:
        os.rename(template + ".away", template)


def node(lab, name, address, *args, **options):
    return lab._add(ModuleNode(lab, name, address, *args, binary=warren(), **options))


def templates_carry_pings(lab, c, cpp):
    """Both languages speak the same on the wire, so C talks to C++; their discoveries find each other's addresses."""
    a = node(lab, "a", "10.0.0.1", built("transport", "c", c), "transport-c", built("discovery", "cpp", cpp), channel=7)
    b = node(lab, "b", "10.0.0.2", built("transport", "cpp", cpp), "transport-cpp", built("discovery", "c", c), channel=7)
    carries_pings(a, b)


def modules_of_templates_carry_pings(lab):
    templates_carry_pings(lab, list(compilers())[0], list(compilers())[-1])


def modules_of_templates_carry_pings_with_compilers_swapped(lab):
    templates_carry_pings(lab, list(compilers())[-1], list(compilers())[0])


def stream_templates_of_both_compilers_carry_pings(lab):
    modules = [built("transport", "cpp", list(compilers())[i], stream=True) for i in (0, -1)]
    carries_pings(*(node(lab, name, address, module, "transport-stream", channel=7)
                    for name, address, module in zip("ab", ("10.0.0.1", "10.0.0.2"), modules)))


def an_installed_module_is_found_by_its_word(lab):
    module = built("transport", "c", "gcc")
    where = os.path.join(folder(), "elsewhere")
    command("cmake", "--install", os.path.dirname(module), "--prefix", where)
    env = clean_environment(WARREN_PLUGIN_DIR=os.path.join(where, "lib/warren/plugins"))
    expect("org.example.transport-c" in command(warren(), "plugin", "describe", "transport-c", env=env), "found by its word")


def plain_cc_with_pkg_config_is_enough(lab):
    module = os.path.join(folder(), "by-hand.so")
    source = os.path.join(prefix(), "share/warren/template/transport/c/plugin.c")
    env = clean_environment(PKG_CONFIG_PATH=os.path.join(prefix(), "share/pkgconfig"))
    command("sh", "-ec", f"gcc -std=c11 -O2 -fPIC -shared -fvisibility=hidden {WARNINGS} $(pkg-config --cflags warren-sdk) "
            f"-Wl,--version-script=$(pkg-config --variable=versionscript warren-sdk) {source} -o {module}", env=env)
    expect_good_module(module, "my-plugin")


def find_package_takes_exactly_the_minor(lab):
    version = re.search(r"plugin ABI (\d+)\.(\d+)", command(warren(), "version"))
    major, minor = map(int, version.groups())
    for asked, code in ((f"{major}.{minor}", 0), (f"{major}.{minor + 1}", 1), (f"{major + 1}.0", 1)):
        source = os.path.join(folder(), f"asks-{asked}")
        os.makedirs(source)
        with open(source + "/CMakeLists.txt", "w") as f:
            f.write(f"cmake_minimum_required(VERSION 3.20)\nproject(asks LANGUAGES C)\nfind_package(WarrenSDK {asked} REQUIRED)\n")
        command("cmake", "-S", source, "-B", source + "/build", f"-DCMAKE_PREFIX_PATH={prefix()}", code=code)


def a_module_of_the_previous_minor_is_refused_with_both_versions_named(lab):
    headers = os.path.join(folder(), "older")
    shutil.copytree(os.path.join(prefix(), "include"), headers)
    base = os.path.join(headers, "warren/base.h")
    with open(base) as f:
        text = f.read()
    major = int(re.search(r"#define WRN_ABI_MAJOR (\d+)u", text).group(1))
    minor = int(re.search(r"#define WRN_ABI_MINOR (\d+)u", text).group(1))
    expect(minor > 0, "there is a minor before this one")
    with open(base, "w") as f:
        f.write(text.replace(f"#define WRN_ABI_MINOR {minor}u", f"#define WRN_ABI_MINOR {minor - 1}u"))
    module = os.path.join(folder(), "older.so")
    source = os.path.join(prefix(), "share/warren/template/transport/c/plugin.c")
    command("gcc", "-std=c11", "-fPIC", "-shared", "-I", headers, source, "-o", module)

    def names_both(text, where):
        all_there = f"{major}.{minor - 1}" in text and f"{major}.{minor}" in text and module in text
        expect(all_there, f"{where} names file and both versions: {text}")

    names_both(command(warren(), "plugin", "describe", module, code=1), "plugin describe")
    a = node(lab, "a", "10.0.0.1", module, "my-plugin")
    a.write()
    names_both(command(warren(), "--config", a.config, "config", "check", code=2), "config check")
    names_both(command(warren(), "--config", a.config, "run", code=2), "run")


def the_example_in_c_carries_pings(lab):
    example = os.path.join(ROOT, "examples/transport-c")
    module = os.path.join(folder(), "example-c/bare.so")
    env = clean_environment(PKG_CONFIG_PATH=os.path.join(prefix(), "share/pkgconfig"))
    command("make", "-C", example, f"OUT={os.path.dirname(module)}", "CFLAGS=-O2 -Werror", env=env)
    expect_good_module(module, "bare")
    carries_pings(*(node(lab, name, address, module, "bare") for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"))))


def the_example_in_rust_finds_the_peer(lab):
    found = shutil.which("rustc") and shutil.which("cargo") and re.search(r"rustc (\d+)\.(\d+)", command("rustc", "--version"))
    if not found or tuple(map(int, found.groups())) < (1, 77):
        print("        left out: cargo with Rust 1.77 is not installed")
        return
    target = os.path.join(folder(), "rust")
    said = command("cargo", "build", "--release", "--offline", "--target-dir", target, cwd=os.path.join(ROOT, "examples/discovery-rust"))
    expect("warning" not in said, said)
    module = os.path.join(target, "release/libliteral.so")
    expect_good_module(module, "literal")
    carries_pings(*(node(lab, name, address, "plain", "plain", module) for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"))))


if __name__ == "__main__":
    main(plugin_new_refuses_what_would_not_work, every_template_builds_outside_without_a_warning, modules_of_templates_carry_pings,
         modules_of_templates_carry_pings_with_compilers_swapped, stream_templates_of_both_compilers_carry_pings, an_installed_module_is_found_by_its_word,
         plain_cc_with_pkg_config_is_enough, find_package_takes_exactly_the_minor,
         a_module_of_the_previous_minor_is_refused_with_both_versions_named, the_example_in_c_carries_pings,
         the_example_in_rust_finds_the_peer)
