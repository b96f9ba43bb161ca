//! vmrun's own time, with the stand-in in QEMU's place.

use super::figures::{Series, short, table};
use super::ground::{Ground, VMRUN, beside};
use super::monitor::supervised;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Somebody who runs the guest until it ends, by a name.
type Contestant<'a> = (String, Box<dyn FnMut() + 'a>);

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
        if self.cont.median().is_nan() {
            let unseen = String::new;
            return vec![who.into(), self.exec.spread(), unseen(), unseen(), unseen(), self.gone.spread_p90()];
        }
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
    let program = |vmrun: &Path, own: &str, profile: &Path| {
        let mut command = ground.program(vmrun, own, &["run"]);
        command.arg(profile);
        Box::new(move || {
            let status = command.status().expect("vmrun");
            assert!(status.success(), "{command:?} fails; run it by hand");
        })
    };
    let mut bare = Command::new(&plain_argv[0]);
    bare.args(&plain_argv[1..]).stdin(Stdio::null());
    let mut contestants: Vec<Contestant<'_>> = vec![
        ("fork and exec".into(), Box::new(move || _ = bare.status().expect("the stand-in"))),
        (
            "the least supervisor".into(),
            Box::new(|| _ = supervised(&plain_argv, &ground.path("reference.sock")).wait().expect("its end")),
        ),
        ("vmrun".into(), program(Path::new(VMRUN), "", &plain)),
        ("vmrun, ten devices".into(), program(Path::new(VMRUN), "", &rich)),
    ];
    contestants.extend(
        beside()
            .iter()
            .map(|(own, other)| -> Contestant<'_> { (other.display().to_string(), program(other, own, &plain)) }),
    );
    let mut sections: Vec<Sections> = contestants.iter().map(|_| Sections::default()).collect();
    let chance = RandomState::new();
    for round in 0..rounds {
        // In no fixed order: who follows a large program finds more in the caches.
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        order.sort_by_cached_key(|at| chance.hash_one((round, at)));
        for at in order {
            let began = SystemTime::now();
            contestants[at].1();
            sections[at].add(&ground, began);
        }
    }
    let title = format!("vmrun's own time: the stand-in, 8 vCPUs, {rounds} rounds");
    let head = ["", "command → exec", "greeting → cont", "command → cont", "to the reference", "QEMU's end → gone"];
    let rows: Vec<_> = contestants.iter().zip(&sections).map(|((who, _), own)| own.row(who, &sections[1])).collect();
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
