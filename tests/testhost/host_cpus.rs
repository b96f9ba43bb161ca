//! A host CPU that is really switched off and on while it is a vCPU's place.

use super::scene::{VMRUN, newer_or_both, profile, trace, write};
use crate::host::{self, Layout};
use std::time::Duration;

/// vCPU 1 has the host CPU to itself that is switched off.
const TABLES: &str =
    "[cpu]\ncores = 2\n[cpu.pinning]\nvcpus = [2, 3]\nemulator = \"0-1\"\n[on]\nreboot = \"restart\"\n";

/// Off and on while vmrun is there; off while nobody is, and on when another has taken the guest over; off while the guest
/// reboots by a QEMU of its own. What is printed is where vCPU 1 may run; the kernel moves it when it is woken.
const SCRIPT: &str = r#"
forget() { : >log; }
wait_for() { until grep -qs "$1" "$2"; do kill -0 $vmrun || { cat "$2"; exit 1; }; sleep 0.2; done; }
off() { echo 0 >/sys/devices/system/cpu/cpu3/online; }
is_away() {
    wait_for 'host CPU 3 is switched off; its threads run elsewhere until it is back: vCPU 1' log
    "$VMRUN" pause windows >said && "$VMRUN" resume windows >said || cat said
    ! place | grep -qx 3 || echo "it is not away"
}
on() {
    echo 1 >/sys/devices/system/cpu/cpu3/online
    wait_for 'host CPU 3 is back; in their place again: vCPU 1' log
    echo $1 $(place)
}
place() {
    qemu=$(pgrep -f guest=windows)
    for task in /proc/$qemu/task/*; do
        ! grep -q 'CPU 1/' $task/comm || sed -n 's/^Cpus_allowed_list:\t//p' $task/status
    done
}
rm -f log serial.log
"$VMRUN" run profile.toml >>log 2>&1 & vmrun=$!
wait_for 'vmrun-guest: waiting' serial.log
off; is_away; on back
kill -KILL $vmrun; wait $vmrun
off; forget
"$VMRUN" attach windows >>log 2>&1 & vmrun=$!
wait_for 'guest taken over' log; is_away; on taken
off; is_away; forget
"$VMRUN" reset windows >said 2>&1 || cat said
wait_for 'QEMU is started anew' log; is_away; on anew
"$VMRUN" stop --force windows >said 2>&1 || cat said
wait $vmrun; echo $?
"#;

/// How long that may take, on a machine with much else to do.
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn row_094_a_guest_is_kept_taken_over_and_started_anew_while_the_place_of_a_vcpu_is_switched_off() {
    for qemu in newer_or_both() {
        let profile = profile(&qemu, "report=brief then=wait", TABLES);
        let profile = profile.replace("to = \"capture\"", "to = \"file\"\npath = \"serial.log\"");
        let (said, left) = host::on(&Layout::KVM, |host| {
            trace(host, |host| host.run_within(LIMIT, &format!("{}VMRUN={VMRUN}\n{SCRIPT}", write(&profile))))
        });
        assert_eq!(said.text(), "back 3\ntaken 3\nanew 3\n35", "QEMU {}: {said}", qemu.version);
        assert_eq!(left, "");
    }
}
