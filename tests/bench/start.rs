//! vmrun's own time, with the stand-in in QEMU's place.

use super::figures::{Series, short, table};
use super::ground::Ground;
use super::monitor::supervised;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// The sections of a start and of an end, as the stand-in and the harness saw them.
#[derive(Default)]
pub(crate) struct Sections {
    pub(crate) exec: Series,
    pub(crate) bound: Series,
    pub(crate) cont: Series,
    pub(crate) gone: Series,
}

impl Sections {
    /// Of a run that began at `began` and has ended now.
    pub(crate) fn add(&mut self, ground: &Ground, began: SystemTime) {
        let ended = SystemTime::now();
        let text = fs::read_to_string(ground.path("trace")).expect("the stand-in's trace; it did not run");
        let when = |what: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(what)?.trim().parse::<u64>().ok());
            line.map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
        };
        let between = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or_default();
        let exec = when("exec").expect("the time of its exec");
        self.exec.push(between(began, exec));
        if let (Some(greeting), Some(cont)) = (when("greeting"), when("cont")) {
            self.bound.push(between(greeting, cont));
            self.cont.push(between(began, cont));
        }
        self.gone.push(between(when("exit").expect("the time of its end"), ended));
        fs::remove_file(ground.path("trace")).expect("the stand-in's trace");
    }

    fn row(&self, who: &str, reference: &Self) -> Vec<String> {
        let ratio = format!("×{}", short(self.cont.ratio(&reference.cont)));
        vec![who.into(), self.exec.spread(), self.bound.spread(), self.cont.spread(), ratio, self.gone.spread_p90()]
    }
}

pub(crate) fn run(rounds: usize) {
    let ground = Ground::new("7.2");
    ground.live("off");
    let plain = ground.profile(&ground.stand_in(), 8, "");
    let plain_argv = ground.argv(&plain);
    // A guest of its own: one whose plan is another than the last time has that written down at its end.
    let text = fs::read_to_string(&plain).expect("the profile").replace("\"bench\"", "\"plain\"");
    let plain = plain.with_file_name("plain.toml");
    fs::write(&plain, text).expect("the profile");
    let rich = ground.profile(&ground.stand_in(), 8, &ten_devices(&ground));
    let (mut bare, mut reference, mut vmrun, mut devices) = <(Sections, Sections, Sections, Sections)>::default();
    for _ in 0..rounds {
        let began = SystemTime::now();
        let mut command = Command::new(&plain_argv[0]);
        command.args(&plain_argv[1..]).stdin(Stdio::null()).status().expect("the stand-in");
        bare.add(&ground, began);
        let began = SystemTime::now();
        supervised(&plain_argv, &ground.path("reference.sock")).wait().expect("its end");
        reference.add(&ground, began);
        for (profile, sections) in [(&plain, &mut vmrun), (&rich, &mut devices)] {
            let began = SystemTime::now();
            let status = ground.vmrun(&["run"]).arg(profile).status().expect("vmrun");
            assert!(status.success(), "vmrun run {} fails; run it by hand", profile.display());
            sections.add(&ground, began);
        }
    }
    let title = format!("vmrun's own time: the stand-in, 8 vCPUs, {rounds} rounds");
    let head = ["", "command → exec", "greeting → cont", "command → cont", "to the reference", "QEMU's end → gone"];
    let nothing = vec![
        "fork and exec".into(),
        bare.exec.spread(),
        String::new(),
        String::new(),
        String::new(),
        bare.gone.spread_p90(),
    ];
    let rows = [
        nothing,
        reference.row("the least supervisor", &reference),
        vmrun.row("vmrun", &reference),
        devices.row("vmrun, ten devices", &reference),
    ];
    table(&title, &head, &rows);
}

/// Ten devices, each with a check of the host: images, a network, USB, sound, a display.
fn ten_devices(ground: &Ground) -> String {
    let disk = |at: usize| {
        let path = ground.path(&format!("disk{at}.raw"));
        fs::write(&path, vec![0; 1 << 20]).expect("an image");
        format!("[[disk]]\nfile = \"{}\"\nformat = \"raw\"\niothread = true\n", path.display())
    };
    let disks: String = (0..4).map(disk).collect();
    let usb: String = (1..4).map(|id| format!("[[usb]]\nid = \"dead:000{id}\"\n")).collect();
    format!("{disks}{usb}[[net]]\nmode = \"user\"\n[[net]]\nmode = \"user\"\n[rng]\n")
}
