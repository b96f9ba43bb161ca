# Says something to whoever started this.
say() {
    printf '%s: %s\n' "$name" "$*" >&2
}

# Gives up; what was done is taken back.
die() {
    say "$*"
    exit 1
}

# owe NUMBER: from here on this is taken back at the end, the last one first.
owe() {
    owed="$1 $owed"
}

# What was owed last is not owed any more.
forget() {
    owed=${owed#* }
}

# hold: signals wait, so that what is done is noted too.
hold() {
    busy=yes asked=
}

# heed: a signal that waited counts now.
heed() {
    busy=
    [ -z "$asked" ] || stop
}

# settle OWED: what is owed since then is taken back now.
settle() {
    hold
    while [ "$owed" != "$1" ]; do
        status=0
        take_back "${owed%% *}"
        forget
        [ "$status" -eq 0 ] || die 'the host is not fully put back'
    done
    heed
}

# set_file FILE WAS VALUE: what holds something else than WAS was changed by somebody else, and is left to them.
set_file() {
    now=$(cat "$1") || return 1
    case $now in
    '(null)') now= ;;
    *'['*']'*) now=${now#*'['} && now=${now%%']'*} ;;
    esac
    [ "$now" != "$3" ] || return 0
    if [ "$now" != "$2" ]; then
        say "$1 holds '$now' and not '$2': it is left so"
        return 1
    fi
    printf '%s\n' "$3" >"$1"
}

# set_mask FILE WAS VALUE: what the kernel does not let go of stays where it is.
set_mask() {
    now=$(cat "$1" 2>/dev/null) || return 0
    [ "$now" = "$2" ] || return 0
    { printf '%s\n' "$3" >"$1"; } 2>/dev/null || return 0
}

# add_pages FILE NUMBER: all of it, or none; fewer than none are given back. The kernel stops at a signal, and no other
# program is asked that a signal could end.
add_pages() {
    if [ "$2" -lt 0 ]; then
        read -r before <"$1" && echo "$((before + $2))" >"$1" && read -r after <"$1" || return 1
        [ "$after" -le "$((before + $2))" ] || say "$((after - before - $2)) huge pages are in use: $1"
        [ "$after" -le "$((before + $2))" ]
        return
    fi
    { echo 1 >/proc/sys/vm/compact_memory; } 2>/dev/null || :
    if read -r before <"$1" && echo "$((before + $2))" >"$1" && read -r after <"$1"; then
        [ "$after" -ne "$((before + $2))" ] || return 0
        echo "$before" >"$1"
        say "of $2 huge pages the kernel made $((after - before)): $1"
    fi
    forget
    return 1
}

# tell_kernel FILE VALUE PATH yes|no: nothing is told when PATH is there, or not there, already.
tell_kernel() {
    if [ -e "$3" ]; then there=yes; else there=no; fi
    [ "$there" = "$4" ] || echo "$2" >"$1"
}

# unbind_device BUS DEVICE DRIVER
unbind_device() {
    [ ! -e "/sys/bus/$1/drivers/$3/$2" ] || echo "$2" >"/sys/bus/$1/drivers/$3/unbind"
}

# bind_device BUS DEVICE DRIVER
bind_device() {
    [ ! -e "/sys/bus/$1/drivers/$3/$2" ] || return 0
    case $1 in
    pci) echo "$2" >/sys/bus/pci/drivers_probe ;;
    *) echo "$2" >"/sys/bus/$1/drivers/$3/bind" ;;
    esac
    [ -e "/sys/bus/$1/drivers/$3/$2" ]
}

# own_node PATH WAS UID: the folder vfio-dev of a PCI function stands for its node.
own_node() {
    node=$1
    case $1 in
    */vfio-dev) node=/dev/vfio/devices/$(ls "$1") ;;
    esac
    [ "$(stat -c %u "$node" 2>/dev/null)" != "$2" ] || chown "$3" "$node"
}

# await_closed BDF: until nobody has a node of the card open.
await_closed() {
    for node in /dev/dri/by-path/pci-"$1"-*; do
        while [ -e "$node" ] && fuser -s "$node"; do sleep 1; done
    done
}

