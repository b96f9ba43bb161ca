//! The door, driven as a user drives it: what is said where, with which exit code.
//!
//! Each profile in `tests/golden/cli` is checked against the host described in `host.json` beside it; the `.err` beside
//! the profile holds the exit code and what standard error says. All of them together are the table in
//! `contrib/mistakes.md`. `UPDATE=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "golden/host/views.rs"]
mod views;

use clap::CommandFactory;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Command lines that are wrong before a profile is read, or about its file: name of the golden, words.
const COMMAND_LINES: &[(&str, &[&str])] = &[
    ("no_such_command", &["plna", "good.toml"]),
    ("no_such_option", &["plan", "good.toml", "--argw"]),
    ("no_profile", &["plan"]),
    ("lines_without_argv", &["plan", "good.toml", "--lines"]),
    ("two_words", &["check", "good.toml", "variants.toml"]),
    ("no_number", &["new", "games", "--cores", "six"]),
    ("no_address", &["pci", "msi", "1:zz"]),
    ("no_such_color", &["--color", "red", "check", "good.toml"]),
    ("no_such_file", &["check", "gone.toml"]),
    ("a_folder", &["check", "."]),
    ("no_dump", &["check", "good.toml", "--host", "good.toml"]),
    ("no_such_variant", &["check", "variants.toml", "--variant", "instal", "--host", "host.json"]),
    ("no_variants", &["check", "good.toml", "--variant", "install"]),
    ("variant_of_the_demo", &["demo", "--variant", "install"]),
    (
        "set_wrongly",
        &[
            "check",
            "good.toml",
            "--set",
            "cpu.coers=6",
            "--set",
            "cpu.cores=six",
            "--set",
            "memory.size=8192",
            "--set",
            "disk[2].file=x.raw",
            "--set",
            "disk[0].format=qcow",
            "--set",
            "cpu.cores.x=1",
            "--set",
            "name[0]=1",
            "--set",
            "cpu.hide_kvm",
            "--set",
            "cpu..cores=1",
            "--set",
            "cpu.flags=[\"+x",
            "--host",
            "host.json",
        ],
    ),
    (
        "set_wrongly_for_this_host",
        &[
            "check",
            "good.toml",
            "--set",
            "net[0].bridge=br7",
            "--set",
            "cpu.pinning.vcpus=[[2],[6],[3],[9]]",
            "--host",
            "host.json",
        ],
    ),
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cli")
}

/// vmrun among the goldens, in an environment that says nothing about colours or the terminal.
fn vmrun(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "JOURNAL_STREAM", "XDG_RUNTIME_DIR", "CI"] {
        command.env_remove(variable);
    }
    command.args(words).current_dir(golden()).env("COLUMNS", "80").env("TERM", "xterm").stdin(Stdio::null());
    command
}

fn output(words: &[&str]) -> Output {
    vmrun(words).output().expect("vmrun can be executed")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("vmrun writes UTF-8")
}

/// Exit code and standard error, as the goldens have it.
fn told(words: &[&str]) -> String {
    let output = output(words);
    assert_eq!(text(&output.stdout), "", "{words:?} answers although it refuses");
    format!("exit {}\n{}", output.status.code().expect("it ends by itself"), text(&output.stderr))
}

/// Holds `found` against the golden `name`, or writes it.
fn held(name: &str, found: &str) -> Option<String> {
    held_in(&golden(), name, found)
}

fn held_in(folder: &Path, name: &str, found: &str) -> Option<String> {
    let path = folder.join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, found).expect("goldens can be written");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    (wanted != found).then(|| format!("{name}\n--- wanted\n{wanted}--- found\n{found}"))
}

fn profiles() -> Vec<String> {
    let entries = fs::read_dir(golden()).expect("the goldens are there");
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut stems: Vec<_> = names.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect();
    stems.sort();
    stems
}

