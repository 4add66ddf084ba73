#!/bin/sh
# `dashi` started by root, the real one: it serves as nobody, and what it made as root is gone when it is.
# In mount, network and process namespaces of its own, with an /etc and /run that vanish.
set -eu
dashi=$1
skip() { echo "SKIPPED: $*"; exit 77; }

if [ "${2:-}" != inside ]; then
  [ "$(id -u)" = 0 ] && unshare --mount --net true 2>/dev/null || skip "not root"
  grep -q '65534\|4294967295' /proc/self/uid_map || skip "there is no nobody here"
  exec unshare --mount --net --pid --fork --kill-child --mount-proc sh "$0" "$dashi" inside
fi

# A process without its user's memory cannot be looked at by the leak checker.
export ASAN_OPTIONS=detect_leaks=0
ip link set lo up
mount -t tmpfs none /run
mkdir -p /run/netns /run/upper /run/work
mount -t overlay none -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc || skip "no overlays"
rm -rf /etc/netns
ip netns add blue
file=/etc/netns/blue/resolv.conf

eventually() {
  n=0
  until "$@"; do n=$((n + 1)); [ $n -lt 300 ] || { echo "never: $*"; exit 1; }; sleep 0.1; done
}
start() {
  : >/run/ready
  verb=$1
  shift
  "$dashi" "$verb" --ready-fd 3 "$@" 3>/run/ready &
  pid=$!
  eventually test -s /run/ready
}
is_nobody() { [ "$(grep -E '^(Uid|Gid|Groups)' /proc/$pid/status | tr -s '\t ' ' ')" = "Uid: 65534 65534 65534 65534
Gid: 65534 65534 65534 65534
Groups: " ]; }

attached() { start attach --netns /run/netns/blue --configure; }
attached
is_nobody
grep -q nameserver $file
# It answers, also from raw sockets and on low ports that others may not open.
gateway=$(ip -n blue -4 route show default | cut -d ' ' -f 3)
ip netns exec blue ping -c 1 -W 5 "$gateway" >/dev/null
kill -TERM $pid
wait $pid
[ ! -e /etc/netns ]

# Even if it is killed.
attached
kill -KILL $pid
gone() { [ ! -e /etc/netns ]; }
eventually gone

# What is somebody else's stays; what a dashi left does not mislead.
mkdir -p /etc/netns/blue
echo 'nameserver 192.0.2.1' >$file
attached 2>/run/said
kill -TERM $pid && wait $pid
grep -q 'somebody else' /run/said
[ "$(cat $file)" = 'nameserver 192.0.2.1' ]
printf '# Made by dashi, for as long as it runs.\nnameserver 192.0.2.1\n' >$file
attached
grep -q "nameserver $gateway" $file
kill -TERM $pid && wait $pid
[ ! -e /etc/netns ]

# A command is root's, and is signalled by who is not root any more.
start run -- sh -c 'trap "exit 42" TERM; touch /run/trapped; while :; do sleep 0.05; done'
eventually test -e /run/trapped
is_nobody
kill -TERM $pid
status=0
wait $pid || status=$?
[ $status = 42 ]

mkdir -m 755 /run/place
start qemu unix:/run/place/socket
is_nobody
[ -S /run/place/socket ]
kill -TERM $pid && wait $pid
[ ! -e /run/place/socket ]
