//! Every way a run ends: its exit code, its one-line reason, and that nothing is left behind. Real QEMU, both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use support::setup::qemus;
use support::vmrun::{Bench, assert_clean_end};

/// Runs `case` with each QEMU version.
fn with_each_qemu(case: impl Fn(&Bench)) {
    for qemu in qemus() {
        case(&Bench::new(&qemu.binary));
    }
}

#[test]
fn a_guest_that_powers_off_ends_well() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=poweroff", "");
        let ended = bench.run(&[profile.to_str().unwrap()]);
        assert_clean_end(bench, &ended, 0, "the guest powered off");
        assert!(bench.serial().contains("vmrun-guest: done"), "{}", bench.serial());
    });
}

#[test]
fn a_good_end_is_one_also_for_who_has_the_ends_of_children_ignored() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=poweroff", "[[hook]]\nname = \"h\"\nat = \"pre\"\nrun = [\"true\"]\n");
        let mut command = Command::new("env");
        let known = bench.command();
        command.args(["--ignore-signal=CHLD", known.get_program().to_str().unwrap()]).arg(&profile);
        command.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert_clean_end(bench, &bench.start_command(command.stdin(Stdio::null())).end(), 0, "the guest powered off");
    });
}

#[test]
fn what_changed_since_the_guest_last_worked_is_told_after_a_failure_and_by_check() {
    with_each_qemu(|bench| {
        let good = bench.profile("then=poweroff", "");
        assert_eq!(bench.run(&[good.to_str().unwrap()]).code, Some(0));
        let again = bench.run(&["check", good.to_str().unwrap()]);
        assert!(!again.text().contains("changed since"), "{}", again.text());
        let bad = bench.profile("then=panic", "");
        let ended = bench.run(&[bad.to_str().unwrap()]);
        assert_eq!(ended.code, Some(32), "{}", ended.text());
        assert!(ended.text().contains("changed since it last worked"), "{}", ended.text());
        assert!(ended.text().contains("then=panic"), "{}", ended.text());
        let checked = bench.run(&["check", bad.to_str().unwrap()]);
        assert!(checked.text().contains("changed since it last worked"), "{}", checked.text());
    });
}

#[test]
fn a_reboot_keeps_the_guest_unless_the_profile_ends_it_there() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=reset resets=2", "");
        assert_clean_end(bench, &bench.run(&[profile.to_str().unwrap()]), 0, "the guest powered off");
        assert_eq!(bench.serial().matches("vmrun-guest: hello").count(), 3, "{}", bench.serial());
        let profile = bench.profile("then=reset", "[on]\nreboot = \"exit\"\n");
        assert_clean_end(bench, &bench.run(&[profile.to_str().unwrap()]), 33, "the guest rebooted");
    });
}

#[test]
fn a_panic_is_no_good_end_although_qemu_exits_with_0() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=panic", "");
        assert_clean_end(bench, &bench.run(&[profile.to_str().unwrap()]), 32, "the guest panicked");
    });
}

#[test]
fn a_guest_without_a_sign_of_life_is_forced_off_when_its_time_is_over() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=hang", "[on]\ndead_boot = \"100ms\"\n");
        let ended = bench.run(&[profile.to_str().unwrap()]);
        assert_clean_end(bench, &ended, 36, "the guest showed no sign of life");
        // One that ends before its time is over ends as ever.
        let profile = bench.profile("then=poweroff", "[on]\ndead_boot = \"10m\"\n");
        assert_clean_end(bench, &bench.run(&[profile.to_str().unwrap()]), 0, "the guest powered off");
    });
}

/// A chord that is pressed and let go of, as the kernel tells it: `struct input_event` after `struct input_event`.
fn chord(codes: &[u16]) -> Vec<u8> {
    let event = |code: u16, value: i32| {
        [&[0; 16], &1_u16.to_ne_bytes()[..], &code.to_ne_bytes(), &value.to_ne_bytes()].concat()
    };
    let down = codes.iter().flat_map(|code| event(*code, 1));
    down.chain(codes.iter().flat_map(|code| event(*code, 0))).collect()
}

