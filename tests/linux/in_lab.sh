#!/bin/sh
# Runs a test program with user, mount, network and process namespaces of its own: it is root there, what
# it mounts and starts is gone when it ends, and nothing of the machine is touched. Exits with 77 where
# such namespaces are not to be had.
if ! unshare --user --map-root-user --mount --net --pid --fork --mount-proc true 2>/dev/null; then
  echo "SKIPPED: no user, mount, network and process namespaces here"
  exit 77
fi
exec unshare --user --map-root-user --mount --net --pid --fork --kill-child --mount-proc "$@"
