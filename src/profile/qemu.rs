//! `[qemu]`: which QEMU, and what vmrun has no key for.

use super::setting::Setting;
use crate::host::Host;
use crate::plan::{Class, Draft, Emulator, Origin, Problem};
use crate::unit::Version;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The program.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Qemu {
    /// Its path, or a name to be looked for in `PATH`; `qemu-system-x86_64` unless given.
    binary: Option<PathBuf>,
    /// Arguments added at the end, as they are.
    #[serde(default)]
    args: Vec<String>,
    /// Its environment, beside what it inherits.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// First QEMU with JSON for `-device` and the rest of the syntax that is written here.
const OLDEST: Version = Version::new(6, 2);

/// First QEMU that does not read `QEMU_AUDIO_DRV` and its kin. QEMU: `docs/about/removed-features.rst`.
const NO_AUDIO_ENV: Version = Version::new(8, 2);

/// Options that vmrun writes, or must not meet, and the key to use instead.
const MANAGED: &[(&str, &str)] = &[
    ("accel", "machine.accel"),
    ("action", "on.reboot and on.panic"),
    ("append", "kernel.append"),
    ("bios", "firmware"),
    ("boot", "boot and disk.boot_index"),
    ("cpu", "cpu"),
    ("daemonize", "nothing: vmrun stays with its guest"),
    ("display", "display.kind"),
    ("enable-kvm", "machine.accel"),
    ("initrd", "kernel.initrd"),
    ("kernel", "kernel.image"),
    ("m", "memory.size"),
    ("machine", "machine"),
    ("M", "machine"),
    ("mem-path", "memory.path"),
    ("mem-prealloc", "memory.prealloc"),
    ("name", "name"),
    ("no-reboot", "on.reboot"),
    ("no-shutdown", "nothing: QEMU ends with its guest"),
    ("nodefaults", "nothing: every guest has it"),
    ("nographic", "display.kind"),
    ("no-user-config", "nothing: every guest has it"),
    ("qmp", "nothing: vmrun has the monitor"),
    ("qmp-pretty", "nothing: vmrun has the monitor"),
    ("rtc", "clock"),
    ("runas", "nothing: QEMU runs as vmrun's user"),
    ("run-with", "nothing: QEMU runs as vmrun's user"),
    ("S", "nothing: every guest is started paused"),
    ("sandbox", "nothing: every guest has it"),
    ("smp", "cpu.sockets, cpu.dies, cpu.cores and cpu.threads"),
    ("uuid", "uuid"),
    ("vga", "display.vga"),
    ("vnc", "display.kind and display.path"),
];

/// Options of the seed's time that today's QEMU refuses, and the key to use instead.
const GONE: &[(&str, &str)] = &[
    ("localtime", "clock.base"),
    ("net", "net"),
    ("nodefconfig", "nothing: every guest has -no-user-config"),
    ("no-hpet", "machine.hpet"),
    ("soundhw", "audio"),
    ("usbdevice", "usb"),
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
        let Self { binary: _, args, env } = self;
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
                    .fix("apt install qemu-system-x86   # Fedora: qemu-system-x86-core; Arch: qemu-desktop; openSUSE: qemu-x86"),
            );
        }
    }
}

fn judge_arg(arg: &str, key: &str, draft: &mut Draft) {
    let Some(option) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else { return };
    let of = |table: &[(&str, &'static str)]| table.iter().find(|(name, _)| *name == option).map(|(_, key)| *key);
    if let Some(instead) = of(MANAGED) {
        draft.refuse(
            Problem::new(Class::Invalid, key, format!("-{option} clashes with what vmrun writes itself"))
                .fix(format!("use {instead}")),
        );
    } else if let Some(instead) = of(GONE) {
        draft.refuse(
            Problem::new(Class::Invalid, key, format!("today's QEMU has no -{option}")).fix(format!("use {instead}")),
        );
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