#[test]
fn a_chord_of_keys_presses_the_power_button_and_the_keyboard_may_come_and_go() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    // Stands for `/dev/input/by-id`, which is there while there is anything in it.
    let (folder, fifo) = (bench.path("by-id"), bench.path("by-id/keyboard"));
    let plug = || {
        fs::create_dir(&folder).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        fs::File::options().read(true).write(true).open(&fifo).unwrap()
    };
    let keys = "keys = [\"leftctrl\", \"leftalt\", \"pause\"]";
    let profile = bench.profile("then=wait", &format!("[on.panic_key]\ndevice = \"{}\"\n{keys}\n", fifo.display()));
    let mut keyboard = plug();
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("guest running");
    bench.wait_for_serial("waiting");
    keyboard.write_all(&chord(&[29, 56])).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    drop(keyboard);
    run.until("does not work until its keyboard is there again");
    let mut keyboard = plug();
    run.until("the panic key works again");
    keyboard.write_all(&chord(&[56, 29, 119])).unwrap();
    run.until("the panic key is pressed");
    assert_clean_end(&bench, &run.end(), 0, "the guest powered off");

    fs::remove_dir_all(&folder).unwrap();
    let ended = bench.run(&[profile.to_str().unwrap()]);
    assert_clean_end(&bench, &ended, 11, "there is no keyboard");
}

#[test]
fn a_triple_fault_is_a_reboot() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=crash", "[on]\nreboot = \"exit\"\n");
        assert_clean_end(bench, &bench.run(&[profile.to_str().unwrap()]), 33, "the guest rebooted");
    });
}

#[test]
fn a_qemu_that_crashes_is_named_with_its_signal() {
    with_each_qemu(|bench| {
        let crash = "[[hook]]\nat = \"running\"\nrun = [\"sh\", \"-c\", \"kill -SEGV $VMRUN_PID\"]\n";
        let profile = bench.profile("then=hang", crash);
        assert_clean_end(bench, &bench.run(&[profile.to_str().unwrap()]), 31, "SIGSEGV");
    });
}

#[test]
fn an_argument_that_qemu_refuses_is_shown_in_its_own_words() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=hang", "args = [\"-device\", \"nosuch\"]\n");
        assert_clean_end(bench, &bench.run(&[profile.to_str().unwrap()]), 30, "nosuch");
    });
}

#[test]
fn ctrl_c_presses_the_power_button_and_the_shell_sees_the_signal() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=wait", "");
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        run.until("running");
        bench.wait_for_serial("waiting");
        run.signal("INT");
        let ended = run.end();
        assert_eq!((ended.signal, ended.code), (Some(2), None), "{}", ended.text());
        assert!(bench.serial().contains("power button"), "{}", bench.serial());
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    });
}

#[test]
fn sigterm_ends_the_guest_in_order_with_0() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=wait", "");
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        run.until("running");
        bench.wait_for_serial("waiting");
        run.signal("TERM");
        assert_clean_end(bench, &run.end(), 0, "the guest powered off");
    });
}

#[test]
fn a_closed_terminal_leaves_the_guest_running() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=wait", "");
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        run.until("running");
        bench.wait_for_serial("waiting");
        run.signal("HUP");
        run.until("runs on");
        let status = bench.output(&["status", "guest"]);
        assert_eq!(status.status.code(), Some(0), "{status:?}");
        run.signal("TERM");
        assert_clean_end(bench, &run.end(), 0, "the guest powered off");
    });
}

#[test]
fn a_guest_that_ignores_its_power_button_is_forced_off_where_the_profile_says_so() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=ignore", "[stop]\ntimeout = \"2s\"\non_timeout = \"kill\"\n");
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        run.until("running");
        bench.wait_for_serial("waiting");
        run.signal("TERM");
        assert_clean_end(bench, &run.end(), 35, "forced off");
        assert!(bench.serial().contains("power button ignored"), "{}", bench.serial());
    });
}

