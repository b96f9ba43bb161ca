//! `[qemu]`: which QEMU, and what vmrun has no key for.

use super::setting::Setting;
use crate::host::Host;
use crate::plan::{Access, Class, Draft, Emulator, Lot, Origin, Problem, RunAs};
use crate::unit::Version;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which QEMU is run, and what vmrun has no key for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Qemu {
    /// Path of the program, or a name to be looked for in `PATH`.
    #[schemars(extend("default" = "qemu-system-x86_64"))]
    binary: Option<PathBuf>,
    /// Login name of the ordinary user that QEMU runs as when vmrun is root: what it has to open is opened before, or handed
    /// to that user until the guest has ended. The user that vmrun runs as unless given.
    user: Option<String>,
    /// The group of that user; the one of its account unless given.
    group: Option<String>,
    /// Kinds of system calls that QEMU may do all the same. None unless given; QEMU's `-sandbox`.
    #[serde(default)]
    sandbox_allow: Vec<Denial>,
    /// Arguments that are added at the end as they are. One that clashes with a key of the profile is refused.
    #[serde(default)]
    args: Vec<String>,
    /// Environment variables of QEMU, beside what it inherits.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// A kind of system calls that no guest needs; QEMU's `-sandbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Denial {
    /// System calls that are out of date.
    Obsolete,
    /// Those that change user, group or rights.
    ElevatePrivileges,
    /// Those that start processes: helpers for networks, `smbd` for a shared folder.
    Spawn,
    /// Those that change affinity and priority, which vmrun does from outside.
    ResourceControl,
}

impl Denial {
    const ALL: [Self; 4] = [Self::Obsolete, Self::ElevatePrivileges, Self::Spawn, Self::ResourceControl];

    fn as_str(self) -> &'static str {
        match self {
            Self::Obsolete => "obsolete",
            Self::ElevatePrivileges => "elevateprivileges",
            Self::Spawn => "spawn",
            Self::ResourceControl => "resourcecontrol",
        }
    }
}

/// First QEMU with JSON for `-device` and the rest of the syntax that is written here.
const OLDEST: Version = Version::new(6, 2);

/// First QEMU that does not read `QEMU_AUDIO_DRV` and its kin. QEMU: `docs/about/removed-features.rst`.
const NO_AUDIO_ENV: Version = Version::new(8, 2);

/// Options that vmrun writes, or must not meet, and what to do instead.
const MANAGED: &[(&str, &str)] = &[
    ("accel", "use machine.accel"),
    ("acpitable", "use acpi_table"),
    ("action", "use on.reboot and on.panic"),
    ("append", "use kernel.append"),
    ("bios", "use firmware"),
    ("boot", "use boot and disk.boot_index"),
    ("cpu", "use cpu"),
    ("daemonize", "leave it out; vmrun stays with its guest"),
    ("display", "use display.kind"),
    ("enable-kvm", "use machine.accel"),
    ("fw_cfg", "use fw_cfg"),
    ("initrd", "use kernel.initrd"),
    ("kernel", "use kernel.image"),
    ("m", "use memory.size"),
    ("machine", "use machine"),
    ("M", "use machine"),
    ("mem-path", "use memory.path"),
    ("mem-prealloc", "use memory.prealloc"),
    ("name", "use name"),
    ("no-reboot", "use on.reboot"),
    ("no-shutdown", "leave it out; QEMU ends with its guest"),
    ("nodefaults", "leave it out; every guest has it"),
    ("nographic", "use display.kind"),
    ("no-user-config", "leave it out; every guest has it"),
    ("numa", "use numa"),
    ("qmp", "leave it out; vmrun has the monitor"),
    ("qmp-pretty", "leave it out; vmrun has the monitor"),
    ("rtc", "use clock"),
    ("runas", "use qemu.user"),
    ("run-with", "use qemu.user"),
    ("S", "leave it out; every guest is started paused"),
    ("sandbox", "use qemu.sandbox_allow"),
    ("smbios", "use smbios"),
    ("smp", "use cpu.sockets, cpu.dies, cpu.cores and cpu.threads"),
    ("spice", "use display.kind"),
    ("tpmdev", "use tpm"),
    ("uuid", "use uuid"),
    ("vga", "use display.video"),
    ("vnc", "use display.kind and display.path"),
];

/// Options of the seed's time that today's QEMU refuses, and what to do instead.
const GONE: &[(&str, &str)] = &[
    ("localtime", "use clock.base"),
    ("net", "use net"),
    ("nodefconfig", "leave it out; every guest has -no-user-config"),
    ("no-hpet", "use machine.hpet"),
    ("soundhw", "use audio"),
    ("usbdevice", "use usb"),
];

impl Qemu {
    pub(super) fn binary(&self, setting: &Setting) -> Option<PathBuf> {
        let binary = self.binary.as_deref()?;
        let bare = binary.components().count() == 1 && binary.is_relative();
        Some(if bare { binary.to_owned() } else { setting.resolve(binary) })
    }

    /// The program that the host has for this profile.
    pub(super) fn emulator(&self, host: &Host, setting: &Setting) -> Emulator {
        if let Some(found) = &host.qemu {
            return Emulator { path: found.path.clone(), version: Some(found.version) };
        }
        let path = self.binary(setting).unwrap_or_else(|| "qemu-system-x86_64".into());
        Emulator { path, version: None }
    }

