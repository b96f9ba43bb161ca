//! `display.video`: the emulated graphics card.

use super::{Display, Kind};
use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use crate::profile::disk_bus::{place, place_on_root};
use crate::unit::{PciSlot, Size};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;

/// An emulated graphics card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Video {
    /// No emulated card: the guest has one of its own.
    None,
    /// A plain card that every guest has a driver for.
    Std,
    /// SPICE's card, for Windows 7 and SPICE viewers.
    Qxl,
    /// virtio; quick and of any size, needs a driver in Windows.
    Virtio,
    /// virtio with the host's OpenGL, for Linux guests.
    VirtioGl,
    /// A plain card without the legacy of VGA, for UEFI guests.
    Bochs,
    /// A Cirrus card of 1995, for guests of that time.
    Cirrus,
}

/// Most screens of a card. QEMU: `VIRTIO_GPU_MAX_SCANOUTS`; SPICE: `MAX_MONITORS_COUNT`.
const HEADS: u8 = 16;

/// Bytes of a pixel in the modes that guests set.
const PIXEL: u64 = 4;

/// Bytes of memory that a card has unless told otherwise. QEMU: `vgamem_mb` and `vgamem` in `hw/display`.
const USUAL: u64 = 16 << 20;

/// Width and height in pixels: `2560x1440`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9]{3,5}x[0-9]{3,5}$", "examples" = ["1920x1080"]))]
pub(in crate::profile) struct Resolution {
    /// Width in pixels.
    pub(in crate::profile) width: u16,
    /// Height in pixels.
    pub(in crate::profile) height: u16,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl TryFrom<String> for Resolution {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |part: &str| part.parse::<u16>().ok().filter(|number| (64..=16384).contains(number));
        let sides = text.split_once('x').and_then(|(width, height)| number(width).zip(number(height)));
        let (width, height) =
            sides.ok_or_else(|| format!("`{}` is not a resolution; write it like 1920x1080", text.escape_debug()))?;
        Ok(Self { width, height })
    }
}

impl Video {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Std => "std",
            Self::Qxl => "qxl",
            Self::Virtio => "virtio",
            Self::VirtioGl => "virtio-gl",
            Self::Bochs => "bochs",
            Self::Cirrus => "cirrus",
        }
    }

    fn driver(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Std => Some("VGA"),
            Self::Qxl => Some("qxl-vga"),
            Self::Virtio => Some("virtio-vga"),
            Self::VirtioGl => Some("virtio-vga-gl"),
            Self::Bochs => Some("bochs-display"),
            Self::Cirrus => Some("cirrus-vga"),
        }
    }

    /// QEMU's property for the amount of memory, in MiB or in bytes.
    fn vram(self, bytes: u64) -> Option<(&'static str, u64)> {
        match self {
            Self::None => None,
            Self::Std | Self::Cirrus => Some(("vgamem_mb", bytes >> 20)),
            Self::Qxl => Some(("vram_size_mb", bytes >> 20)),
            Self::Bochs => Some(("vgamem", bytes)),
            Self::Virtio | Self::VirtioGl => Some(("max_hostmem", bytes)),
        }
    }

    /// Bytes of memory in which the card shows `resolution`; `None` for one that takes them where it needs them.
    fn needs(self, Resolution { width, height }: Resolution) -> Option<u64> {
        let screens = match self {
            // Linux drops a mode of which two do not fit: `bochs_connector_mode_valid()`, `drivers/gpu/drm/tiny/bochs.c`.
            Self::Std | Self::Bochs => 2,
            // QEMU: `vgamem_size` in `hw/display/qxl.c`, which is not the `vram` of it.
            Self::Qxl => 1,
            Self::None | Self::Virtio | Self::VirtioGl | Self::Cirrus => return None,
        };
        Some((screens * PIXEL * u64::from(width) * u64::from(height)).next_power_of_two())
    }

    /// Least and most of `vram`. QEMU: `vga_common_init()`, `bochs_display_realize()`, `cirrus_vga_realize()`.
    fn bounds(self) -> (Size, Size) {
        let (least, most) = match self {
            Self::Std => (1, 512),
            Self::Bochs => (4, 256),
            Self::Cirrus => (4, 16),
            Self::None | Self::Qxl | Self::Virtio | Self::VirtioGl => (1, 1 << 20),
        };
        (Size::from_bytes(least << 20), Size::from_bytes(most << 20))
    }

    /// Most bytes that hold a resolution; for SPICE's card that is `qxl_init_ramsize()`.
    fn most(self) -> u64 {
        if self == Self::Qxl { 256 << 20 } else { self.bounds().1.bytes() }
    }

    fn has_heads(self) -> bool {
        matches!(self, Self::Qxl | Self::Virtio | Self::VirtioGl)
    }
}

