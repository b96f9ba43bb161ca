# First process of the emulated host once its root is there: runs what comes over the channel, one script at a time.
#
# A request is the line "<bytes> <seconds>" and a shell script of that many bytes, which may take that many seconds.
# An empty line asks for nothing. The answer is the line "<status> <bytes> <bytes>", then standard output and standard
# error, that many bytes each; before it comes an empty line every five seconds, by which the other end knows that this
# kernel still runs.
b=/run/vmrun-test/busybox
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
cd /run/vmrun-test || exit
$b hostname vmrun-test
$b ip link set lo up

# Programs of the machine go by their path here, because this shell takes busybox's own otherwise: its modprobe does not
# know that vfio wants vfio_iommu_type1 after it, and its timeout ends with another status.
# shellcheck source=/dev/null
. ./settings
# shellcheck disable=SC2086,SC2154 # a list of names, from the settings
/sbin/modprobe -a $wanted || echo "agent: not every module of '$wanted' loads"

greeting=ready
/bin/sh ./prepare || greeting="the layout's own preparation fails"

port=$($b grep -lx agent /sys/class/virtio-ports/*/name)
port=${port%/name}
exec 3<>"/dev/${port##*/}"
echo "$greeting" >&3
while read -r bytes seconds <&3; do
    # Sent to wake a kernel that misses a timer: its arrival did that.
    [ -n "$bytes" ] || continue
    $b dd bs="$bytes" count=1 iflag=fullblock <&3 >script 2>/dev/null
    while $b sleep 5; do echo; done >&3 &
    /usr/bin/timeout -k 5 "$seconds" /bin/sh script </dev/null >output 2>errors 3>&-
    status=$?
    kill $!
    wait $! 2>/dev/null
    echo "$status $($b stat -c %s output) $($b stat -c %s errors)" >&3
    $b cat output errors >&3
done
# The channel is closed: the test that wanted this host is gone.
$b poweroff -f
