//! `vmrun pick` on a terminal of its own: a pseudo terminal, whose other end is the person.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::process::Command;
use support::person::Person;
use support::setup;
use support::vmrun::Bench;

/// Two profiles in a folder of their own: one that boots the demo guest, one with a mistake.
fn guests() -> Bench {
    let [qemu, _] = setup::qemus();
    let bench = Bench::new(&qemu.binary);
    let guest = std::fs::read_to_string(bench.profile("then=poweroff", "")).unwrap();
    std::fs::create_dir(bench.path("guests")).unwrap();
    bench.write("guests/b.toml", &guest.replace("guest.elf", bench.path("guest.elf").to_str().unwrap()));
    bench.write("guests/a.toml", "schema = 1\nname = \"broken\"\n[cpu]\ncoers = 1\n");
    bench
}

fn pick(bench: &Bench, terminal: &str) -> Person {
    let mut command = bench.command();
    command.arg("pick").arg(bench.path("guests")).env("TERM", terminal);
    Person::before(command)
}

#[test]
fn arrows_mark_a_guest_and_enter_runs_it() {
    let bench = guests();
    let mut person = pick(&bench, "linux");
    person.sees("q leaves");
    assert!(person.seen.contains(">  1  a.toml  has mistakes"), "{}", person.seen);
    assert!(person.seen.contains("   2  guest   no card"), "{}", person.seen);
    person.types("\x1b[B");
    person.sees(">  2  guest   no card");
    person.types("\r");
    let (code, seen) = person.leaves();
    assert_eq!(code, 0, "{seen}");
    assert!(std::fs::read_to_string(bench.path("guests/serial.log")).unwrap().contains("vmrun-guest"), "{seen}");
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn a_number_is_enough_and_mistakes_are_told_as_they_are_by_run() {
    let bench = guests();
    let mut person = pick(&bench, "linux");
    person.sees("q leaves");
    person.types("1");
    let (code, seen) = person.leaves();
    assert_eq!(code, 10, "{seen}");
    assert!(seen.contains("coers"), "{seen}");
}

#[test]
fn q_leaves_and_the_terminal_is_as_before() {
    let bench = guests();
    let mut command = Command::new("/bin/sh");
    let line = format!(
        "stty -a >'{0}/before'; \"$0\" pick '{0}/guests'; echo \"left $?\"; stty -a >'{0}/after'",
        bench.path("").display()
    );
    command.args(["-c", &line, env!("CARGO_BIN_EXE_vmrun")]).env("TERM", "xterm");
    let mut person = Person::before(command);
    person.sees("q leaves");
    person.types("q");
    let (_, seen) = person.leaves();
    assert!(seen.contains("left 0"), "{seen}");
    let read = |name: &str| std::fs::read_to_string(bench.path(name)).unwrap();
    assert!(read("before").contains("icanon"));
    assert_eq!(read("before"), read("after"));
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_a_question_and_no_colour() {
    let bench = guests();
    let mut person = pick(&bench, "dumb");
    person.sees("which guest? 1 to 2, or nothing for none: ");
    person.types("7\n");
    person.types("\n");
    let (code, seen) = person.leaves();
    assert_eq!(code, 0);
    assert!(!seen.contains('\x1b'), "{seen:?}");
    assert_eq!(seen.matches("which guest?").count(), 2, "{seen}");
}

#[test]
fn without_a_terminal_or_a_profile_there_is_nothing_to_choose() {
    let bench = guests();
    let ended = bench.run(&["pick"]);
    assert_eq!(ended.code, Some(10));
    assert!(ended.lines.join("\n").contains("to choose takes a terminal"), "{:?}", ended.lines);
    let mut command = bench.command();
    command.arg("pick").arg(bench.path("runtime")).env("TERM", "linux");
    let (code, seen) = Person::before(command).leaves();
    assert_eq!(code, 12);
    assert!(seen.contains("there is no profile in"), "{seen}");
}

#[test]
fn the_login_asks_on_the_first_console_only_and_once() {
    let bench = guests();
    for (name, says) in [("first", "/dev/tty1"), ("second", "/dev/tty2")] {
        for (program, body) in [
            ("tty", format!("echo {says}")),
            ("vmrun", "echo asked: $*".to_owned()),
            ("sudo", "exec \"$@\"".to_owned()),
        ] {
            let path = bench.write(&format!("{name}-{program}"), &format!("#!/bin/sh\n{body}\n"));
            let install = ["-D", "-m", "755"];
            let target = bench.path(&format!("{name}/{program}"));
            assert!(Command::new("install").args(install).arg(path).arg(target).status().unwrap().success());
        }
    }
    let chooser = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/tty-chooser.sh");
    let login = |name: &str| {
        let mut command = Command::new("/bin/sh");
        let path = format!("{}:{}", bench.path(name).display(), std::env::var("PATH").unwrap());
        command
            .args(["-c", &format!(". {chooser}; . {chooser}; echo shell")])
            .env("PATH", path)
            .env_remove("VMRUN_ASKED");
        Person::before(command).leaves().1
    };
    assert_eq!(login("first"), "asked: pick\r\nshell\r\n");
    assert_eq!(login("second"), "shell\r\n");
}
