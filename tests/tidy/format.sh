#!/bin/sh
# clang-format over every C++ file of ours. usage: format.sh CLANG_FORMAT ROOT
set -eu
cd "$2"
find . \( -name build -o -name '.?*' \) -prune -o \( -name '*.cc' -o -name '*.hh' \) -type f -print0 |
  xargs -0 -r -P 2 -n 40 "$1" --dry-run -Werror --style=file