#[test]
fn what_a_user_has_to_be_granted_for_a_guest_is_printed_as_files_and_commands() {
    let zen = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/zen3.json");
    let ask = |more: &[&str]| {
        output(&[&["host", "permissions", "granted/games.toml", "--host", zen, "--user"], more].concat())
    };
    let alice = ask(&["alice"]);
    assert!(alice.status.success(), "{}", text(&alice.stderr));
    for line in [
        "KERNEL==\"23\", SUBSYSTEM==\"vfio\", OWNER=\"alice\"",
        "KERNEL==\"kvm\", SUBSYSTEM==\"misc\", GROUP=\"kvm\", MODE=\"0660\"",
        "SYMLINK==\"input/by-id/usb-Razer-event-mouse\", OWNER=\"alice\"",
        "# on.panic_key.device\nSYMLINK==\"input/by-id/usb-Razer-event-kbd\", OWNER=\"alice\"",
        "ATTR{idVendor}==\"046d\", ATTR{idProduct}==\"c29b\", OWNER=\"alice\"",
        "alice - memlock ",
        "[\"smbd.service\"].indexOf(action.lookup(\"unit\"))",
        "usermod -aG kvm alice",
        "vmrun isolate --apply granted/games.toml",
        "#   tune: only root can tune the host",
    ] {
        assert!(text(&alice.stdout).contains(line), "{line} is not in:\n{}", text(&alice.stdout));
    }
    let json: serde_json::Value = serde_json::from_slice(&ask(&["alice", "--json"]).stdout).expect("JSON");
    assert_eq!(json["permissions"]["files"][0]["path"], "/etc/udev/rules.d/70-vmrun-games.rules");
    assert_eq!(ask(&["root"]).status.code(), Some(10));
    assert_eq!(ask(&["mallory"]).status.code(), Some(10));
}

#[test]
fn every_wrong_profile_is_told_as_its_golden_says() {
    let checked = profiles().into_iter().map(|stem| {
        let found = told(&["check", &format!("{stem}.toml"), "--host", "host.json"]);
        held(&format!("{stem}.err"), &found)
    });
    let differing: Vec<_> = checked.flatten().collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn a_wrong_profile_starts_nothing_whatever_the_command() {
    let is_wrong =
        |stem: &String| told(&["check", &format!("{stem}.toml"), "--host", "host.json"]).starts_with("exit 10");
    let wrong: Vec<_> = profiles().into_iter().filter(is_wrong).collect();
    assert!(wrong.len() > 20, "{wrong:?}");
    for stem in wrong.iter().filter(|stem| stem.starts_with("extends") || stem.starts_with("wrong")) {
        for command in ["run", "plan", "demo"] {
            assert!(told(&[command, &format!("{stem}.toml")]).starts_with("exit 1"), "{command} {stem}");
        }
    }
}

#[test]
fn every_wrong_command_line_is_told_as_its_golden_says() {
    let told = COMMAND_LINES.iter().map(|(name, words)| held(&format!("{name}.err"), &told(words)));
    let differing: Vec<_> = told.flatten().collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn a_wrong_command_line_that_asks_for_json_is_answered_in_json() {
    let output = output(&["plan", "good.toml", "--argv", "--json"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), ""));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["exit"], 2);
    assert_eq!(answer["problems"][0]["what"], "--argv and --json are not taken together");
}

#[test]
fn a_profile_where_a_command_belongs_is_run() {
    let run = told(&["run", "wrong_types.toml"]);
    assert!(run.starts_with("exit 10\n"), "{run}");
    assert_eq!(told(&["wrong_types.toml"]), run);
    assert_eq!(told(&["--color", "never", "wrong_types.toml", "-v"]), run);
}

#[test]
fn a_good_profile_is_checked_without_a_word() {
    assert_eq!(told(&["check", "good.toml", "--host", "host.json"]), "exit 0\n");
}