    pub(super) fn draft(&self, host: &Host, draft: &mut Draft) {
        draft.opens("qemu.binary", draft.contents.emulator.path.clone(), Access::Read, Lot::File);
        let Self { binary: _, user: _, group: _, sandbox_allow: _, args, env } = self;
        judge_version(host, draft);
        for (i, arg) in args.iter().enumerate() {
            let key = format!("qemu.args[{i}]");
            judge_arg(arg, &key, draft);
            draft.contents.argv.user(arg, Origin::given(key));
        }
        for (name, value) in env {
            judge_env(name, draft);
            draft.contents.env.insert(name.clone(), value.clone());
        }
    }
}

impl Qemu {
    /// Login name and group of the user that QEMU shall run as.
    pub(super) fn account(&self) -> Option<(String, Option<String>)> {
        Some((self.user.clone()?, self.group.clone()))
    }

    /// The same, with a problem noted when that cannot be.
    pub(super) fn run_as(&self, host: &Host, draft: &mut Draft) -> Option<RunAs> {
        let Some(user) = &self.user else {
            if self.group.is_some() {
                let problem = Problem::new(Class::Invalid, "qemu.group", "a group without a user");
                draft.refuse(problem.fix("user = \"YOUR_LOGIN\""));
            }
            return None;
        };
        let known = host.user(user).map(|user| user.uid);
        match known {
            None => {
                let what = format!("this host has no account {user}");
                draft.refuse(Problem::new(Class::Impossible, "qemu.user", what).fix("user = \"YOUR_LOGIN\""));
                None
            }
            Some(uid) if uid == host.euid && self.group.is_none() => None,
            Some(_) if host.euid != 0 => {
                let what = format!("only root can run QEMU as {user}");
                let problem = Problem::new(Class::Denied, "qemu.user", what);
                draft.refuse(problem.why(format!("vmrun runs as user {}", host.euid)).fix("sudo vmrun …"));
                None
            }
            Some(uid) => {
                if let Some(group) = self.group.as_ref().filter(|_| host.account.is_none()) {
                    let what = format!("this host has no group {group}");
                    draft.refuse(Problem::new(Class::Impossible, "qemu.group", what).fix("leave group out"));
                }
                Some(RunAs { user: user.clone(), uid, group: self.group.clone(), groups: Vec::new() })
            }
        }
    }

    /// Drafts `-sandbox`.
    pub(super) fn draft_sandbox(&self, draft: &mut Draft) {
        let denials = Denial::ALL.map(|denial| {
            let fate = if self.sandbox_allow.contains(&denial) { "allow" } else { "deny" };
            format!("{}={fate}", denial.as_str())
        });
        let origin = if self.sandbox_allow.is_empty() {
            Origin::always("QEMU needs none of these system calls")
        } else {
            Origin::given("qemu.sandbox_allow")
        };
        draft.contents.argv.setting("-sandbox", format!("on,{}", denials.join(",")), origin);
    }
}

fn judge_version(host: &Host, draft: &mut Draft) {
    match &host.qemu {
        Some(found) if found.version < OLDEST => draft.refuse(
            Problem::new(
                Class::Impossible,
                "qemu.binary",
                format!("{} is QEMU {}", found.path.display(), found.version),
            )
            .why(format!("vmrun needs QEMU {OLDEST} or newer, which takes devices as JSON")),
        ),
        Some(_) => {}
        None => {
            let path = draft.contents.emulator.path.display().to_string();
            draft.refuse(
                Problem::new(Class::Missing, "qemu.binary", format!("there is no QEMU: {path} was not found"))
                    .fix("apt install qemu-system-x86   # Fedora: qemu-system-x86-core; Arch: qemu-desktop"),
            );
        }
    }
}

fn judge_arg(arg: &str, key: &str, draft: &mut Draft) {
    let Some(option) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else { return };
    let of = |table: &[(&str, &'static str)]| table.iter().find(|(name, _)| *name == option).map(|(_, key)| *key);
    if let Some(instead) = of(MANAGED) {
        draft.refuse(
            Problem::new(Class::Invalid, key, format!("-{option} clashes with what vmrun writes itself")).fix(instead),
        );
    } else if let Some(instead) = of(GONE) {
        draft.refuse(Problem::new(Class::Invalid, key, format!("today's QEMU has no -{option}")).fix(instead));
    }
}

fn judge_env(name: &str, draft: &mut Draft) {
    let audio = ["QEMU_AUDIO_", "QEMU_PA_", "QEMU_ALSA_", "QEMU_SDL_", "QEMU_OSS_"];
    if !audio.iter().any(|prefix| name.starts_with(prefix)) {
        return;
    }
    let instead = match name {
        "QEMU_AUDIO_DRV" => "driver = \"pa\"",
        "QEMU_PA_SERVER" => "server = \"unix:/run/user/1000/pulse/native\"",
        "QEMU_PA_SAMPLES" => "samples = 1024",
        _ => "buffer_us = 20000",
    };
    draft.warn(
        Problem::new(
            Class::Invalid,
            format!("qemu.env.{name}"),
            format!("QEMU {NO_AUDIO_ENV} and newer do not read {name}"),
        )
        .fix(format!("[audio]\n{instead}")),
    );
}
