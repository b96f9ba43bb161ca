//! A vmrun that dies at every moment at which something was written, and one that finishes what it left.

use crate::among_mounts;
use crate::support::setup::qemus;
use crate::support::vmrun::Bench;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::time::{Duration, Instant};

const SIGKILL: i32 = 9;
/// More moments than a run has.
const ENOUGH: u32 = 200;
/// Longest wait for the end of a guest that ends at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bench whose profile has two hooks that leave files, each with its undo, and a companion. An undo notes that it ran.
fn bench(then: &str) -> Bench {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let dir = bench.path("").display().to_string();
    fs::create_dir(bench.path("host")).unwrap();
    let hook = |at: &str, name: &str| {
        format!(
            "[[hook]]\nat = \"{at}\"\nrun = [\"touch\", \"{dir}/host/{name}\"]\n\
             undo = [\"sh\", \"-c\", \"rm -f {dir}/host/{name}; echo {name} >>{dir}/undone\"]\n"
        )
    };
    let service = format!("[[service]]\nname = \"companion\"\nrun = [\"sh\", \"-c\", \"sleep 1000; : {dir}\"]\n");
    bench.profile(then, &(hook("pre", "first") + &hook("prepared", "second") + &service));
    bench
}

fn run(bench: &Bench, fault: &str) -> Output {
    bench.command().env("VMRUN_FAULT", fault).args(["run", profile(bench).as_str()]).output().unwrap()
}

fn profile(bench: &Bench) -> String {
    bench.path("guest.toml").display().to_string()
}

/// Recovers, with `fault`, as soon as the guest has ended.
fn recover(bench: &Bench, fault: &str) -> Output {
    let began = Instant::now();
    loop {
        let done = bench.command().env("VMRUN_FAULT", fault).args(["recover", "guest"]).output().unwrap();
        if done.status.code() != Some(14) || began.elapsed() > PATIENCE {
            return done;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_nothing_left(bench: &Bench, when: &str) {
    assert_eq!(bench.leftovers(), Vec::<String>::new(), "{when}");
    assert_eq!(fs::read_dir(bench.path("host")).unwrap().count(), 0, "{when}");
}

/// Which undo ran, in order; one may have been cut short after it ran, and then runs again.
fn undone(bench: &Bench) -> Vec<String> {
    let text = fs::read_to_string(bench.path("undone")).unwrap_or_default();
    let _ = fs::remove_file(bench.path("undone"));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.dedup();
    lines
}

#[test]
fn row_009_a_run_that_is_killed_at_any_moment_is_recovered_and_again_changes_nothing() {
    let bench = bench("then=poweroff");
    let died = |number: &u32| {
        let when = format!("kill:any#{number}");
        let ended = run(&bench, &when);
        if ended.status.success() {
            return false;
        }
        assert_eq!(ended.status.signal(), Some(SIGKILL), "{when}: {ended:?}");
        for _ in 0..2 {
            let done = recover(&bench, "");
            assert!(done.status.success(), "{when}: {done:?}");
        }
        assert_nothing_left(&bench, &when);
        let undone = undone(&bench);
        assert!(["second first", "first", ""].contains(&undone.join(" ").as_str()), "{when}: {undone:?}");
        true
    };
    let moments = (1..ENOUGH).take_while(died).count();
    assert!((20..100).contains(&moments), "{moments}");
    assert_nothing_left(&bench, "a whole run");
}

#[test]
fn row_010_a_recovery_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let bench = bench("then=poweroff");
    let died = |number: &u32| {
        let when = format!("kill:any#{number}");
        // The guest has ended, and nothing is put back yet.
        let ended = run(&bench, "kill:undo");
        assert_eq!(ended.status.signal(), Some(SIGKILL), "{ended:?}");
        let cut = recover(&bench, &when);
        let done = recover(&bench, "");
        assert!(done.status.success(), "{when}: {done:?}");
        assert_nothing_left(&bench, &when);
        assert_eq!(undone(&bench), ["second", "first"], "{when}");
        cut.status.signal() == Some(SIGKILL)
    };
    let moments = (1..ENOUGH).take_while(died).count();
    assert!((6..30).contains(&moments), "{moments}");
}

#[test]
fn row_009_a_start_after_a_run_that_died_puts_the_host_back_first() {
    let bench = bench("then=poweroff");
    assert_eq!(run(&bench, "kill:undo").status.signal(), Some(SIGKILL));
    let other = fs::read_to_string(profile(&bench)).unwrap().replace("name = \"guest\"", "name = \"other\"");
    let other = bench.write("other.toml", &other).display().to_string();
    let started = bench.run(&["run", &other]);
    assert_eq!(started.code, Some(0), "{}", started.text());
    assert!(started.text().contains("the last run of guest died"), "{}", started.text());
    assert_eq!(undone(&bench), ["second", "first", "second", "first"]);
    assert_nothing_left(&bench, "the start of another guest");
}

#[test]
fn row_010_a_dry_run_tells_what_is_owed_and_does_none_of_it() {
    let bench = bench("then=poweroff");
    assert_eq!(run(&bench, "kill:undo").status.signal(), Some(SIGKILL));
    let told = bench.output(&["recover", "--all", "--dry-run"]);
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    let place = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle:?} is not in:\n{text}"));
    assert!(told.status.success() && place("host/second") < place("host/first"), "{text}");
    assert_eq!(undone(&bench), Vec::<String>::new());
    assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(5));
    assert!(recover(&bench, "").status.success());
    assert_nothing_left(&bench, "the recovery");
}

