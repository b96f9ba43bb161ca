#!/bin/bash
# What people's scripts do around QEMU.
cd /srv/vm
echo 4096 > /proc/sys/vm/nr_hugepages
echo 0000:01:00.0 > /sys/bus/pci/devices/0000:01:00.0/driver/unbind
sysctl -w vm.swappiness=1 > /dev/null
sudo cpupower frequency-set -g performance
echo 1 | sudo tee /sys/module/kvm/parameters/ignore_msrs
trap 'rm -f /tmp/lock' EXIT
cat <<EOF > /tmp/note
hello there; -device foo | reader &
EOF
systemctl stop display-manager
xset -dpms 2>/dev/null
scream -i virbr0 2>&1 &

qemu-system-x86_64 -enable-kvm -name gamer -m 8G -mem-path /dev/hugepages -smp 4 -nodefaults \
  -drive file=games.qcow2,format=qcow2,if=virtio \
  -device vfio-pci,host=01:00.0 > /var/log/vm.log 2>&1
# -device ivshmem-plain \
  -vga qxl

pkill compton
pkill scream
if [ "$1" = "gpu" ]; then
  xrandr --output DP-1 --auto
fi
