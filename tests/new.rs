//! `vmrun new`, `list` and `edit`: a newcomer's first evening, by flags and by answers on a terminal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "support/person.rs"]
mod person;
#[path = "support/program.rs"]
mod program;

use person::Person;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A home of its own.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn profile(&self, name: &str) -> PathBuf {
        self.path(&format!("config/vmrun/{name}.toml"))
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.profile(name)).unwrap()
    }

    /// vmrun of a user who lives here, whoever runs the test: `sudo` and a desktop are not seen.
    fn vmrun(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
        command.current_dir(self.0.path()).env("HOME", self.0.path()).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("XDG_DATA_HOME", self.path("data")).env("VMRUN_RUNTIME_DIR", self.path("run"));
        command.env("VMRUN_STATE_DIR", self.path("state")).env("XDG_CACHE_HOME", self.path("cache"));
        for name in ["SUDO_UID", "PKEXEC_UID", "DISPLAY", "WAYLAND_DISPLAY", "JOURNAL_STREAM", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.vmrun().args(arguments).output().unwrap()
    }

    /// `vmrun new NAME` for a captured host, its profile and disk in this home.
    fn new_for(&self, host: &str, name: &str, more: &[&str]) -> Output {
        let profile = self.profile(name);
        let mut words = vec!["new", name, "--yes", "--host", host, "--output", profile.to_str().unwrap()];
        words.extend(more);
        self.run(&words)
    }

    fn disk(&self, name: &str) -> String {
        format!("{}:8G", self.path(&format!("data/vmrun/{name}")).display())
    }
}

