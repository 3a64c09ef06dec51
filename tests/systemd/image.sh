#!/bin/bash
# Boots this machine's own systemd on a throw-away copy of its file system.
#
#   image.sh WORK PROGRAM PYTHON STATE
#
# WORK     an empty folder, for the mounts
# PROGRAM  the environment with rigd, becomes /opt/rigd
# PYTHON   the interpreter's prefix, becomes /opt/python
# STATE    what outlives the power-off, becomes /var/lib/rigd
#
# To be run as root in a mount namespace and a cgroup of its own. Nothing of it is seen
# outside, nothing is written to the real file system but STATE.
set -Eeuo pipefail
trap 'echo "image.sh failed at line $LINENO: $BASH_COMMAND" >&2' ERR

if [[ $1 == as-init ]]; then
  root=$2
  [[ $$ == 1 ]] || { echo "not the first process of a namespace" >&2; exit 1; }
  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  for place in sys sysrq-trigger irq bus; do
    [[ -e $root/proc/$place ]] || continue
    mount --bind "$root/proc/$place" "$root/proc/$place"
    mount -o remount,bind,ro "$root/proc/$place"
  done
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
  hostname rig
  cd "$root"
  mkdir -p run/host
  pivot_root . run/host
  umount -l /run/host
  rmdir /run/host
  # `container` keeps systemd from clocks, kernel settings and hardware.
  exec env -i container=rigd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    "$(ls /lib/systemd/systemd /usr/lib/systemd/systemd 2>/dev/null | head -n 1)" \
    --system --unit=rig.target --log-target=journal
fi

work=$1 program=$2 python=$3 state=$4

mount -t tmpfs -o mode=755 rigd-test "$work"
mkdir "$work"/{upper,overlay,root}
root=$work/root
mount -t overlay overlay \
  -o "lowerdir=/,upperdir=$work/upper,workdir=$work/overlay" "$root"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root"/dev/{pts,shm,mqueue}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
  ln -s "/proc/self/fd/${number%%:*}" "$root/dev/${number##*:}"
done
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
# Two devices without hardware: a serial port, and one that the unit does not name.
mknod -m 660 "$root/dev/ttyS1" c 4 65
chgrp dialout "$root/dev/ttyS1"
mknod -m 666 "$root/dev/forbidden" c 10 229

# Nothing starts but what a rig needs.
units=$root/etc/systemd/system
rm -rf "$units"/*.wants
mkdir -p "$units"
for unit in systemd-firstboot systemd-machine-id-commit systemd-timesyncd \
  systemd-udevd systemd-networkd systemd-resolved systemd-random-seed \
  systemd-hwdb-update systemd-journal-catalog-update systemd-update-done \
  systemd-remount-fs systemd-pstore systemd-binfmt systemd-modules-load ldconfig \
  getty@tty1 console-getty; do
  ln -sfn /dev/null "$units/$unit.service"
done
for unit in dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
  proc-sys-fs-binfmt_misc.automount systemd-udevd-kernel.socket \
  systemd-udevd-control.socket; do
  ln -sfn /dev/null "$units/$unit"
done
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n' \
  >"$units/rig.target"
: >"$root/etc/fstab"
mkdir -p "$root"/etc/systemd/{journald,system}.conf.d
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToConsole=no\n' \
  >"$root/etc/systemd/journald.conf.d/rig.conf"
printf '[Manager]\nDefaultTimeoutStopSec=10s\n' \
  >"$root/etc/systemd/system.conf.d/rig.conf"

mkdir -p "$root"/opt/{rigd,python} "$root/var/lib/rigd"
mount --bind "$program" "$root/opt/rigd"
mount --bind "$python" "$root/opt/python"
# Shared libraries of an interpreter that looks for them in its old place.
echo /opt/python/lib >"$root/etc/ld.so.conf.d/rigd-test.conf"
chroot "$root" ldconfig
mount --bind "$state" "$root/var/lib/rigd"

exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup -- \
  "$0" as-init "$root"
