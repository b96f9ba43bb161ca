# Prints what a launcher may change of a host, one fact a line, in an order that stays: two outputs are compared by
# `diff`. Left out is what changes by itself: times, counters, and numbers that the kernel deals anew.
#
# Run by busybox, whose shell has all of these commands in itself: a program costs a tenth of a second to start here.
devices="$(echo /sys/bus/pci/devices/*/ /sys/bus/usb/devices/*/)"
{
    # Devices: every text attribute, how they sleep.
    find $devices -maxdepth 1 -type f ! -name config ! -name 'resource?*' ! -name rom ! -name irq ! -name urbnum \
        ! -name power_state ! -name devnum ! -name dev ! -name waiting_for_supplier ! -name descriptors ! -name 'aer_*' ! -name 'avoid_*' ! -name uevent -perm -400
    for device in $devices; do
        echo "$device/power/control $device/power/autosuspend_delay_ms $device/power/wakeup"
    done
    # Memory: pools of huge pages, transparent ones, same-page merging.
    find /sys/kernel/mm/hugepages /sys/devices/system/node/*/hugepages -type f
    echo /sys/kernel/mm/transparent_hugepage/* /sys/kernel/mm/ksm/run /sys/kernel/mm/ksm/pages_to_scan
    # Processors: governors, frequencies, where the kernel and its tasks may run.
    echo /sys/devices/system/cpu/cpu*/online /sys/devices/system/cpu/cpu*/power/pm_qos_resume_latency_us
    echo /sys/devices/system/cpu/cpu*/cpufreq/scaling_[gms]* /sys/devices/system/cpu/cpu*/cpufreq/energy_*
    find /sys/fs/cgroup -name 'cpuset.[cm]*' -o -name cgroup.subtree_control
    find /sys/devices/virtual/workqueue -name cpumask
    # The picture: consoles and framebuffers.
    echo /sys/class/vtconsole/*/bind /sys/class/vtconsole/*/name /sys/class/graphics/fb*/name
    echo /sys/module/kvm*/parameters/* /sys/module/vfio*/parameters/*
    find /proc/sys/kernel /proc/sys/vm -type f -perm -400 ! -path '*/random/*' ! -name ns_last_pid ! -name hung_task_warnings ! -path '*/pty/nr' \
        ! -path '*sched_domain*'
    echo /proc/irq/default_smp_affinity
} | xargs grep -s ''
for link in $(find $devices -maxdepth 1 -name driver); do
    echo "$link -> $(readlink "$link")"
done
# Nodes, with their owners and modes.
find /dev/dri /dev/snd /dev/vfio /dev/nvme* /dev/fb* /dev/hidraw* /dev/sd* /dev/tty[AU]* /dev/kvm ! -type d 2>/dev/null |
    sort | xargs stat -c '%n %u:%g %a'
# Where interrupts go, by the names of their handlers: their numbers are dealt anew with each driver.
awk 'FILENAME == "/proc/interrupts" { name[$1] = $NF; next }
    { split(FILENAME, part, "/"); if (part[4] ":" in name) print "irq", name[part[4] ":"], $0 }' \
    /proc/interrupts /proc/irq/*/smp_affinity_list | sort
cat /proc/modules | sed 's/ .*//' | sort
cat /proc/self/mounts
# Folders of guests; what vmrun keeps for itself is hidden.
ls /run/vmrun 2>/dev/null
ps -o comm | grep -E '^(qemu|vmrun|swtpm)'
true