fn captured(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts").join(format!("{name}.json")).display().to_string()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An editor that runs `script` with the file as `$1`.
fn editor(home: &Home, script: &str) -> String {
    let path = home.path("editor");
    program::write(&path, &format!("#!/bin/sh\n{script}\n"));
    path.display().to_string()
}

/// An ISO 9660 image with the volume `label` and `names` at its root.
fn iso(label: &str, names: &[&str]) -> Vec<u8> {
    let mut image = vec![0; 20 * 2048];
    let at = 16 * 2048;
    image[at] = 1;
    image[at + 1..at + 6].copy_from_slice(b"CD001");
    image[at + 40..at + 72].fill(b' ');
    image[at + 40..at + 40 + label.len()].copy_from_slice(label.as_bytes());
    image[at + 158..at + 162].copy_from_slice(&18_u32.to_le_bytes());
    image[at + 166..at + 170].copy_from_slice(&2048_u32.to_le_bytes());
    let mut record = 18 * 2048;
    for name in names {
        let length = (33 + name.len()).next_multiple_of(2);
        image[record] = u8::try_from(length).unwrap();
        image[record + 32] = u8::try_from(name.len()).unwrap();
        image[record + 33..record + 33 + name.len()].copy_from_slice(name.as_bytes());
        record += length;
    }
    image
}

#[test]
fn flags_make_a_profile_with_the_spare_card_and_a_variant_for_the_installation() {
    let home = Home::new();
    fs::write(home.path("win.iso"), iso("CCCOMA_X64FRE_EN-US_DV9", &["BOOTMGR.;1", "SETUP.EXE;1", "SOURCES"])).unwrap();
    fs::write(home.path("drivers.iso"), iso("virtio-win-0.1.271", &["NETKVM", "VIOSTOR"])).unwrap();
    let more = ["--iso", "win.iso", "--iso", "drivers.iso", "--memory", "16G", "--disk", &home.disk("games.img")];
    let made = home.new_for(&captured("x3d-two-gpus"), "games", &more);
    assert_eq!(made.status.code(), Some(0), "{}", told(&made));
    let text = home.text("games");
    for line in [
        "#:schema schema.json",
        "guest = \"windows11\"",
        "secure_boot = true",
        "size = \"16G\"",
        "# NVIDIA GeForce RTX 4090, with what shares its IOMMU group.",
        "device = \"01:00\"",
        "[variant.install]",
        "# installs Windows, volume CCCOMA_X64FRE_EN-US_DV9",
    ] {
        assert!(text.lines().any(|it| it == line), "`{line}` is not in\n{text}");
    }
    // The disk belongs on the machine that was described.
    assert!(!home.path("data").exists());
    let make = format!("qemu-img create -f raw {} 8G", home.path("data/vmrun/games.img").display());
    assert!(told(&made).contains(&make), "{}", told(&made));
    assert!(home.path("config/vmrun/schema.json").is_file());
    assert!(told(&made).contains("vmrun run games --variant install"), "{}", told(&made));
}

#[test]
fn a_profile_names_commands_that_find_it_wherever_it_lies() {
    let home = Home::new();
    let at = |path: PathBuf| {
        let (disk, to) = (home.disk("disk.qcow2"), path.to_str().unwrap());
        let words =
            ["new", "gx", "--yes", "--host", &captured("zen3"), "--card", "none", "--disk", &disk, "--output", to];
        let made = home.run(&words);
        assert_eq!(made.status.code(), Some(0), "{}", told(&made));
        (fs::read_to_string(&path).unwrap(), told(&made))
    };
    let (text, said) = at(home.profile("gx"));
    assert!(text.contains("vmrun edit gx\n") && text.contains("#   vmrun run gx\n"), "{text}");
    assert!(said.contains("vmrun run gx "), "{said}");
    let elsewhere = home.path("else where/gx.toml");
    let (text, said) = at(elsewhere.clone());
    for words in ["vmrun edit", "vmrun run", "vmrun plan"] {
        assert!(text.contains(&format!("{words} '{}'", elsewhere.display())), "{words}: {text}");
    }
    assert!(said.contains(&format!("vmrun run '{}'", elsewhere.display())), "{said}");
}

#[test]
fn a_disk_is_made_on_the_machine_that_it_is_for() {
    let home = Home::new();
    let (disk, profile) = (home.disk("here.img"), home.profile("here"));
    let to = profile.to_str().unwrap();
    let words = ["new", "here", "--yes", "--card", "none", "--guest", "linux", "--disk", &disk, "--output", to];
    let made = home.run(&words);
    assert_eq!(made.status.code(), Some(0), "{}", told(&made));
    assert_eq!(fs::metadata(home.path("data/vmrun/here.img")).unwrap().len(), 8 << 30);
    assert!(!told(&made).contains("qemu-img"), "{}", told(&made));
}

#[test]
fn what_stands_in_its_way_here_is_what_check_tells_afterwards() {
    let home = Home::new();
    let (disk, profile) = (home.disk("here.qcow2"), home.profile("here"));
    let to = profile.to_str().unwrap();
    let words = ["new", "here", "--yes", "--card", "none", "--guest", "linux", "--disk", &disk, "--output", to];
    let made = home.run(&words);
    assert_eq!(made.status.code(), Some(0), "{}", told(&made));
    let checked = home.run(&["check", to]);
    for table in ["cpu", "memory", "firmware", "disk", "net"] {
        let error = format!("error: {table}");
        assert_eq!(told(&made).contains(&error), told(&checked).contains(&error), "{}", told(&made));
    }
}

#[test]
fn what_was_made_is_planned_by_its_name_with_and_without_the_variant() {
    let home = Home::new();
    fs::write(home.path("debian.iso"), iso("Debian 12", &["DISTS", "POOL"])).unwrap();
    let disk = home.disk("box.qcow2");
    let made = home.new_for(&captured("zen3"), "box", &["--iso", "debian.iso", "--disk", &disk, "--card", "none"]);
    assert_eq!(made.status.code(), Some(0), "{}", told(&made));
    let plan = |more: &[&str]| {
        let words = [&["plan", "box", "--argv", "--lines"], more].concat();
        String::from_utf8(home.run(&words).stdout).unwrap()
    };
    let (normal, install) = (plan(&[]), plan(&["--variant", "install"]));
    assert!(normal.contains("box.qcow2") && !normal.contains("debian.iso"), "{normal}");
    assert!(install.contains("debian.iso"), "{install}");
}

#[test]
fn each_captured_host_gets_a_guest_that_its_planner_finds_no_fault_with() {
    for host in ["hybrid-one-gpu", "no-iommu", "quad-ht", "two-nodes", "two-sockets", "x3d-two-gpus", "zen3"] {
        let home = Home::new();
        // Neither the host's firmware nor what uses its card is the newcomer's guest's fault.
        let made = home.new_for(&captured(host), "a", &["--guest", "linux", "--disk", &home.disk("a.img")]);
        assert_eq!(made.status.code(), Some(0), "{host}: {}", told(&made));
        assert!(!told(&made).contains("error: cpu"), "{host}: {}", told(&made));
        assert!(!told(&made).contains("error: memory"), "{host}: {}", told(&made));
    }
}

#[test]
fn a_guest_that_cannot_run_there_is_not_written() {
    let home = Home::new();
    let disk = home.disk("a.img");
    let refused = home.new_for(&captured("no-iommu"), "a", &["--guest", "linux", "--disk", &disk, "--card", "01:00"]);
    assert_eq!(refused.status.code(), Some(11), "{}", told(&refused));
    assert!(!home.profile("a").exists() && !home.path("data").exists());
    let unknown = home.new_for(&captured("zen3"), "a", &["--disk", &disk, "--card", "7f:00.0"]);
    assert_eq!(unknown.status.code(), Some(10));
    assert!(told(&unknown).contains("`7f:00.0` is no graphics card; there are 0000:"), "{}", told(&unknown));
}

#[test]
fn a_name_is_taken_once_and_no_terminal_is_told() {
    let home = Home::new();
    let more = ["--card", "none", "--disk", &home.disk("a.img")];
    assert_eq!(home.new_for(&captured("zen3"), "a", &more).status.code(), Some(0));
    let again = home.new_for(&captured("zen3"), "a", &["--card", "none", "--disk", &home.disk("b.img")]);
    assert_eq!(again.status.code(), Some(14), "{}", told(&again));
    assert!(!home.path("data/vmrun/b.img").exists());
    let asked = home.run(&["new", "b"]);
    assert!(told(&asked).contains("to ask takes a terminal"), "{}", told(&asked));
}

#[test]
fn answers_on_a_terminal_make_the_same() {
    let home = Home::new();
    fs::write(home.path("debian.iso"), iso("Debian 12", &["DISTS", "POOL"])).unwrap();
    let mut command = home.vmrun();
    command.args(["new", "--host", &captured("x3d-two-gpus")]).arg("--output").arg(home.profile("first"));
    command.env("TERM", "linux").env_remove("COLUMNS");
    let mut person = Person::before(command);
    let asked = [
        ("debian.iso]: ", "\n"),
        ("[linux]: ", "\n"),
        ("name\u{1b}[0m [linux]: ", "first\n"),
        ("card\u{1b}[0m [1]: ", "9\n"),
        ("card\u{1b}[0m [1]: ", "none\n"),
        ("cores\u{1b}[0m", "4\n"),
        ("memory\u{1b}[0m", "2\n"),
        ("disk\u{1b}[0m", "first.img:1G\n"),
        ("sound\u{1b}[0m", "none\n"),
        ("network\u{1b}[0m [user]: ", "\n"),
        ("[Y/n] ", "y\n"),
    ];
    for (question, answer) in asked {
        person.sees_anew(question);
        person.types(answer);
    }
    person.sees("is written");
    let (code, seen) = person.leaves();
    assert_eq!(code, 0, "{seen}");
    let text = home.text("first");
    assert!(seen.contains("`9` is no graphics card"), "{seen}");
    assert!(text.contains("cores = 4\n") && text.contains("size = \"2G\"\n"), "{text}");
    // Only what holds a path of the test's own may be wider.
    let narrow = |line: &&str| strip(line).chars().count() > 80 && !line.contains(home.0.path().to_str().unwrap());
    let wide = seen.lines().find(narrow);
    assert_eq!(wide, None, "{seen}");
}

/// Without terminal styles.
fn strip(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or("", |(_, rest)| rest))
}