# revive_function BDF: a function that does not answer is reset.
revive_function() {
    [ "$(od -An -tx2 -N2 "/sys/bus/pci/devices/$1/config" | tr -d ' ')" = ffff ] || return 0
    echo 1 >"/sys/bus/pci/devices/$1/reset"
}

# gather_host GROUP: the host's processes, in a group of their own.
gather_host() {
    echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p "$1" || return 1
    while read -r pid; do
        { echo "$pid" >"$1/cgroup.procs"; } 2>/dev/null || :
    done </sys/fs/cgroup/cgroup.procs
}

# disperse_host GROUP yes|no: yes where others confine groups too.
disperse_host() {
    [ -d "$1" ] || return 0
    while read -r pid; do
        { echo "$pid" >/sys/fs/cgroup/cgroup.procs; } 2>/dev/null || :
    done <"$1/cgroup.procs"
    rmdir "$1" || return 1
    [ "$2" = yes ] || echo -cpuset >/sys/fs/cgroup/cgroup.subtree_control
}

# become_user USER COMMAND...: in the place of this shell.
become_user() {
    who=$1
    shift
    if [ "$(id -un)" != "$who" ]; then
        uid=$(id -u "$who") || exit 1
        set -- setpriv --reuid "$uid" --regid "$(id -g "$who")" --init-groups env \
            "HOME=$(getent passwd "$who" | cut -d: -f6)" "USER=$who" "LOGNAME=$who" \
            "XDG_RUNTIME_DIR=/run/user/$uid" "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus" "$@"
    fi
    exec "$@"
}

# start_companion NAME yes|no RESTART DELAY BURST GRACE FILE COMMAND...: runs beside the guest, which cannot do without it or
# can. It is there when FILE is; no FILE, at once.
start_companion() {
    what=$1 required=$2 restart=$3 delay=$4 burst=$5 grace=$6 ready=$7
    shift 7
    [ -z "$ready" ] || rm -f "$ready"
    hold
    (
        child='' over='' turn=0
        trap 'over=yes; [ -z "$child" ] || kill "$child" 2>/dev/null' TERM
        while [ -z "$over" ]; do
            "$@" </dev/null &
            child=$!
            [ -z "$over" ] || kill "$child" 2>/dev/null
            wait "$child" 2>/dev/null
            status=$?
            [ -z "$over" ] || break
            turn=$((turn + 1))
            case $restart in
            no) break ;;
            on-failure) [ "$status" -ne 0 ] || break ;;
            esac
            [ "$turn" -lt "$burst" ] || break
            sleep "$delay"
        done
        if [ -n "$over" ]; then
            after "$grace" kill -KILL "$child" 2>/dev/null &
            killer=$!
            wait "$child" 2>/dev/null
            kill "$killer"
            wait "$killer" 2>/dev/null
            exit
        fi
        # swtpm and virtiofsd end well a moment before the QEMU that they serve, and the end of that ends this, too.
        if [ "$status" -eq 0 ]; then
            sleep 10 &
            child=$!
            wait "$child" 2>/dev/null
            [ -z "$over" ] || exit
        fi
        say "$what has ended (status $status)"
        [ "$required" = no ] || kill -TERM "$$"
    ) &
    companions="$! $companions"
    heed
    tries=0
    while [ -n "$ready" ] && [ ! -e "$ready" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            [ "$required" = no ] || die "$what is not ready after 30 s"
            say "$what is not ready after 30 s"
            return 0
        fi
        sleep 0.1
    done
}

# after SECONDS COMMAND...: in the background, unless that is ended before.
after() {
    nap=
    trap '[ -z "$nap" ] || kill "$nap"; exit' TERM
    sleep "$1" &
    nap=$!
    shift
    wait "$nap"
    "$@"
}

# Ends what runs beside the guest, the last one first.
end_companions() {
    for companion in $companions; do
        kill "$companion" 2>/dev/null && wait "$companion" 2>/dev/null
    done
    companions=
}

