#!/bin/sh
# The QEMU tests: run.sh FOLDER, where the kernel is kept between runs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/prepare.sh" "$1"
export DASHI_TEST_KERNEL="$1"
exec "$here/../linux/in_lab.sh" /usr/bin/python3 -m pytest -q -x -p no:cacheprovider "$here/test_qemu.py"