/// A home with the profile `a` in it.
fn with_profile() -> Home {
    let home = Home::new();
    fs::create_dir_all(home.path("config/vmrun")).unwrap();
    fs::write(home.profile("a"), "# mine\nschema = 1\nname = \"alpha\"\n[memory]\nsize = \"1G\" # enough\n").unwrap();
    home
}

fn edit(home: &Home, script: &str) -> Command {
    let mut command = home.vmrun();
    command.args(["edit", "a"]).env("EDITOR", editor(home, script));
    command
}

#[test]
fn an_edit_is_shown_as_what_becomes_of_the_plan_and_keeps_comments() {
    let home = with_profile();
    let edited = edit(&home, "sed -i s/1G/2G/ \"$1\"").output().unwrap();
    assert_eq!(edited.status.code(), Some(0), "{}", told(&edited));
    let diff = String::from_utf8_lossy(&edited.stdout).into_owned();
    assert!(diff.contains("--- plan before") && diff.contains("\n+"), "{diff}");
    assert_eq!(home.text("a"), "# mine\nschema = 1\nname = \"alpha\"\n[memory]\nsize = \"2G\" # enough\n");
    let unchanged = edit(&home, "true").output().unwrap();
    assert!(told(&unchanged).contains("nothing was changed"));
}

#[test]
fn an_edit_with_mistakes_leaves_the_profile_as_it_was() {
    let home = with_profile();
    let before = home.text("a");
    let edited = edit(&home, "sed -i s/size/sice/ \"$1\"").output().unwrap();
    assert_eq!(edited.status.code(), Some(10));
    assert!(told(&edited).contains("sice") && told(&edited).contains("is as it was"), "{}", told(&edited));
    assert_eq!(home.text("a"), before);
    assert_eq!(fs::read_dir(home.path("config/vmrun")).unwrap().count(), 1, "the copy is gone");
    let broken = edit(&home, "exit 3").output().unwrap();
    assert_eq!(broken.status.code(), Some(12), "{}", told(&broken));
}

