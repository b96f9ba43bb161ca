#!/bin/busybox sh
# First process of the emulated host: makes the outer machine's root the root here, then becomes the agent.
b=/bin/busybox
# shellcheck source=/dev/null
. /settings

$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do
    $b insmod "$module" || echo "init: $module does not load"
done

# The outer root stays as it is: what is written here lies in memory, above it.
$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose root /lower
$b mount -t tmpfs -o mode=755 tmpfs /writable
$b mkdir /writable/upper /writable/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/writable/upper,workdir=/writable/work overlay /root || {
    echo "init: no root file system"
    exec $b poweroff -f
}

for folder in proc sys dev; do
    $b mount --move /$folder /root/$folder
done
$b mount -t tmpfs -o mode=755 tmpfs /root/run
$b mkdir -p /root/run/vmrun-test /root/dev/pts /root/dev/shm /root/dev/hugepages /root/usr/lib/modules
$b mount -t devpts devpts /root/dev/pts
$b mount -t tmpfs -o mode=1777 tmpfs /root/dev/shm
$b mount -t hugetlbfs hugetlbfs /root/dev/hugepages
$b mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
# shellcheck disable=SC2154 # from the settings
$b rm -rf "/root/usr/lib/modules/${modules##*/}"
$b ln -s "$modules" "/root/usr/lib/modules/${modules##*/}"
$b cp /bin/busybox /agent /prepare /settings /root/run/vmrun-test/
# shellcheck disable=SC2154 # from the settings
case $init in
agent) exec $b switch_root /root /run/vmrun-test/busybox sh /run/vmrun-test/agent ;;
systemd) exec $b sh /systemd ;;
esac