#[test]
fn the_plan_reads_as_its_golden_in_80_columns() {
    let output = output(&["plan", "good.toml", "--host", "host.json"]);
    let shown = text(&output.stdout);
    // Where runs have their folder depends on who tests.
    let plan: String = shown
        .lines()
        .filter(|line| !line.contains("its folder while it runs"))
        .fold(String::new(), |page, line| page + line + "\n");
    assert_eq!(held("good.plan", &plan), None);
    let too_long = |line: &&str| line.chars().count() > 80;
    assert_eq!(plan.lines().filter(too_long).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn a_plan_that_this_host_refuses_is_shown_with_the_problems_beside_it() {
    let output = output(&["plan", "wrong_on_this_host.toml", "--host", "host.json"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("cannot run here: 5 problems"), "{shown}");
    assert!(shown.contains("vCPU 1: not on this host"), "{shown}");
    assert!(text(&output.stderr).contains("there is no bridge br7"));
    assert_eq!(output.status.code(), Some(11));
}

#[test]
fn both_forms_of_the_command_line_are_read_by_bash_as_what_qemu_gets() {
    let plan = json(&["plan", "good.toml", "--host", "host.json", "--json"]);
    let path = plan["plan"]["qemu"]["path"].as_str().map(str::to_owned);
    let arguments = plan["plan"]["argv"].as_array().expect("a list").iter().filter_map(Value::as_str);
    let wanted: Vec<_> = path.into_iter().chain(arguments.map(str::to_owned)).collect();
    assert_eq!(bash_words(&["plan", "good.toml", "--host", "host.json", "--argv"]), wanted);
    assert_eq!(bash_words(&["plan", "good.toml", "--host", "host.json", "--argv", "--lines"]), wanted);
    assert!(wanted.iter().any(|word| word.contains("it's `a` $HOME \"b\" \\ *")));
}

/// The words that bash makes of what vmrun prints.
fn bash_words(words: &[&str]) -> Vec<String> {
    let printed = output(words).stdout;
    let script = format!("printf '%s\\0' {}", text(&printed));
    let bash = Command::new("bash").args(["-c", &script]).output().expect("bash is there");
    assert!(bash.status.success(), "{}", text(&bash.stderr));
    text(&bash.stdout).split_terminator('\0').map(str::to_owned).collect()
}

fn json(words: &[&str]) -> Value {
    serde_json::from_slice(&output(words).stdout).expect("the answer is JSON")
}

#[test]
fn the_command_line_with_lines_has_one_option_a_line() {
    let printed = output(&["plan", "good.toml", "--host", "host.json", "--argv", "--lines"]).stdout;
    let lines: Vec<_> = text(&printed).lines().collect();
    let (last, before) = lines.split_last().expect("some lines");
    assert!(before.iter().all(|line| line.ends_with(" \\")), "{before:?}");
    assert!(!last.ends_with('\\'));
    assert!(lines.iter().any(|line| line.starts_with("  -accel ")), "{lines:?}");
}

#[test]
fn problems_as_json_say_where_and_what_and_the_exit_code() {
    let output = output(&["check", "wrong_on_this_host.toml", "--host", "host.json", "--json"]);
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&record["v"], &record["exit"], output.status.code()), (&1.into(), &11.into(), Some(11)));
    let bridge =
        record["problems"].as_array().unwrap().iter().find(|problem| problem["at"] == "net[0].bridge").unwrap();
    assert_eq!((&bridge["line"], &bridge["column"]), (&17.into(), &10.into()));
    assert_eq!(bridge["class"], "impossible");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn mistakes_as_json_are_problems_too() {
    let record = json(&["check", "unknown_keys.toml", "--host", "host.json", "--json"]);
    let lines: Vec<_> = record["problems"].as_array().unwrap().iter().map(|problem| &problem["line"]).collect();
    assert_eq!(lines, [3, 6, 7, 12, 13]);
    assert_eq!(record["exit"], 10);
}

#[test]
fn mistakes_of_the_text_and_of_the_plan_are_told_in_one_run_by_line() {
    let record = json(&["check", "text_and_plan_at_once.toml", "--host", "host.json", "--json"]);
    let problems = record["problems"].as_array().unwrap();
    let lines: Vec<_> = problems.iter().map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    let planned = problems.iter().filter(|problem| problem["at"] != "").count();
    assert!(planned >= 4 && planned < problems.len() - 4, "{record:#}");
    assert_eq!((&record["exit"], &record["more"]), (&10.into(), &0.into()));
}

#[test]
fn what_is_told_with_the_mistakes_of_the_text_is_true_without_them_too() {
    let wrong = fs::read_to_string(golden().join("text_and_plan_at_once.toml")).unwrap();
    let mended = [
        ("tpye", "type"),
        ("coers", "cores"),
        ("\"1\"", "1"),
        ("AuthenticAMD!", "AuthenticAMD"),
        ("8GB", "8G"),
        ("readonyl", "readonly"),
        ("flie", "file"),
        ("rwa", "raw"),
        ("adr", "addr"),
    ];
    let right = mended.iter().fold(wrong, |text, (wrong, right)| text.replace(wrong, right));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mended.toml");
    fs::write(&file, right).unwrap();
    let whats = |profile: &str| {
        let record = json(&["check", profile, "--host", "host.json", "--json"]);
        let planned = record["problems"].as_array().unwrap().iter().filter(|problem| problem["at"] != "");
        planned.map(|problem| problem["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let after = whats(file.to_str().unwrap());
    let before = whats("text_and_plan_at_once.toml");
    assert_eq!(before.iter().filter(|what| !after.contains(what)).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_dump_of_the_host_can_be_planned_for() {
    let dump = output(&["host", "--dump", "good.toml"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.json");
    fs::write(&file, &dump.stdout).unwrap();
    let there = json(&["plan", "good.toml", "--json", "--host", file.to_str().unwrap()]);
    let here = json(&["plan", "good.toml", "--json"]);
    assert_eq!(there["plan"]["argv"], here["plan"]["argv"]);
    assert_eq!(there["problems"], here["problems"]);
}

#[test]
fn help_fits_80x24_for_every_command() {
    let lines = help_lines(&[], &vmrun::cli::args::Cli::command());
    assert!(lines.contains(&vec!["plan".to_owned(), "--help".to_owned()]));
    for line in lines {
        fits(&line.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// The command lines that ask for help of `command`, which `above` leads to, and of each command below it.
fn help_lines(above: &[String], command: &clap::Command) -> Vec<Vec<String>> {
    let mut lines = vec![[above, &["--help".to_owned()]].concat()];
    for below in command.get_subcommands() {
        lines.extend(help_lines(&[above, &[below.get_name().to_owned()]].concat(), below));
    }
    lines
}

#[test]
fn help_names_every_command() {
    let output = output(&["--help"]);
    let help = text(&output.stdout);
    for command in vmrun::cli::args::Cli::command().get_subcommands() {
        assert!(help.split([' ', ',', ';', '\n']).any(|word| word == command.get_name()), "{}", command.get_name());
    }
}

fn fits(words: &[&str]) {
    let output = output(words);
    let help = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{words:?}");
    assert!(help.lines().count() <= 24, "{words:?} has {} lines\n{help}", help.lines().count());
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{words:?} is too wide\n{help}");
}

#[test]
fn there_are_colours_only_where_they_are_wanted() {
    let words = |color| ["--color", color, "check", "unknown_keys.toml"];
    let colored = |mut command: Command| command.output().unwrap().stderr.contains(&0x1b);
    assert!(!colored(vmrun(&words("auto"))));
    assert!(!colored(vmrun(&words("never"))));
    assert!(colored(vmrun(&words("always"))));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = vmrun(&["plan", "good.toml", "--host", "host.json", "--argv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn the_first_line_is_all_that_head_takes() {
    let mut child = vmrun(&["host", "--dump"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "{\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_answer_that_cannot_be_written_is_told() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = vmrun(&["plan", "good.toml", "--host", "host.json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: standard output cannot be written: "));
}

#[test]
fn closed_streams_do_no_harm() {
    let script = "exec \"$0\" plan good.toml --host host.json >&- 2>&-";
    let status = Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_vmrun")]).current_dir(golden()).status();
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn lines_for_the_journal_carry_their_level() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = File::create(&path).unwrap();
    let metadata = journal.metadata().unwrap();
    let stream = format!("{}:{}", metadata.st_dev(), metadata.st_ino());
    let command = &mut vmrun(&["check", "newer_schema.toml"]);
    let status = command.env("JOURNAL_STREAM", stream).stderr(journal).status().unwrap();
    assert_eq!(status.code(), Some(10));
    let lines = fs::read_to_string(&path).unwrap();
    assert!(lines.lines().count() > 1 && lines.lines().all(|line| line.starts_with("<3>")), "{lines}");
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.toml");
    fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    let told = told(&["check", file.to_str().unwrap()]);
    assert!(told.starts_with("exit 10\n") && told.contains("a profile has at most 1048576"), "{told}");
}

/// What is told of a file that holds `text`, without its lines of the text itself.
fn told_of(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd.toml");
    fs::write(&file, text).unwrap();
    told(&["check", file.to_str().unwrap(), "--host", "host.json"])
}

const HEAD: &str = "schema = 1\nname = \"odd\"\n";

/// So many disks.
fn disks(count: usize) -> String {
    let disk = |n: usize| format!("[[disk]]\nfile = \"/srv/vm/{n}.raw\"\nformat = \"raw\"\n");
    format!("{HEAD}{}", (0..count).map(disk).collect::<String>())
}

/// Profiles too large to lie beside the others, by what they are.
fn large() -> [(&'static str, String); 3] {
    let long = "x".repeat(1_000_000);
    [
        ("(a text of 1 MB)", format!("{HEAD}[memory]\nsize = \"{long}\"\n")),
        ("(10000 disks)", disks(10_000)),
        ("(5000 tables in each other)", format!("{HEAD}x = {}", "{a = ".repeat(5_000))),
    ]
}

#[test]
fn a_text_of_a_megabyte_is_told_in_a_few_lines_wherever_it_stands() {
    let long = "x".repeat(1_000_000);
    let bodies = [
        format!("uuid = \"{long}\"\n"),
        format!("[memory]\nsize = \"{long}\"\n"),
        format!("[qemu]\nargs = [\"{long}\"]\n"),
        format!("[[disk]]\nfile = \"/{long}\"\nformat = \"raw\"\n"),
    ];
    for body in bodies {
        let told = told_of(&format!("{HEAD}{body}"));
        assert!(told.starts_with("exit 10\nerror: the text has 100000"), "{}", &told[..200]);
        assert!(told.len() < 2000 && told.contains("a program can be given 131071 at a time"), "{} bytes", told.len());
    }
    let told = told_of(&format!("{HEAD}{long} = 1\n"));
    assert!(told.starts_with("exit 10\nerror: unknown key `xxx") && told.len() < 4000, "{} bytes", told.len());
}

#[test]
fn more_disks_than_a_machine_has_place_for_are_one_mistake() {
    let told = told_of(&disks(10_000));
    assert!(told.starts_with("exit 10\nerror: `disk` has 10000 entries; at most 256 are read\n"), "{told}");
    assert!(told.contains("odd.toml:771:1") && told.ends_with("on the host was changed\n"), "{told}");
}

#[test]
fn nesting_beyond_reason_is_refused() {
    for body in [format!("x = {}", "{a = ".repeat(5_000)), format!("{} = 1\n", vec!["a"; 5_000].join("."))] {
        let told = told_of(&format!("{HEAD}{body}"));
        assert!(told.starts_with("exit 10\n") && told.contains("nested more than 80 deep"), "{told}");
    }
}

#[test]
fn fifty_mistakes_are_told_and_that_there_are_more() {
    let keys = |count: usize| (0..count).fold(String::new(), |text, n| text + &format!("key{n} = 1\n"));
    let some = told_of(&format!("{HEAD}{}", keys(200)));
    assert_eq!(some.matches("\nerror: ").count(), 50);
    assert!(some.contains("odd.toml: 50 problems, and at least 10 more; nothing was started"), "{some}");
    let began = Instant::now();
    let many = told_of(&format!("{HEAD}{}", keys(60_000)));
    assert!(many.contains(" problems, and at least 1 more; "), "{many}");
    assert!(began.elapsed() < Duration::from_secs(20), "a second when it is optimised; {:?}", began.elapsed());
}

/// What is said of each wrong profile: its place, what is wrong, what mends it.
fn mistakes(stem: &str, told: &str) -> String {
    let mut rows = String::new();
    let mut lines = told.lines().peekable();
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    while let Some(line) = lines.next() {
        let Some(what) = line.strip_prefix("error: ") else { continue };
        let mut further = Vec::new();
        while lines.peek().is_some_and(|next| !next.is_empty()) {
            further.extend(lines.next());
        }
        let place = further.iter().find_map(|line| line.split_once("--> ")).map_or("", |(_, place)| place);
        let fix = further.iter().find_map(|line| line.split_once("= fix: ")).map_or("", |(_, fix)| fix);
        let place = place.split_once(':').map_or("", |(_, place)| place);
        assert!(what.len() < 500, "nobody reads {} bytes: {what}", what.len());
        let _ = writeln!(rows, "| {stem} | {place} | {} | {} |", cell(what), cell(fix));
    }
    rows
}

#[test]
fn every_mistake_is_in_the_table_of_mistakes() {
    let rows = profiles().into_iter().map(|stem| {
        let told = told(&["check", &format!("{stem}.toml"), "--host", "host.json"]);
        mistakes(&stem, &told)
    });
    let files = [("(a folder)", "."), ("(no such file)", "gone.toml")];
    let files = files.map(|(stem, file)| mistakes(stem, &told(&["check", file])));
    let large = large().map(|(stem, text)| mistakes(stem, &told_of(&text)));
    let rows = rows.chain(files).chain(large);
    let table = format!(
        "# What vmrun says of wrong profiles\n\n`UPDATE=1 cargo test --test cli` writes this table. The profiles are \
         `tests/golden/cli/PROFILE.toml`, checked for the host in `host.json` there; all of what is said stands in \
         `PROFILE.err`. What stands in parentheses lies nowhere: `tests/cli.rs` makes it.\n\n| profile | line:column | what is wrong | first line of what mends it |\n| --- | --- | --- | \
         --- |\n{}",
        rows.collect::<String>()
    );
    assert_eq!(held_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib"), "mistakes.md", &table), None);
}