#[test]
fn an_edit_that_no_host_could_run_is_saved_only_where_the_profile_was_as_wrong_before() {
    let home = with_profile();
    let before = home.text("a");
    let wrong = "printf '[[disk]]\\nfile = \"a.img\"\\nformat = \"raw\"\\nbus = \"ide\"\\n' >> \"$1\"";
    let edited = edit(&home, wrong).output().unwrap();
    assert_eq!(edited.status.code(), Some(10), "{}", told(&edited));
    assert!(told(&edited).contains("no IDE controller") && told(&edited).contains("is as it was"), "{}", told(&edited));
    assert_eq!(home.text("a"), before);
    // A mistake at a time is mended.
    fs::write(home.profile("a"), format!("{before}[[disk]]\n[[disk]]\n")).unwrap();
    let edited = edit(&home, "sed -i '$d' \"$1\"").output().unwrap();
    assert_eq!(edited.status.code(), Some(0), "{}", told(&edited));
    assert_eq!(home.text("a"), format!("{before}[[disk]]\n"));
}

#[test]
fn mistakes_can_be_mended_dropped_or_kept() {
    let home = with_profile();
    let mend = "if grep -q sice \"$1\"; then sed -i s/sice/size/ \"$1\"; else sed -i 's/size = \"1G\"/sice = \"3G\"/' \"$1\"; fi";
    let mut person = Person::before(edit(&home, mend));
    person.sees("[E/d/k] ");
    person.types("e\n");
    let (code, seen) = person.leaves();
    assert_eq!(code, 0, "{seen}");
    assert!(home.text("a").contains("size = \"3G\""));
    let mut person = Person::before(edit(&home, "echo '[nothing]' >> \"$1\""));
    person.sees("[E/d/k] ");
    person.types("k\n");
    let (code, seen) = person.leaves();
    assert_eq!(code, 10, "{seen}");
    assert!(!home.text("a").contains("[nothing]"));
    assert_eq!(fs::read_dir(home.path("config/vmrun")).unwrap().count(), 2, "the copy is kept");
}

#[test]
fn profiles_are_listed_and_completed_by_name() {
    let home = with_profile();
    fs::write(home.profile("b"), "broken").unwrap();
    let list = String::from_utf8(home.run(&["list"]).stdout).unwrap();
    assert!(list.lines().any(|line| line.starts_with("  a ") && line.contains("alpha")), "{list}");
    assert!(list.lines().any(|line| line.starts_with("  b ") && line.contains("has mistakes")), "{list}");
    let mut complete = home.vmrun();
    complete
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "2")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_COMP_TYPE", "9");
    let words = complete.args(["--", "vmrun", "run", ""]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.lines().any(|word| word == "a") && words.lines().any(|word| word == "b"), "{words}");
}

#[test]
fn each_shell_completes_names_of_profiles_as_its_user_set_it_up() {
    let home = with_profile();
    fs::rename(home.profile("a"), home.profile("games")).unwrap();
    let folder = Path::new(env!("CARGO_BIN_EXE_vmrun")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    // What the Tab key does: bash calls the function that `complete` names, fish prints its candidates, and zsh, which
    // completes on a terminal only, gets one.
    let bash = "source <(COMPLETE=bash vmrun)
                COMP_WORDS=(vmrun run ga) COMP_CWORD=2 COMP_TYPE=9
                read -ra set <<<\"$(complete -p vmrun)\"
                while [[ ${set[0]} != -F ]]; do set=(\"${set[@]:1}\"); done
                \"${set[1]}\" vmrun ga run
                printf '%s\\n' \"${COMPREPLY[@]}\"";
    let fish = "COMPLETE=fish vmrun | source; complete --do-complete 'vmrun run ga'";
    let zsh = "zmodload zsh/zpty
               zpty shell zsh -f
               zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source <(COMPLETE=zsh vmrun); print rea\"\"dy'
               zpty -r shell said '*ready*'
               zpty -w -n shell $'vmrun run ga\\t'
               zpty -r shell said '*vmrun run games*'
               print -r - $said";
    for (shell, words) in [("bash", &["--norc", "-c"][..]), ("fish", &["--no-config", "-c"]), ("zsh", &["-f", "-c"])] {
        let script = match shell {
            "bash" => bash,
            "fish" => fish,
            _ => zsh,
        };
        let mut command = Command::new("timeout");
        command
            .arg("120")
            .arg(shell)
            .args(words)
            .arg(script)
            .envs(home.vmrun().get_envs().filter_map(|(k, v)| Some((k, v?))));
        let output = command.env("PATH", &path).current_dir(home.0.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("games"), "{shell}: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_name_that_nobody_has_is_told_with_the_places_that_were_looked_in() {
    let home = with_profile();
    let asked = home.run(&["check", "nosuch"]);
    assert_eq!(asked.status.code(), Some(10));
    let said = told(&asked);
    assert!(said.contains("no file nosuch, and no profile of that name"), "{said}");
    assert!(said.contains(&home.path("config/vmrun").display().to_string()) && said.contains("/etc/vmrun"), "{said}");
}
