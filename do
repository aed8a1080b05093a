#!/usr/bin/env bash
# The one entry for people: ./do help
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

build_packages=(cmake ninja-build g++ pkg-config libboost1.81-dev libboost-filesystem1.81-dev libboost-json1.81-dev libboost-url1.81-dev
   libsodium-dev libssl-dev libtomlplusplus-dev libspdlog-dev libfmt-dev libcbor-dev libcli11-dev libmnl-dev libqrencode-dev libgtest-dev libgmock-dev)
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] && build_packages+=(libipsec-mb-dev)
net_packages=(iproute2 iputils-ping nftables procps python3 strace wireguard-go wireguard-tools iperf3 tcpdump util-linux)
fuzz_packages=(clang-14 libclang-rt-14-dev llvm-14)
package_packages=(dpkg-dev debhelper lintian)
lint_packages=(clang-tidy-14 clang-format-14 python3 shellcheck)

yes=no
say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

usage() {
   cat <<'EOF'
./do [-y] COMMAND

  demo                 build, then run a small mesh in network namespaces: three Warren nodes and a stock WireGuard peer
  test [--long]        build and run all tests; those with network namespaces need root or sudo. --long: the slow ones too
  build [PRESET]       build/PRESET (default release; dev, asan, tsan): bin/warren and lib/warren/plugins/*.so
  bench tunnel [...]   measure tunnels in one run; --pairs N, --json FILE, --csv FILE, --svg FILE, --only NAME,...
  bench scale [...]    what a thousand configured and a hundred connected peers cost; --peers N, --static N, --json FILE
  bench micro [...]    time per packet of the parts: splitting, joining, checksums, look-ups, sealing; arguments of Google Benchmark
  bench count [...]    instructions per packet of the same, against tests/bench/baseline; --write renews it
  bench boundary       what the plugin boundary costs per packet
  fuzz [SECONDS]       every fuzz target for that long (default 60)
  abi                  write down the plugin ABI as the headers have it (sdk/abi), after a change that is meant
  reference            write docs/reference anew from what the plugins declare
  format [--check]     clang-format on all sources
  lint                 format check, style rules, clang-tidy on what changed since main (all: lint --all)
  package              build the Debian packages in build/package and look at them with lintian
  clean                remove build/

Missing Debian packages are listed and installed (root or sudo). -y, or no terminal: without asking.
EOF
}

as_root() {
   if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo --preserve-env=WARREN_TEST_ROUNDS,WIREGUARD_GO,CI "$@"; else
      say "this needs root and there is no sudo: run './do' as root"
      exit 4
   fi
}

# Installs what is missing of the packages named.
need() {
   local missing=() p
   for p in "$@"; do
      dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q "ok installed" || missing+=("$p")
   done
   [ ${#missing[@]} = 0 ] && return
   say "missing Debian packages: ${missing[*]}"
   if [ "$yes" = no ] && [ -t 0 ]; then
      read -r -p "Install them with apt-get? [Y/n] " answer
      case "$answer" in "" | y | Y | yes) ;; *) exit 1 ;; esac
   fi
   as_root apt-get update -qq
   as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build() {
   local preset=${1:-release}
   need "${build_packages[@]}"
   [ "$preset" = fuzz ] && need "${fuzz_packages[@]}"
   say "building preset $preset in build/$preset"
   cmake --preset "$preset" >/dev/null
   cmake --build --preset "$preset" -- ${JOBS:+-j"$JOBS"}
}

# ctest of a preset; tests with namespaces run as root.
run_tests() {
   local preset=$1
   shift
   as_root ctest --test-dir "build/$preset" --output-on-failure "$@"
}

sources() { git ls-files '*.cpp' '*.hpp' '*.h' '*.c'; }

while [ $# -gt 0 ]; do
   case "$1" in
   -y | --yes) yes=yes; shift ;;
   *) break ;;
   esac
done
command=${1:-help}
[ $# -gt 0 ] && shift
for argument in "$@"; do [ "$argument" = -y ] && yes=yes; done

case "$command" in
demo)
   build release
   need "${net_packages[@]}"
   say "a mesh of four hosts in network namespaces; everything is removed at the end"
   as_root python3 tests/net/demo.py
   ;;
test)
   build release
   cmake --build --preset release --target broken_modules -- ${JOBS:+-j"$JOBS"}
   need "${net_packages[@]}" clang-14 valgrind # plugins outside of the tree are built with both compilers; bench.instructions counts
   if [ "${1:-}" = --long ]; then
      need "${package_packages[@]}" debootstrap
      export WARREN_TEST_ROUNDS=200
      run_tests release
      # Two hundred starts and stops with traffic under each sanitizer.
      for preset in asan tsan; do
         build "$preset"
         run_tests "$preset" -L sanitize
      done
   else
      run_tests release -LE long
   fi
   ;;
build)
   [ "${1:-}" = -y ] && shift
   build "${1:-release}"
   ;;
bench)
   what=${1:-tunnel}
   [ $# -gt 0 ] && shift
   case "$what" in
   tunnel)
      build release
      need "${net_packages[@]}" linux-perf
      as_root python3 tests/bench/tunnel.py "$@"
      ;;
   scale)
      build release
      need "${net_packages[@]}"
      as_root python3 tests/bench/scale.py "$@"
      ;;
   micro | boundary)
      need "${build_packages[@]}" libbenchmark-dev
      cmake --preset release -DWARREN_BENCH=ON >/dev/null
      cmake --build build/release --target "bench_$what" -- ${JOBS:+-j"$JOBS"}
      [ "$what" = micro ] && set -- --benchmark_min_time=0.2 "$@" # many, and each is short
      "build/release/bin/bench_$what" --benchmark_repetitions=5 --benchmark_report_aggregates_only=true "$@"
      ;;
   count)
      need "${build_packages[@]}" valgrind python3
      cmake --preset release >/dev/null
      cmake --build build/release --target bench_count -- ${JOBS:+-j"$JOBS"}
      python3 tests/bench/count.py build/release/bin/bench_count "$@"
      ;;
   *) say "there is no benchmark '$what'; there is: tunnel, scale, micro, count, boundary"; exit 2 ;;
   esac
   ;;
fuzz)
   seconds=${1:-60}
   build fuzz
   for target in build/fuzz/bin/fuzz_*; do
      name=${target##*/fuzz_}
      mkdir -p "build/fuzz/corpus/$name"
      say "fuzzing $name for $seconds s"
      "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -artifact_prefix="build/fuzz/$name-" -print_final_stats=0 -verbosity=0 \
         "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
   done
   say "nothing found"
   ;;
