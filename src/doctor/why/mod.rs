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

/// The id that is most like `word`, or whose text has that word; `None` when there is none.
#[must_use]
pub fn nearest(word: &str) -> Option<&'static str> {
    let near = TEXTS.iter().map(|(id, _)| (strsim::osa_distance(id, word), *id));
    let contained = near.clone().filter(|(_, id)| id.contains(word) || word.contains(id)).min();
    // A slip in three letters; of a short word more would make it any other.
    let misspelt = || near.clone().filter(|(distance, _)| *distance <= word.len().min(9) / 3).min();
    contained.or_else(misspelt).map(|(_, id)| id).or_else(|| mentioned(word))
}

/// The first text that has `word` in its title, else in itself: a symptom's before a check's.
fn mentioned(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    let has = |text: &str| word.len() >= 3 && text.to_lowercase().contains(&word);
    let titled = topics().find(|topic| has(topic.title));
    titled.or_else(|| topics().find(|topic| has(topic.text))).map(|topic| topic.id)
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