# qmp COMMAND: tells QEMU something, and waits for its answer, which is in $answer then.
qmp() {
    printf '%s\n' "$1" >&3
    while next; do
        case $answer in
        *'"return":'*) return 0 ;;
        *'"error":'*) say "QEMU refuses $1: $answer" && return 1 ;;
        *) heard "$answer" ;;
        esac
    done
    return 1
}

# The next line of QEMU's, in $answer; fails when QEMU has ended, and not when a signal came.
next() {
    while :; do
        asked=
        read -r answer <&9 && return 0
        [ -n "$asked" ] || return 1
    done
}

# The numbers of vCPUs and of their threads, out of $answer. In `props` a thread-id is the number of a hardware thread.
vcpu_threads() {
    printf '%s\n' "$answer" | sed 's/"props": *{[^}]*}//g' | tr '}' '\n' | sed -n \
        -e 's/.*"cpu-index": *\([0-9]*\).*"thread-id": *\([0-9]*\).*/\1 \2/p' \
        -e 's/.*"thread-id": *\([0-9]*\).*"cpu-index": *\([0-9]*\).*/\2 \1/p'
}

# The names of iothreads and the numbers of their threads, out of $answer.
iothread_threads() {
    printf '%s\n' "$answer" | tr '}' '\n' | sed -n \
        -e 's/.*"id": *"\([^"]*\)".*"thread-id": *\([0-9]*\).*/\1 \2/p' \
        -e 's/.*"thread-id": *\([0-9]*\).*"id": *"\([^"]*\)".*/\2 \1/p'
}

# place_thread THREADS NAME CPUS [nice|fifo NUMBER]: only what is a thread of QEMU; read back afterwards. No CPUS: all.
place_thread() {
    tid=$(printf '%s\n' "$1" | while read -r key thread; do [ "$key" != "$2" ] || echo "$thread"; done)
    if [ -z "$tid" ] || [ ! -d "/proc/$qemu/task/$tid" ]; then die "QEMU tells no thread of its own for $2"; fi
    if [ -n "$3" ]; then
        taskset -p -c "$3" "$tid" >/dev/null || die "thread $tid cannot be placed on host CPUs $3"
        cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$qemu/task/$tid/status")
        [ "$cpus" = "$3" ] || die "thread $tid is on host CPUs $cpus instead of $3"
    fi
    case ${4-} in
    nice) renice -n "$5" -p "$tid" >/dev/null || die "thread $tid cannot have nice value $5" ;;
    fifo) chrt -f -p "$5" "$tid" || die "thread $tid cannot be scheduled before others" ;;
    esac
}