#[test]
fn row_070_what_a_run_of_another_boot_left_keeps_no_guest_from_starting() {
    let bench = bench("then=poweroff");
    assert_eq!(run(&bench, "kill:undo").status.signal(), Some(SIGKILL));
    let (ours, other) = (boot_id(), "00000000-0000-0000-0000-000000000000");
    rewrite(&bench, |text| text.replace(&ours, other));
    let state = bench.path("runtime/guest/state.json");
    let text = fs::read_to_string(&state).unwrap_or_default();
    fs::write(&state, text.replace(&ours, other)).unwrap();
    for lock in ["alive.lock", "sup.lock"] {
        assert!(bench.path("runtime/guest").join(lock).exists(), "{lock}");
    }
    let started = bench.run(&["run", &profile(&bench)]);
    assert_eq!(started.code, Some(0), "{}", started.text());
    assert_eq!(undone(&bench), ["second", "first"], "its own, and none of the other boot");
    assert_nothing_left(&bench, "a start after a boot");
}

#[test]
fn row_072_what_was_changed_in_another_boot_is_void_and_its_journal_goes() {
    let bench = bench("then=poweroff");
    assert_eq!(run(&bench, "kill:undo").status.signal(), Some(SIGKILL));
    rewrite(&bench, |text| text.replace(&boot_id(), "00000000-0000-0000-0000-000000000000"));
    let done = recover(&bench, "");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(undone(&bench), Vec::<String>::new());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_073_a_damaged_journal_is_followed_only_when_that_is_asked_for() {
    let bench = bench("then=poweroff");
    assert_eq!(run(&bench, "kill:undo").status.signal(), Some(SIGKILL));
    let journal = bench.path("runtime/guest/journal");
    let mut bytes = fs::read(&journal).unwrap();
    let at = find(&bytes, b"host/first");
    bytes[at] = b'H';
    fs::write(&journal, &bytes).unwrap();
    let refused = recover(&bench, "");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(41), "{text}");
    assert!(text.contains("is damaged") && text.contains("host/second"), "{text}");
    let start = bench.run(&["run", &profile(&bench)]);
    assert_ne!(start.code, Some(0), "{}", start.text());
    assert_eq!(undone(&bench), Vec::<String>::new());
    let done = bench.output(&["recover", "guest", "--force"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(undone(&bench), ["second"]);
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_073_a_journal_of_a_newer_vmrun_is_left_alone() {
    let bench = bench("then=poweroff");
    assert_eq!(run(&bench, "kill:undo").status.signal(), Some(SIGKILL));
    rewrite(&bench, |text| text.replace("\"version\":1", "\"version\":2"));
    for arguments in [&["recover", "guest"][..], &["recover", "guest", "--force"]] {
        let refused = bench.output(arguments);
        assert_eq!(refused.status.code(), Some(41), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("version 2"), "{refused:?}");
    }
    assert_eq!(undone(&bench), Vec::<String>::new());
    assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(5));
}

#[test]
fn row_067_a_full_disk_is_told_before_anything_is_done() {
    let bench = bench("then=poweroff");
    // What never began needs no end either.
    let post = format!("[[hook]]\nat = \"post\"\nrun = [\"touch\", \"{}\"]\n", bench.path("undone").display());
    bench.write("guest.toml", &(fs::read_to_string(bench.path("guest.toml")).unwrap() + &post));
    let script = "mount -t tmpfs -o size=16k none \"$VMRUN_RUNTIME_DIR\" && \"$0\" run \"$1\"; said=$?
                  ls -A \"$VMRUN_RUNTIME_DIR\"; exit $said";
    let ended = among_mounts(&bench, script, &profile(&bench));
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(13), "{text}");
    assert!(text.contains("No space left"), "{text}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "", "{text}");
    assert!(!bench.path("undone").exists(), "a hook ran: {text}");
    assert_nothing_left(&bench, "a refused start");
}

/// Changes the texts of the journal, each line with its own checksum again.
fn rewrite(bench: &Bench, change: impl Fn(&str) -> String) {
    let journal = bench.path("runtime/guest/journal");
    let bytes = fs::read(&journal).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line.get(18..)?).ok());
    let framed = lines.filter(|text| text.starts_with(['{'])).map(|text| {
        let text = change(text);
        format!("{:08x} {:08x} {text}\n", text.len(), crc32(text.as_bytes()))
    });
    fs::write(&journal, framed.collect::<String>()).unwrap();
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).expect("it stands in the journal")
}
