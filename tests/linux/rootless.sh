#!/bin/sh
# `dashi run` by a user without any privilege. As root the test becomes such a user (65534), in a private
# mount namespace with a TUN node of its own that everybody may open, as on a usual machine.
set -eu
dashi=$1
skip() { echo "SKIPPED: $*"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)

if [ "${2:-}" != inside ]; then
  if [ "$(id -u)" != 0 ]; then
    [ -w /dev/net/tun ] || skip "not root, and /dev/net/tun is not for us"
    exec sh "$0" "$dashi" inside
  fi
  unshare --mount --net true 2>/dev/null || skip "no mount and network namespaces"
  exec unshare --mount --net --pid --fork --kill-child --mount-proc sh -c '
    set -eu
    ip link set lo up
    mount -t tmpfs -o mode=755 none /mnt
    cp "$0" /mnt/dashi && cp "$1" /mnt/rootless.sh && chmod -R a+rX /mnt
    mknod /mnt/tun c 10 200 && chmod 666 /mnt/tun && mount --bind /mnt/tun /dev/net/tun
    exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs env TMPDIR=/tmp HOME=/ sh /mnt/rootless.sh /mnt/dashi inside
  ' "$dashi" "$here/rootless.sh"
fi

[ "$(id -u)" != 0 ]
unshare --user --map-root-user true 2>/dev/null || skip "no user namespaces for users here"
# A service on the loopback of the "host".
/usr/bin/python3 -m http.server --bind 127.0.0.1 8000 --directory "$here" >/dev/null 2>&1 &
server=$!
trap 'kill $server' EXIT
n=0
until curl -s -o /dev/null http://127.0.0.1:8000/; do n=$((n + 1)); [ $n -lt 300 ]; sleep 0.1; done

"$dashi" run --allow-host-loopback=8000 -- sh -c '
  set -e
  [ "$(id -u)" = 0 ]
  gateway=$(ip -4 route show default | cut -d " " -f 3)
  ping -c 1 -W 5 "$gateway" >/dev/null
  curl -sSf -m 20 "http://$gateway:8000/rootless.sh" | cmp - "$0"
' "$here/rootless.sh"
status=0
"$dashi" run -- sh -c 'exit 9' || status=$?
[ $status = 9 ]
# The namespace of a process of ours, and not of root's: attach ends with it.
unshare --user --map-root-user --net sleep 1000 &
process=$!
n=0
until [ "$(readlink /proc/$process/ns/net)" != "$(readlink /proc/self/ns/net)" ] && grep -q . /proc/$process/uid_map; do
  n=$((n + 1)); [ $n -lt 300 ]; sleep 0.1
done
"$dashi" attach --pid $process --configure --allow-host-loopback=8000 >/dev/null &
attached=$!
n=0
until nsenter --user --net --preserve-credentials --target $process sh -c '
    curl -sf -m 5 "http://$(ip -4 route show default | cut -d " " -f 3):8000/rootless.sh"' |
    cmp - "$here/rootless.sh" 2>/dev/null; do n=$((n + 1)); [ $n -lt 100 ]; sleep 0.1; done
kill $process
status=0
wait $attached || status=$?
[ $status = 0 ]
echo "1 passed"
