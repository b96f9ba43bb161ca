//! What ends vmrun while it has changed the terminal, a mistake of its own or a signal: who sits before it has it back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, OutputFlags, tcgetattr};
use nix::unistd::Pid;
use support::person::Person;
use support::setup::qemus;
use support::vmrun::{Bench, Run};

/// A guest with a serial port for `vmrun console`.
fn guest() -> (Bench, Run) {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = std::fs::read_to_string(bench.profile("then=wait", "")).unwrap();
    let console = profile.replace("to = \"file\"\npath = \"serial.log\"", "to = \"console\"");
    let mut run = bench.start(&[bench.write("guest.toml", &console).to_str().unwrap()]);
    run.until("guest running");
    (bench, run)
}

/// What is on the terminal after `arguments` broke there.
fn breaks(bench: &Bench, arguments: &[&str]) -> String {
    let mut command = bench.command();
    command.args(arguments).env("TERM", "xterm").env("VMRUN_FAULT", "panic:terminal");
    let person = Person::before(command);
    let terminal = person.terminal.try_clone().unwrap();
    let (code, seen) = person.leaves();
    assert_eq!(code, 1, "{seen}");
    assert!(seen.contains("the terminal broke, as VMRUN_FAULT asks"), "{seen}");
    assert!(seen.contains("internal error: this is a mistake in vmrun"), "{seen}");
    let after = tcgetattr(&terminal).unwrap();
    let lines = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
    assert!(after.local_flags.contains(lines) && after.output_flags.contains(OutputFlags::OPOST), "{after:?}");
    seen
}

#[test]
fn a_console_that_breaks_leaves_the_terminal_as_it_was_and_the_guest_running() {
    let (bench, run) = guest();
    let seen = breaks(&bench, &["console", "guest"]);
    assert!(seen.contains("Ctrl-] leaves it"), "{seen}");
    assert!(bench.output(&["status", "guest"]).status.success());
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    assert_eq!(run.end().code, Some(35));
}

#[test]
fn a_top_that_breaks_leaves_the_other_screen_before_it_says_so() {
    let (bench, run) = guest();
    let seen = breaks(&bench, &["top", "guest"]);
    let at = |text: &str| seen.find(text).unwrap_or_else(|| panic!("no {text:?} in {seen:?}"));
    assert!(at("\u{1b}[?1049h") < at("\u{1b}[?25h\u{1b}[?1049l"), "{seen:?}");
    assert!(at("\u{1b}[?25h\u{1b}[?1049l") < at("the terminal broke"), "{seen:?}");
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    assert_eq!(run.end().code, Some(35));
}

#[test]
fn a_top_that_is_told_to_end_leaves_the_other_screen() {
    let (bench, run) = guest();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut command = bench.command();
        command.args(["top", "guest"]).env("TERM", "xterm");
        let mut person = Person::before(command);
        let terminal = person.terminal.try_clone().unwrap();
        person.sees("\u{1b}[J");
        kill(Pid::from_raw(person.child.id().try_into().unwrap()), signal).unwrap();
        let (code, seen) = person.leaves();
        assert_eq!(code, 0, "{signal}: {seen}");
        assert!(seen.ends_with("\u{1b}[?25h\u{1b}[?1049l"), "{signal}: {seen:?}");
        let after = tcgetattr(&terminal).unwrap();
        assert!(after.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO), "{signal}: {after:?}");
    }
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    assert_eq!(run.end().code, Some(35));
}

#[test]
fn a_pick_that_breaks_leaves_the_terminal_as_it_was() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=poweroff", "");
    let seen = breaks(&bench, &["pick", profile.parent().unwrap().to_str().unwrap()]);
    assert!(seen.contains("q leaves"), "{seen}");
}
