//! The long texts: what an id means, what the old guides say about it, and what to do today.
//!
//! A text is one file beside this one. A line that begins with four spaces is to be copied as it is; other lines are
//! filled to the width of the terminal.

/// A text.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// Its id.
    pub id: &'static str,
    /// What it is about, in a line.
    pub title: &'static str,
    /// The text after its title.
    pub text: &'static str,
}

/// The text of `id`.
#[must_use]
pub fn topic(id: &str) -> Option<Topic> {
    TEXTS.iter().find(|(name, _)| *name == id).map(|(id, text)| of(id, text))
}

/// All texts: those about symptoms first, then one for each check.
pub fn topics() -> impl Iterator<Item = Topic> {
    TEXTS.iter().map(|(id, text)| of(id, text))
}

/// The id that is most like `word`; `None` when none is.
#[must_use]
pub fn nearest(word: &str) -> Option<&'static str> {
    let distances = TEXTS.iter().map(|(id, _)| (strsim::osa_distance(id, word), *id));
    let near = distances.filter(|(distance, id)| *distance <= 3 || id.contains(word) || word.contains(id));
    near.min().map(|(_, id)| id)
}

fn of(id: &'static str, text: &'static str) -> Topic {
    let (title, text) = text.split_once('\n').unwrap_or((text, ""));
    Topic { id, title, text: text.trim_matches('\n') }
}

/// A file beside this one by its id.
macro_rules! texts {
    ($($id:literal),* $(,)?) => { &[$(($id, include_str!(concat!($id, ".txt")))),*] };
}

const TEXTS: &[(&str, &str)] = texts![
    // Symptoms.
    "error-43",
    "cpu-exceptions",
    "system-thread-exception",
    "hdmi-audio-crackle",
    "hdmi-audio-host",
    "black-screen",
    "uefi-shell",
    "code-127",
    "dpc-latency",
    "pinning",
    "usb-controller",
    "early-binding",
    // One for each check.
    "cpu-virtualisation",
    "kvm-device",
    "kvm-access",
    "ignore-msrs",
    "qemu",
    "iommu",
    "iommu-arguments",
    "interrupt-remapping",
    "no-iommu-mode",
    "igfx-off",
    "acs-override",
    "vfio-modules",
    "gpu-group",
    "reserved-memory",
    "second-gpu",
    "boot-gpu",
    "gpu-rom",
    "monitor",
    "gpu-held",
    "boot-framebuffer",
    "identical-gpus",
    "reset",
    "amd-reset",
    "idle-d3",
    "idle-huge-pages",
    "transparent-huge-pages",
    "memory-pieces",
    "tsc",
    "governor",
    "isolated-cpus",
    "ovmf",
    "secure-boot",
    "swtpm",
    "sound-server",
    "gpu-audio",
    "keyboard",
    "bridge",
    "vhost-net",
    "tun",
    "root",
    "locked-memory",
    "lockdown",
    "libvirt-autostart",
    "pci-stub",
    "vfio-virqfd",
    "systemd",
    "unfinished-run",
    "driver-override",
    "console-off",
];
