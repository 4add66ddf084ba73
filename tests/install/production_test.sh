#!/bin/sh
# Builds `dashi` alone, as on a machine without ns-3, libpcap, pybind11 and Boost: not found, and not looked for.
# usage: production_test.sh SOURCE CXX
set -eu
source=$1 cxx=$2
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

fail() { echo "$1"; exit 1; }

# A pkg-config that knows no libpcap.
cat >"$build/pkg-config" <<'END'
#!/bin/sh
case "$*" in *pcap*) exit 1 ;; esac
exec pkg-config "$@"
END
chmod +x "$build/pkg-config"

set -- -DDASHI_BUILD_LAB=OFF -DDASHI_BUILD_TESTS=OFF
for package in ns3 pybind11 Python Python3 Boost rapidcheck benchmark; do
  set -- "$@" "-DCMAKE_DISABLE_FIND_PACKAGE_$package=ON"
done
# Optimised is how the other presets build it; here the point is that it builds.
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS=-O0 \
  -DPKG_CONFIG_EXECUTABLE="$build/pkg-config" "$@" >"$build/log" 2>&1 || { cat "$build/log"; exit 1; }
if grep -E '^(DASHI_NS3_|libpcap_|pybind11_|Python|Boost_)' "$build/CMakeCache.txt"; then
  fail "the above was looked for"
fi
cmake --build "$build" --parallel 2 >"$build/log" 2>&1 || { tail -50 "$build/log"; exit 1; }

"$build/bin/dashi" --version | grep -q '^dashi [0-9]' || fail "dashi --version fails"
"$build/bin/dashi" run --help | grep -q -e '--net6' || fail "dashi run --help fails"
[ ! -e "$build/bin/dashi-lab" ] || fail "the laboratory was built too"
if ldd "$build/bin/dashi" | grep -E 'ns3|pcap|python|boost'; then fail "dashi is linked with the above"; fi
