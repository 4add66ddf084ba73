#!/bin/sh
# Makes FOLDER/vmlinuz and FOLDER/initrd.gz for the QEMU tests: Debian's cloud kernel, downloaded as a
# package and unpacked there (never installed), and an initramfs of busybox and its virtio modules.
# Exits with 77 and a reason where that cannot be had.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "SKIPPED: $*"; exit 77; }

for program in qemu-system-x86_64 busybox cpio dpkg-deb apt-get; do
  command -v "$program" >/dev/null || skip "$program is not installed"
done
busybox=$(command -v busybox)
! ldd "$busybox" >/dev/null 2>&1 || skip "busybox is not static (busybox-static)"

mkdir -p "$folder"
cd "$folder"
if [ ! -e vmlinuz ]; then
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
  [ -n "$package" ] || skip "apt knows no linux-image-cloud-amd64"
  apt-get download "$package" >/dev/null 2>download.log || skip "cannot download $package: $(tail -n 1 download.log)"
  rm -rf kernel
  dpkg-deb -x "$package"_*.deb kernel
  cp kernel/boot/vmlinuz-* vmlinuz.new
  mv vmlinuz.new vmlinuz
fi

rm -rf root
mkdir -p root/bin root/etc root/proc root/sys root/dev root/modules root/tmp
cp "$busybox" root/bin/busybox
cp "$here/init" root/init
chmod +x root/init
# In the order they are loaded.
n=0
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover \
              virtio_net; do
  n=$((n + 1))
  found=$(find kernel -name "$module.ko" | head -n 1)
  [ -n "$found" ] && cp "$found" "root/modules/$n-$module.ko"
done
(cd root && find . | cpio --quiet -o -H newc | gzip -1) > initrd.gz