abi)
   need g++ clang-14 python3
   python3 tests/abi/golden.py --write
   ;;
reference)
   build release
   need python3
   python3 tests/reference/reference.py build/release/bin/warren --write
   ;;
format)
   need clang-format-14
   if [ "${1:-}" = --check ]; then sources | xargs clang-format-14 --dry-run --Werror; else sources | xargs clang-format-14 -i; fi
   ;;
lint)
   need "${build_packages[@]}" "${lint_packages[@]}"
   sources | xargs clang-format-14 --dry-run --Werror
   [ -e tests/tidy/tidy.py ] && python3 tests/tidy/tidy.py
   shellcheck ./do .ci/run
   cmake --preset dev >/dev/null
   if [ "${1:-}" = --all ]; then files=$(git ls-files '*.cpp'); else
      files=$(git diff --name-only --diff-filter=d "$(git merge-base HEAD origin/main 2>/dev/null || git rev-list --max-parents=0 HEAD | tail -1)" -- '*.cpp')
   fi
   # Only what the dev preset compiles: tests of other toolchains are not in its database.
   files=$(for f in $files; do grep -q "$PWD/$f\"" build/dev/compile_commands.json && echo "$f"; done || true)
   [ -z "$files" ] || echo "$files" | xargs -P "$(nproc)" -n 4 clang-tidy-14 --quiet -p build/dev
   ;;
package)
   need "${build_packages[@]}" "${package_packages[@]}"
   say "building packages in build/package"
   # From a copy of what git knows, as it is now: the build leaves nothing in the tree, and the tree leaves nothing in the packages.
   rm -rf build/package/source build/package/*.{deb,buildinfo,changes}
   mkdir -p build/package/source
   git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --ignore-failed-read -c 2>/dev/null | tar -x -C build/package/source
   (
      cd build/package/source
      export CCACHE_DIR=${CCACHE_DIR:-${HOME:-/root}/.cache/ccache}
      DEB_BUILD_OPTIONS=${JOBS:+parallel=$JOBS} dpkg-buildpackage --no-sign --build=binary >../build.log 2>&1
   ) || {
      tail -40 build/package/build.log >&2
      exit 1
   }
   rm -rf build/package/source
   lintian --fail-on error,warning --tag-display-limit 0 build/package/*.changes
   ls -1 build/package/*.deb
   ;;
clean) rm -rf build ;;
help | -h | --help) usage ;;
*)
   usage >&2
   exit 2
   ;;
esac
