# Continues `init.sh` where systemd is to be the first process: the agent becomes a service of it.
#
# The root is the outer machine's own, often a container's. systemd must not take it for one, and must not do there what
# a first start of such a machine would: everything it starts costs seconds under emulation.
b=/bin/busybox
etc=/root/etc
$b rm -rf /root/.dockerenv /root/run/.containerenv $etc/fstab $etc/selinux $etc/systemd/system/*.wants
[ -s $etc/machine-id ] || echo 0123456789abcdef0123456789abcdef >$etc/machine-id
for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-update-utmp.service systemd-journal-flush.service \
    systemd-sysusers.service systemd-hwdb-update.service systemd-machine-id-commit.service systemd-firstboot.service \
    modprobe@.service; do
    $b ln -sf /dev/null $etc/systemd/system/$unit
done
$b cat >$etc/systemd/system/vmrun-test.target <<UNIT
[Unit]
Requires=basic.target
Wants=dbus.service systemd-logind.service vmrun-test.service
After=basic.target
AllowIsolate=yes
UNIT
$b cat >$etc/systemd/system/vmrun-test.service <<UNIT
[Unit]
After=basic.target dbus.service systemd-logind.service
[Service]
ExecStart=/run/vmrun-test/busybox sh /run/vmrun-test/agent
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
UNIT
$b ln -sf vmrun-test.target $etc/systemd/system/default.target
exec $b switch_root /root /lib/systemd/systemd --log-level=warning --show-status=false
