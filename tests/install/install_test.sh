#!/bin/sh
# Installs a build into a folder of its own and looks at it as a stranger would.
# usage: install_test.sh BUILD CXX
set -eu
build=$1 cxx=$2
here=$(cd "$(dirname "$0")" && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

expect() {  # expect WHAT ACTUAL WANTED
  [ "$2" = "$3" ] || { echo "$1: got '$2', wanted '$3'"; exit 1; }
}

cmake --install "$build" --prefix "$prefix/root" >"$prefix/log" || { cat "$prefix/log"; exit 1; }

# A CMake project finds the package.
cmake -S "$here/consumer" -B "$prefix/cmake" -DCMAKE_PREFIX_PATH="$prefix/root" \
  -DCMAKE_CXX_COMPILER="$cxx" >"$prefix/log" || { cat "$prefix/log"; exit 1; }
cmake --build "$prefix/cmake" >"$prefix/log" || { cat "$prefix/log"; exit 1; }
expect "consumer by CMake" "$("$prefix/cmake/consumer")" "10.0.0.1 is here"

# pkg-config tells a plain compiler the same.
pc=$(dirname "$(find "$prefix/root" -name dashi.pc)")
flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs dashi)
# shellcheck disable=SC2086
"$cxx" -std=c++20 "$here/consumer/main.cc" $flags -o "$prefix/consumer"
expect "consumer by pkg-config" "$("$prefix/consumer")" "10.0.0.1 is here"

# Nothing of the build's place is left in what was installed.
if grep -rIl "$build" "$prefix/root"; then echo "the above name the build folder"; exit 1; fi

# What was built is there, and works.
for program in dashi dashi-lab; do
  [ -x "$build/bin/$program" ] || continue
  "$prefix/root/bin/$program" --help >/dev/null || { echo "$program --help fails"; exit 1; }
  man=$prefix/root/share/man/man1/$program.1
  [ -s "$man" ] || { echo "no man page of $program"; exit 1; }
done
if [ -d "$build/python/dashi" ]; then
  module=$(dirname "$(find "$prefix/root" -path '*dist-packages/dashi/__init__.py')")
  PYTHONPATH=$(dirname "$module") /usr/bin/python3 -c 'import dashi; dashi.Experiment'
fi
