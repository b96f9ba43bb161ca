//! `[gpu]`: the host's only graphics card, which leaves the host without a picture while the guest has it.

use super::pci::{Passed, is_display};
use crate::host::{Framebuffer, Host, Use};
use crate::plan::{Change, Class, Draft, Presence, Problem, VFIO};
use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of the host's picture when its graphics card is passed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Gpu {
    /// `"single"` lets the guest have the host's only card: the desktop ends for it, and is there again afterwards.
    mode: Option<Mode>,
    /// Units that draw the desktop, in the order in which they are stopped. `["display-manager.service"]` unless given.
    units: Option<Vec<String>>,
    /// Takes the card from the kernel's text console and from the firmware's framebuffer. True unless given.
    release_console: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// One card for both.
    Single,
}

/// The name by which every distribution knows its display manager.
const DESKTOP: &str = "display-manager.service";

impl Gpu {
    pub(super) fn is_single(&self) -> bool {
        self.mode == Some(Mode::Single)
    }

    /// The units that are stopped.
    pub(super) fn stopped(&self, host: &Host) -> Vec<String> {
        let desktop = || if host.systemd && self.is_single() { vec![DESKTOP.to_owned()] } else { Vec::new() };
        self.units.clone().unwrap_or_else(desktop)
    }
}

/// Refuses to leave the host without a picture unless that is wanted, and drafts the changes by which the host's own
/// drawing lets go of the card.
pub(super) fn draft(gpu: Option<&Gpu>, passed: &[Passed], host: &Host, draft: &mut Draft) {
    judge_only(gpu, passed, host, draft);
    judge_units(gpu, host, draft);
    if gpu.is_some_and(|gpu| gpu.release_console == Some(false)) {
        return;
    }
    let uses = || passed.iter().flat_map(|one| &one.function.uses);
    for console in uses().filter_map(console) {
        let path = format!("/sys/class/vtconsole/{console}/bind");
        draft.contents.changes.push(Change::Attribute { path, from: "1".into(), to: "0".into() });
    }
    for framebuffer in &host.console.framebuffers {
        draft_release(framebuffer, passed, host, draft);
    }
}

/// Drafts the release of a framebuffer that the firmware left on a card that is passed.
///
/// Its driver keeps the card's memory as its own, so that it cannot be mapped for the guest: "can't reserve". A
/// framebuffer of the card's own driver goes with that driver.
fn draft_release(framebuffer: &Framebuffer, passed: &[Passed], host: &Host, draft: &mut Draft) {
    // Where the kernel does not tell whose memory it is, it is that of the card that the firmware drew on.
    let under = |one: &&Passed| framebuffer.function.map_or(one.function.boot_vga, |function| function == one.bdf());
    let Some((one, device)) = passed.iter().find(under).zip(framebuffer.platform.as_ref()) else { return };
    // A card that another driver has is refused for that.
    if host.euid != 0 && one.function.driver.as_deref() == Some(VFIO) {
        let what = format!("the firmware's {device} draws on {}; only root can take it from there", one.bdf());
        let problem = Problem::new(Class::Denied, &one.at, what).why(format!("vmrun runs as user {}", host.euid));
        draft.refuse(
            problem.fix("run vmrun as root, by sudo or pkexec\n# or boot the host with initcall_blacklist=sysfb_init"),
        );
        return;
    }
    // The drivers have the names of their devices; Linux: `drivers/video/fbdev/efifb.c`, `vesafb.c` and `simplefb.c`,
    // `drivers/gpu/drm/sysfb/simpledrm.c`.
    let driver = device.split_once('.').map_or(device.as_str(), |(driver, _)| driver).to_owned();
    let (from, to) = (Presence::Present, Presence::Absent);
    draft.contents.changes.push(Change::Framebuffer { device: device.clone(), driver, from, to });
}

fn console(used: &Use) -> Option<&str> {
    match used {
        Use::Console { name } => Some(name),
        _ => None,
    }
}

fn judge_only(gpu: Option<&Gpu>, passed: &[Passed], host: &Host, draft: &mut Draft) {
    // A card that the host gave up at its start is no picture of the host's.
    let drawn = |driver: Option<&str>| !driver.is_some_and(|driver| driver == VFIO || driver == "pci-stub");
    let ours = |one: &&Passed| is_display(one.function) && drawn(one.function.driver.as_deref());
    let Some(one) = passed.iter().find(ours).filter(|_| !gpu.is_some_and(Gpu::is_single)) else { return };
    let stays = host.pci.iter().any(|other| {
        is_display(other) && drawn(other.driver.as_deref()) && !passed.iter().any(|taken| taken.bdf() == other.bdf)
    });
    if !stays {
        draft.refuse(
            Problem::new(
                Class::Impossible,
                &one.at,
                format!("{} is the only graphics card that this host draws on", one.bdf()),
            )
            .why("while the guest has it the host shows no picture, and the desktop on it has to end first")
            .fix("[gpu]\nmode = \"single\""),
        );
    }
}

fn judge_units(gpu: Option<&Gpu>, host: &Host, draft: &mut Draft) {
    let given = gpu.and_then(|gpu| gpu.units.as_ref()).is_some_and(|units| !units.is_empty());
    if given && !host.systemd {
        let problem = Problem::new(Class::Missing, "gpu.units", "there is no systemd that could stop units");
        draft.refuse(problem.fix("units = []   # and stop the desktop by a [[hook]] at \"pre\""));
    }
}
