//! vmrun is killed at moments that nobody chose. Whatever it was about, a guest that runs goes on, and in the end the host
//! is as it was.
//!
//! The moments come from a seed, which is told when one of them shows something, and from `VMRUN_TEST_SEED`; there are
//! as many as `VMRUN_TEST_KILLS` says, few without. Each takes some seconds on a machine with nothing else to do, so it
//! is run by hand: `VMRUN_TEST_KILLS=200 cargo test --test testhost killed:: -- --ignored --nocapture`.

use super::scene::{STATE, VMRUN, profile, trace, write};
use crate::host::{self, Layout};
use crate::support::setup;
use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Runs without the variable.
const FEW: usize = 8;
/// Runs of one script, which has a limit.
pub(super) const AT_ONCE: usize = 5;
/// How long those may take.
const LIMIT: Duration = Duration::from_secs(900);

/// What the guest has of the host: two cards, each with its audio and on a bus of its own, huge pages, host CPUs of its own,
/// a companion, and a hook that leaves a file until it is undone.
pub(super) const TABLES: &str = r#"hugepages = true
prealloc = true
[cpu]
cores = 2
[cpu.pinning]
vcpus = [2, 3]
emulator = "0-1"
[[pci]]
device = "01:00"
addr = "09"
[[pci]]
device = "02:00"
[[hook]]
at = "pre"
run = ["touch", "/run/left-by-a-hook"]
undo = ["rm", "-f", "/run/left-by-a-hook"]
[[service]]
name = "companion"
run = ["sleep", "4711"]
"#;

/// `one WHEN MOMENT` runs the profile and kills vmrun: WHEN is `start`, while it starts or its guest runs, or `end`, after
/// it was asked to end it. MOMENT is in thousandths of what that takes by itself.
const ONE: &str = r#"
begin() { rm -f log serial.log; "$VMRUN" run profile.toml >log 2>&1 & vmrun=$!; }
lives() { kill -0 $1 2>/dev/null; }
wait_for() { until grep -qs "$1" "$2"; do lives $3 || return 1; sleep 0.2; done; }
now() { date +%s%N; }
bad() {
    echo "$1: $2"; cat log serial.log said 2>/dev/null
    grep -H . /sys/devices/system/node/node*/hugepages/hugepages-2048kB/*_hugepages /sys/kernel/mm/hugepages/*-2048kB/resv_*
    grep -H . /run/vmrun/*/*.json
    ps -eo pid,ppid,stat,nlwp,args | grep -v '\['
    sleep 10; "$VMRUN" recover windows; echo "recover, 10 s later: $?"
    exit 1
}
one() {
    begin
    took=$TO_START
    if [ $1 = end ]; then
        wait_for 'vmrun-guest: waiting' serial.log $vmrun || bad "$*" "it did not start"
        kill -TERM $vmrun
        took=$TO_END
    fi
    sleep $(awk "BEGIN { print $took * $2 / 1e12 }")
    ran=no; grep -q 'guest running' log && ran=yes
    kill -KILL $vmrun 2>/dev/null; wait $vmrun
    "$VMRUN" status windows >said 2>&1; status=$?
    [ "$1 $ran" != "start yes" ] || [ $status = 4 ] || bad "$*" "the guest ran, and does not (status $status)"
    case $status in
    # Nothing is owed; there may be a folder of a run that came to nothing.
    3) "$VMRUN" recover windows >said 2>&1 || bad "$*" "recover: $?" ;;
    5) "$VMRUN" recover windows >said 2>&1 || bad "$*" "recover: $?" ;;
    4) "$VMRUN" recover windows >said 2>&1; recovered=$?
       [ "$1 $ran $recovered" != "start yes 0" ] || bad "$*" "recover ended a guest that ran"
       case $recovered in
       0) ;;
       14) take_over $* ;;
       *) bad "$*" "recover: $recovered" ;;
       esac ;;
    *) bad "$*" "status $status" ;;
    esac
    "$STATE_OF_HOST" >/run/after
    diff /run/before /run/after >said || bad "$*" "the host is not as before"
    [ ! -e /run/left-by-a-hook ] || bad "$*" "a hook is not undone"
    ! pgrep -f 'sleep 4711' >said || bad "$*" "a companion is left"
    "$VMRUN" recover --all >said 2>&1 || bad "$*" "there was something left to recover"
}
take_over() {
    "$VMRUN" attach windows >log 2>&1 & vmrun=$!
    if [ $1 = start ]; then
        wait_for 'guest taken over' log $vmrun || bad "$*" "it is not taken over"
        wait_for 'vmrun-guest: waiting' serial.log $vmrun || bad "$*" "the guest does not come up"
        "$VMRUN" stop windows >said 2>&1 || bad "$*" "stop: $?"
        wait $vmrun || bad "$*" "attach: $?"
        grep -q 'vmrun-guest: power button' serial.log || bad "$*" "the guest did not end by itself"
    elif ! wait $vmrun; then
        # The guest was asked to end before, and may have done it meanwhile.
        "$VMRUN" recover windows >said 2>&1 || bad "$*" "recover: $?"
    fi
}
"#;