# place_interrupts FUNCTIONS CPUS...: a function's first interrupt, its second and so on, and again from the first CPUS.
# One that the kernel keeps where it is stays there.
place_interrupts() {
    functions=" $1 "
    shift
    sed -n -e 's/^ *\([0-9]*\):.*vfio-msix\{0,1\}\[\([0-9]*\)](\([^)]*\)).*/\1 \2 \3/p' \
        -e 's/^ *\([0-9]*\):.*vfio-intx(\([^)]*\)).*/\1 0 \2/p' /proc/interrupts |
        while read -r irq turn function; do
            case $functions in *" $function "*) ;; *) continue ;; esac
            turn=$((turn % $#))
            for cpus; do
                [ "$turn" -gt 0 ] || break
                turn=$((turn - 1))
            done
            [ "$(cat "/proc/irq/$irq/smp_affinity_list")" = "$cpus" ] ||
                { echo "$cpus" >"/proc/irq/$irq/smp_affinity_list"; } 2>/dev/null || :
        done
}

# renew_group GROUP: an empty group of which nothing is asked, whatever it was.
renew_group() {
    rmdir "$1" && mkdir "$1"
}

# divide_group GROUP CPUS isolated|root: a partition of host CPUs for threads of QEMU, which is at the root; $divided is its
# group then. What the kernel refuses is an ordinary group again, and QEMU in it.
divide_group() {
    if echo threaded >"$1/cgroup.type" && echo "$2" >"$1/cpuset.cpus" && echo "$3" >"$1/cpuset.cpus.partition" &&
        [ "$(cat "$1/cpuset.cpus.partition")" = "$3" ]; then
        divided=$1
    else
        say "the vCPUs have no partition of host CPUs: the kernel says $(cat "$1/cpuset.cpus.partition")"
        renew_group "$1" && echo "$qemu" >"$1/cgroup.procs"
    fi
}

# divide_scope GROUP CPUS isolated|root: the same below a scope of systemd, which Linux can since 6.7.
divide_scope() {
    if [ -e "$1/cpuset.cpus.exclusive" ] && mkdir "$1/vcpus" && echo threaded >"$1/vcpus/cgroup.type" &&
        echo +cpuset >"$1/cgroup.subtree_control" && echo "$2" >"$1/cpuset.cpus.exclusive" &&
        echo "$2" >"$1/vcpus/cpuset.cpus" && echo "$2" >"$1/vcpus/cpuset.cpus.exclusive" &&
        echo "$3" >"$1/vcpus/cpuset.cpus.partition" && [ "$(cat "$1/vcpus/cpuset.cpus.partition")" = "$3" ]; then
        divided=$1/vcpus
    else
        say 'the vCPUs have no partition of host CPUs, which takes Linux 6.7 below a scope of systemd'
        [ ! -d "$1/vcpus" ] || rmdir "$1/vcpus"
    fi
}

# join_group GROUP: the shell that runs this is in it.
join_group() {
    sh -c 'echo "$PPID"' >"$1/cgroup.procs"
}

# seclude_threads THREADS: into the partition, if there is one.
seclude_threads() {
    [ -n "$divided" ] || return 0
    printf '%s\n' "$1" | while read -r key thread; do
        echo "$thread" >"$divided/cgroup.threads" || exit 1
    done || die 'the vCPUs cannot be moved into their partition'
}

# new_tap NAME BRIDGE MTU OWNER QUEUES: an empty word where there is nothing to say.
new_tap() {
    set -- "$1" "$2" "$3" "$4" "${5:+multi_queue}"
    ip tuntap add dev "$1" mode tap ${4:+user "$4"} vnet_hdr ${5:+"$5"} || return 1
    # A bridge takes the lowest address of its ports for its own.
    ip link set dev "$1" address "fe:$(cut -d: -f2- "/sys/class/net/$1/address")" || return 1
    mtu=$3
    [ -z "$2" ] || mtu=${mtu:-$(cat "/sys/class/net/$2/mtu")}
    [ -z "$mtu" ] || ip link set dev "$1" mtu "$mtu" || return 1
    [ -z "$2" ] || ip link set dev "$1" master "$2" || return 1
    ip link set dev "$1" up
}

# lockable BYTES: raises the limit of locked memory; one that is high enough stays.
lockable() {
    limit=$(prlimit --pid "$$" --memlock --noheadings --raw --output SOFT) || return 0
    [ "$limit" != unlimited ] && [ "$limit" -lt "$1" ] || return 0
    prlimit --pid "$$" "--memlock=$1:$1" || say "QEMU may not lock $1 bytes of memory, which it has to"
}

# copy_template FILE COPY: a copy of FILE if there is none yet; whole, or not at all.
copy_template() {
    [ ! -e "$2" ] || return 0
    mkdir -p "$(dirname "$2")" && cp "$1" "$2.new" && mv "$2.new" "$2"
}

# clock_ahead SECONDS: what a clock shows that is ahead of UTC by as many.
clock_ahead() {
    date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%S
}

# usb_with_serial SERIAL ID: where the device is plugged in, as QEMU takes it; no ID, any.
usb_with_serial() {
    for folder in /sys/bus/usb/devices/*; do
        [ "$(cat "$folder/serial" 2>/dev/null)" = "$1" ] || continue
        [ -z "$2" ] || [ "$(cat "$folder/idVendor"):$(cat "$folder/idProduct")" = "$2" ] || continue
        printf '"hostbus":%s,"hostport":"%s"' "$(cat "$folder/busnum")" "$(cat "$folder/devpath")"
        return 0
    done
    return 1
}
