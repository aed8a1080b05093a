#!/usr/bin/env python3
"""Goal: the packages work on a system that has nothing else.

Method: builds them where ./do package has not, installs them into a fresh minimal root, and runs a mesh of two namespaces with the
program and the plugins that lie there. The daemons run with what the unit leaves them of root's power.
"""
import atexit
import functools
import glob
import json
import os
import re
import shutil
import stat
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ROOT, ModuleNode, carries_pings, command  # noqa: E402
from lab import expect, expect_equal, main  # noqa: E402

SUITE = "bookworm"


@functools.cache
def packages():
    """warren and warren-dev; built when they are missing or older than the last commit."""
    def found():
        return sorted(p for p in glob.glob(os.path.join(ROOT, "build/package/warren*.deb")) if "-dbgsym" not in p)
    changed = float(command("git", "-c", "safe.directory=*", "-C", ROOT, "log", "-1", "--format=%ct"))
    if not found() or min(map(os.path.getmtime, found())) < changed:
        command(os.path.join(ROOT, "do"), "-y", "package")
    expect_equal(len(found()), 2, f"packages in build/package: {found()}")
    return found()


def inside(*args, code=0, where=None):
    """Runs a command in the fresh root."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return command("chroot", where or root(), *args, code=code, env=env)


def dependencies():
    """What the packages want of Debian; of alternatives what suits a root without systemd, of virtual packages what provides them here."""
    wanted, providers = set(), {}
    for line in command("dpkg-query", "--show", "--showformat=${Package}\\t${Provides}\\n").splitlines():
        package, provides = line.split("\t")
        providers |= {name: package for name in re.findall(r"[\w.+-]+(?= \(|,|$)", provides)} | {package: package}
    for package in packages():
        for group in command("dpkg-deb", "--field", package, "Depends").split(","):
            names = [re.match(r"\s*([\w.+-]+)", choice).group(1) for choice in group.split("|")]
            wanted.add("systemd-standalone-sysusers" if "systemd-standalone-sysusers" in names else names[0])
    return {providers.get(name, name) for name in wanted} - {"warren"}


@functools.cache
def root():
    """A minimal system with both packages and what they depend on, nothing else."""
    where = tempfile.mkdtemp(prefix="warren-root-")
    os.chmod(where, 0o755)
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    command("debootstrap", "--variant=minbase", f"--include={','.join(sorted(dependencies()))}", SUITE, where)
    for package in packages():
        shutil.copy(package, where + "/var/tmp")
    inside("sh", "-ec", "dpkg --install /var/tmp/warren*.deb", where=where)
    return where


@functools.cache
def program():
    """Runs the installed program in the root, in this network namespace, with the unit's capabilities; what lies in /tmp is seen by both."""
    with open(root() + "/lib/systemd/system/warren.service") as f:
        unit = f.read()
    capabilities = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE).group(1).lower().split()
    kept = "".join(",+" + c.removeprefix("cap_") for c in capabilities)
    group = inside("getent", "group", "warren").split(":")[2]
    where = root() + "-warren"
    atexit.register(lambda: os.path.exists(where) and os.unlink(where))
    with open(where, "w") as f:
        f.write(f"""#!/bin/sh -e
if [ "$1" != inside ]; then exec unshare --mount "$0" inside "$@"; fi
shift
for folder in /tmp /dev /proc; do mount --rbind $folder {root()}$folder; done
exec chroot {root()} setpriv --no-new-privs --inh-caps=-all --bounding-set=-all{kept} --groups={group} /usr/bin/warren "$@"
""")
    os.chmod(where, 0o755)
    return where


def program_plugins_and_configuration_are_there(lab):
    expect("plugin ABI" in inside("warren", "version"), "it says its version")
    listed = json.loads(inside("warren", "plugin", "list", "--json"))
    expect_equal(sorted(p["name"] for p in listed["plugins"]), ["plain", "static", "wireguard"], "plugins")
    expect_equal(listed["refused"], [], "refused modules")
    for p in listed["plugins"]:
        expect(re.fullmatch(rf"/usr/lib/[^/]+/warren/plugins/{p['name']}\.so", p["module"]), f"where it lies: {p['module']}")
    inside("warren", "config", "check")
    example = root() + "/etc/warren/networks/example.toml"
    shutil.copy(os.path.join(ROOT, "configs/networks/example.toml"), example)
    expect("networks: example" in inside("warren", "config", "check"), "the commented file is right")
    with open(example, "a") as f:
        f.write("[nonsense]\n")
    expect("nonsense" in inside("warren", "config", "check", code=2), "a mistake is found")
    os.unlink(example)


def group_unit_and_documents_are_there(lab):
    expect(inside("getent", "group", "warren").startswith("warren:"), "sysusers made the group")
    expect(os.path.islink(root() + "/etc/systemd/system/multi-user.target.wants/warren.service"), "the unit is enabled")
    for name in ("man/man1/warren.1.gz", "man/man5/warren.toml.5.gz", "bash-completion/completions/warren", "zsh/vendor-completions/_warren",
                 "fish/vendor_completions.d/warren.fish"):
        path = os.path.join(root(), "usr/share", name)
        # A minimal root may be told to leave manual pages out.
        expect(os.path.getsize(path) > 500 if os.path.exists(path) else name.startswith("man"), f"{name} is there")
    for folder in ("/usr/bin/warren", "/etc/warren", "/etc/warren/networks"):
        info = os.stat(root() + folder)
        expect((info.st_uid, info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) == (0, 0), f"only root writes {folder}")


def installed_templates_are_found(lab):
    inside("warren", "plugin", "new", "transport", "acme", "--dir", "/var/tmp/acme")
    expect(os.path.exists(root() + "/var/tmp/acme/CMakeLists.txt"), "a project was written")


def two_nodes_ping_over_wireguard(lab):
    carries_pings(*(lab._add(ModuleNode(lab, name, address, "wireguard", "wireguard", binary=program()))
                    for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"))))
    a = lab.hosts[0]
    with open(f"/proc/{a.process.pid}/status") as f:
        bounding = next(line.split()[1] for line in f if line.startswith("CapBnd"))
    expect_equal(int(bounding, 16), 1 << 12 | 1 << 10, "CAP_NET_ADMIN and CAP_NET_BIND_SERVICE are all it has")
    info = os.stat(a.socket)
    group = int(inside("getent", "group", "warren").split(":")[2])
    expect_equal((info.st_gid, info.st_mode & 0o777), (group, 0o660), "the control socket is the group's, without CAP_CHOWN")


def removing_leaves_the_operators_files(lab):
    inside("warren", "key", "generate", "/var/lib/warren/mine/keys")
    with open(root() + "/etc/warren/networks/mine.toml", "w") as f:
        f.write("network.interface = \"h0\"\n")
    inside("dpkg", "--purge", "warren", "warren-dev")
    for kept in ("/var/lib/warren/mine/keys/identity.key", "/etc/warren/networks/mine.toml"):
        expect(os.path.exists(root() + kept), f"{kept} is kept")
    expect(not os.path.exists(root() + "/usr/bin/warren"), "the program is gone")


if __name__ == "__main__":
    for needed in ("debootstrap", "unshare", "ip"):
        if os.geteuid() == 0 and not shutil.which(needed):
            print(f"skipped: {needed} is not installed")
            sys.exit(77)
    main(program_plugins_and_configuration_are_there, group_unit_and_documents_are_there, installed_templates_are_found,
         two_nodes_ping_over_wireguard, removing_leaves_the_operators_files)