/// How long a start and an end take that nobody disturbs.
const MEASURE: &str = r#"
start=$(now); begin
wait_for 'guest running' log $vmrun || bad measure "it did not start"; started=$(now)
wait_for 'vmrun-guest: waiting' serial.log $vmrun || bad measure "the guest does not come up"
asked=$(now); kill -TERM $vmrun; wait $vmrun || bad measure "it did not end"; ended=$(now)
echo $((started - start)) $((ended - asked))
"#;

#[test]
#[ignore = "takes long; see the head of this file"]
fn wherever_chance_kills_vmrun_no_guest_is_lost_and_the_host_is_put_back() {
    let (seed, kills) = (seed(), kills());
    println!("VMRUN_TEST_SEED={seed} VMRUN_TEST_KILLS={kills}");
    let moments = moments(seed, kills);
    let [older, newer] = setup::qemus();
    for (qemu, moments) in [&older, &newer].into_iter().zip(moments.chunks(kills.div_ceil(2))) {
        let common = common(&profile(qemu, "report=brief then=wait", TABLES));
        let measured = traced(&format!("{common}{MEASURE}"));
        let (start, end) = measured.split_once(' ').unwrap_or_else(|| panic!("{measured}"));
        for moments in moments.chunks(AT_ONCE) {
            let runs: String = moments.iter().map(|(when, moment)| format!("one {when} {moment}\n")).collect();
            traced(&format!("{common}TO_START={start} TO_END={end}\n{runs}"));
            println!("{} more, and the host as before", moments.len());
        }
    }
}

/// What comes before each script of `profile`'s guest.
fn common(profile: &str) -> String {
    let profile = profile.replace("to = \"capture\"", "to = \"file\"\npath = \"serial.log\"");
    let state = format!("printf '#!/bin/sh\\n%s\\n' \"{STATE}\" >/run/state; chmod +x /run/state");
    format!("{}{state}\nVMRUN={VMRUN} STATE_OF_HOST=/run/state\n{ONE}", write(&profile))
}

/// What `script` says, which must end well and leave nothing. The emulated host may be lost at any time, and is another one
/// for the next script.
pub(super) fn traced(script: &str) -> String {
    let (reply, left) = host::on(&Layout::TWIN_GPU, |host| trace(host, |host| host.run_within(LIMIT, script)));
    assert_eq!((reply.status, left.as_str()), (0, ""), "{reply}");
    reply.text()
}

/// Moments of starts and of ends, in turn: a little more than they take, so that some come after.
pub(super) fn moments(seed: u64, count: usize) -> Vec<(&'static str, u64)> {
    let mut state = seed | 1;
    let mut next = || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % 1200
    };
    (0..count).map(|run| (if run % 3 == 2 { "end" } else { "start" }, next())).collect()
}

/// How many runs there are.
pub(super) fn kills() -> usize {
    number("VMRUN_TEST_KILLS").map_or(FEW, |kills| usize::try_from(kills).expect("a number of runs"))
}

/// Where their moments come from.
pub(super) fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    number("VMRUN_TEST_SEED").unwrap_or_else(now)
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
