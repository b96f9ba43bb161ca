//! A script of `vmrun export` is told to end at moments that nobody chose: its guest ends by its power button, or never ran,
//! and the host is as it was. The moments and their number come from where those of [`super::killed`] come from:
//! `VMRUN_TEST_KILLS=40 cargo test --test testhost signalled:: -- --ignored --nocapture`.

use super::killed::{AT_ONCE, TABLES, kills, moments, seed, traced};
use super::scene::{STATE, VMRUN, profile, write};
use crate::support::setup;

/// `one SIGNAL MOMENT` starts the script and sends it the signal, to its whole group with `-SIGNAL`.
const ONE: &str = r#"
begin() { rm -f log serial.log; setsid dash windows.sh >log 2>&1 & script=$!; }
now() { date +%s%N; }
bad() { echo "$1: $2"; cat log serial.log said 2>/dev/null; ps -eo pid,ppid,stat,args | grep -v '\['; exit 1; }
one() {
    begin
    sleep $(awk "BEGIN { print $TOOK * $2 / 1e12 }")
    case $1 in
    -*) kill $1 -$script ;;
    *) kill -$1 $script ;;
    esac 2>said
    wait $script; status=$?
    ! grep -qs 'vmrun-guest: waiting' serial.log || grep -q 'vmrun-guest: power button' serial.log ||
        bad "$*" "the guest was not asked to end (status $status)"
    "$STATE_OF_HOST" >/run/after
    diff /run/before /run/after >said || bad "$*" "the host is not as before (status $status)"
    [ ! -e /run/left-by-a-hook ] || bad "$*" "a hook is not undone (status $status)"
    ! pgrep -f 'sleep 4711' >said || bad "$*" "a companion is left (status $status)"
}
"#;

/// One that is told before its guest looks at the button presses it again after half of this.
const STOP: &str = "[stop]\ntimeout = \"30s\"\n";

/// How long a start takes that nobody disturbs.
const MEASURE: &str = r#"
started=$(now); begin
until grep -qs 'vmrun-guest: waiting' serial.log; do kill -0 $script || bad measure "it did not start"; sleep 0.2; done
echo $(($(now) - started)); kill -TERM $script; wait $script || bad measure "it did not end"
"#;

#[test]
#[ignore = "takes long; see the head of this file"]
fn whenever_a_script_is_told_to_end_the_host_is_put_back() {
    let (seed, kills) = (seed(), kills());
    println!("VMRUN_TEST_SEED={seed} VMRUN_TEST_KILLS={kills}");
    let moments: Vec<_> = moments(seed, kills).into_iter().map(|(_, moment)| moment).collect();
    let [older, newer] = setup::qemus();
    for (qemu, moments) in [&older, &newer].into_iter().zip(moments.chunks(kills.div_ceil(2))) {
        let common = common(&profile(qemu, "report=brief then=wait", &format!("{TABLES}{STOP}")));
        let took = traced(&format!("{common}{MEASURE}"));
        for moments in moments.chunks(AT_ONCE) {
            // To the script alone, and to all that it has started too. A guest outlives its terminal, so a hang-up is none.
            let signals = ["TERM", "-TERM"].into_iter().cycle();
            let runs = moments.iter().zip(signals).map(|(moment, signal)| format!("one {signal} {moment}\n"));
            traced(&format!("{common}TOOK={took}\n{}", runs.collect::<String>()));
            println!("{} more, and the host as before", moments.len());
        }
    }
}

/// What comes before each script about the guest of `profile`.
fn common(profile: &str) -> String {
    let profile = profile.replace("to = \"capture\"", "to = \"file\"\npath = \"serial.log\"");
    let state = format!("printf '#!/bin/sh\\n%s\\n' \"{STATE}\" >/run/state; chmod +x /run/state");
    let made = format!("{VMRUN} export profile.toml --to script -o windows.sh --force 2>said");
    format!("{}{state}\n{made}\nSTATE_OF_HOST=/run/state\n{ONE}", write(&profile))
}