pub(super) fn draft(display: &Display, draft: &mut Draft) {
    let (video, origin) = match (display.video, display.kind) {
        (Some(video), _) => (video, Origin::given("display.video")),
        (None, Kind::None) => (Video::None, Origin::given("display.kind")),
        (None, _) => (Video::Std, Origin::derived("display.kind", "a display shows a card")),
    };
    judge(video, display, draft);
    let Some(driver) = video.driver() else { return };
    let mut device = json!({"driver": driver, "id": "vga"});
    if let Some((name, amount)) = display.vram.and_then(|vram| video.vram(vram.bytes())) {
        device[name] = json!(amount);
    }
    let room = display.room(video);
    if let Some(bytes) = room {
        match video {
            Video::Bochs => device["vgamem"] = json!(bytes),
            _ => device["vgamem_mb"] = json!(bytes >> 20),
        }
    }
    if let Some(heads) = display.heads {
        device["max_outputs"] = json!(heads);
    }
    if let Some(Resolution { width, height }) = display.resolution {
        device["xres"] = json!(width);
        device["yres"] = json!(height);
    }
    attach(device, &origin, draft);
    if room.is_some() {
        let why = "with the usual memory of the card the guest comes up smaller";
        draft.contents.argv.explain("vga", Origin::derived("display.resolution", why));
    }
}

impl Display {
    /// Memory for the resolution that the guest starts with; `None` when the usual amount holds it, or the user gave one.
    fn room(&self, video: Video) -> Option<u64> {
        let needed = self.resolution.and_then(|resolution| video.needs(resolution)).filter(|needed| *needed > USUAL)?;
        (self.vram.is_none() || video == Video::Qxl).then(|| needed.min(video.most()))
    }

    /// Notes when the memory of the card is too little for the resolution that the guest starts with.
    fn judge_room(&self, video: Video, draft: &mut Draft) {
        let Some((resolution, needed)) = self.resolution.and_then(|own| Some((own, video.needs(own)?))) else { return };
        let vram = self.vram.filter(|_| video != Video::Qxl).map(Size::bytes);
        let has = vram.unwrap_or(video.most());
        if needed <= has {
            return;
        }
        let what = format!("{} is too little for a guest that starts with {resolution}", Size::from_bytes(has));
        let (key, fix) = match vram {
            Some(_) if needed <= video.most() => {
                ("vram", format!("vram = \"{}\"   # or leave vram out", Size::from_bytes(needed)))
            }
            _ => ("resolution", "video = \"virtio\"".to_owned()),
        };
        let problem = Problem::new(Class::Invalid, format!("display.{key}"), what);
        draft.warn(problem.why("it comes up smaller").fix(fix));
    }
}

fn attach(mut device: Value, origin: &Origin, draft: &mut Draft) {
    match draft.slots.chipset() {
        // Device number 1 is kept for it, unless an AMD IOMMU of the guest has that; firmware and guests look for the legacy
        // VGA card on the root bus.
        Chipset::Q35 if !draft.slots.gives(&format!("display {}", device["driver"].as_str().unwrap_or_default())) => {
            if PciSlot::new(1, 0).is_some_and(|slot| !draft.slots.is_free(slot)) {
                return place_on_root(device, origin, draft);
            }
            device["bus"] = json!("pcie.0");
            device["addr"] = json!("01.0");
            draft.contents.argv.device(&device, origin.clone());
        }
        Chipset::Q35 | Chipset::I440fx => place(device, origin, draft),
    }
}

fn judge(video: Video, display: &Display, draft: &mut Draft) {
    let name = video.as_str();
    let mut refuse = |key: &str, what: String, fix: &str| {
        draft.refuse(Problem::new(Class::Invalid, format!("display.{key}"), what).fix(fix));
    };
    if video == Video::VirtioGl && !display.has_gl() {
        refuse(
            "video",
            "video = \"virtio-gl\" without OpenGL on the host".into(),
            "gl = true   # or video = \"virtio\"",
        );
    }
    if video == Video::None && display.vram.is_some() {
        refuse("vram", "without an emulated card there is no video memory".into(), "video = \"virtio\"");
    }
    let (least, most) = video.bounds();
    if display.vram.is_some_and(|vram| !(least..=most).contains(&vram) || !vram.bytes().is_power_of_two()) {
        let what = format!("the memory of video = \"{name}\" is a power of two from {least} to {most}");
        refuse("vram", what, "vram = \"16M\"");
    }
    if display.heads.is_some() && !video.has_heads() {
        refuse("heads", format!("video = \"{name}\" has one screen"), "video = \"virtio\"   # or \"qxl\"");
    }
    if let Some(heads) = display.heads.filter(|heads| heads.get() > HEADS) {
        refuse("heads", format!("{heads} screens; a card has at most {HEADS}"), &format!("heads = {HEADS}"));
    }
    if display.resolution.is_some() && matches!(video, Video::None | Video::Cirrus) {
        refuse("resolution", format!("video = \"{name}\" has no resolution to start with"), "video = \"virtio\"");
    }
    display.judge_room(video, draft);
}