#[test]
fn three_ctrl_c_force_a_guest_off_and_the_second_warns() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=ignore", "");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    bench.wait_for_serial("waiting");
    run.signal("INT");
    run.until("power button");
    std::thread::sleep(std::time::Duration::from_millis(400));
    run.signal("INT");
    run.until("unsaved work");
    std::thread::sleep(std::time::Duration::from_millis(400));
    run.signal("INT");
    let ended = run.end();
    assert_eq!(ended.signal, Some(2), "{}", ended.text());
    assert!(ended.text().contains("forced off"), "{}", ended.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn vmrun_stop_waits_until_the_host_is_put_back() {
    with_each_qemu(|bench| {
        let profile = bench.profile("then=wait", "");
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        run.until("running");
        bench.wait_for_serial("waiting");
        let stop = bench.output(&["stop", "guest"]);
        assert!(stop.status.success(), "{stop:?}");
        assert_eq!(fs::read_dir(bench.path("runtime")).unwrap().count(), 0);
        assert_clean_end(bench, &run.end(), 0, "the guest powered off");
    });
}

/// A supervisor of `guest` that ends while it is asked for something.
fn ending_supervisor(bench: &Bench) -> JoinHandle<()> {
    fs::create_dir(bench.path("runtime/guest")).unwrap();
    let listener = UnixListener::bind(bench.path("runtime/guest/control.sock")).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        // What is left unread makes the end a reset.
        client.read_exact(&mut [0]).unwrap();
    })
}

#[test]
fn a_guest_that_ends_before_it_can_answer_did_what_vmrun_stop_asks() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let supervisor = ending_supervisor(&bench);
    let stop = bench.output(&["stop", "guest"]);
    supervisor.join().unwrap();
    assert_eq!((stop.status.code(), stop.stderr.as_slice()), (Some(0), &b""[..]), "{stop:?}");
}

#[test]
fn a_guest_that_outlives_its_vmrun_did_not_do_what_vmrun_stop_asks() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let supervisor = ending_supervisor(&bench);
    // As its QEMU would hold it.
    let alive = fs::File::create(bench.path("runtime/guest/alive.lock")).unwrap();
    alive.lock().unwrap();
    let stop = bench.output(&["stop", "guest"]);
    supervisor.join().unwrap();
    assert_eq!(stop.status.code(), Some(4), "{stop:?}");
    assert!(String::from_utf8_lossy(&stop.stderr).contains("vmrun attach guest"), "{stop:?}");
}

#[test]
fn a_guest_runs_once() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=wait", "");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    let second = bench.run(&[profile.to_str().unwrap()]);
    assert_eq!(second.code, Some(14), "{}", second.text());
    assert!(second.text().contains("vmrun stop guest"), "{}", second.text());
    let stop = bench.output(&["stop", "--force", "guest"]);
    assert!(stop.status.success(), "{stop:?}");
    assert_eq!(run.end().code, Some(35));
}

#[test]
fn a_stop_does_not_say_that_a_guest_ended_whose_vmrun_did() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=hang", "");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("guest running");
    let stop = bench.start(&["stop", "guest"]);
    run.until("power button pressed");
    run.signal("KILL");
    run.end();
    let stop = stop.end();
    assert_eq!(stop.code, Some(4), "{}", stop.text());
    assert!(stop.text().contains("vmrun attach guest"), "{}", stop.text());
    let mut second = bench.start(&["attach", "guest"]);
    second.until("taken over");
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    second.end();
}

#[test]
fn an_idle_guest_costs_no_wakeups() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=wait", "[[service]]\nrun = [\"sleep\", \"1000\"]\n");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    bench.wait_for_serial("waiting");
    let switches = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap().to_owned()
    };
    // What the start caused has settled.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let before = switches(run.pid());
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(switches(run.pid()), before);
    run.signal("TERM");
    assert_clean_end(&bench, &run.end(), 0, "the guest powered off");
}

#[test]
fn a_killed_supervisor_leaves_the_guest_alive_and_the_host_recoverable() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let log = bench.path("order");
    let hook = format!(
        "[[hook]]\nat = \"pre\"\nrun = [\"true\"]\nundo = [\"sh\", \"-c\", \"echo undone >> {}\"]\n",
        log.display()
    );
    let profile = bench.profile("then=wait", &hook);
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    run.signal("KILL");
    run.end();
    assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(4));
    let early = bench.output(&["recover", "guest"]);
    assert_eq!(early.status.code(), Some(14), "{early:?}");
    assert!(!log.exists(), "nothing is undone under a living guest");
    let qemu = bench.leftovers().into_iter().find(|line| line.contains("guest=guest")).expect("the guest lives");
    let pid = qemu.split(' ').next().unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    while std::path::Path::new(&format!("/proc/{pid}/status")).exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(5));
    let recover = bench.output(&["recover", "guest"]);
    assert!(recover.status.success(), "{recover:?}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "undone\n");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
    assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(3));
}
