//! `[[pci]]`: PCI functions of the host that the guest gets whole.

mod bar;
mod bind;
mod busy;
mod find;
mod group;
mod iommufd;
mod near;
mod place;
pub(in crate::profile) mod property;
mod rebar;
mod reset;
mod rom;
mod spoof;
mod usb;
mod used;
mod vfio_driver;
mod virtual_function;
mod window;

pub(super) use find::{Passed, meant};
pub(super) use place::reserve;
pub(super) use virtual_function::foresee;
pub(super) use window::room;

use super::gpu::Gpu;
use super::pci_rom;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::{Area, PciFunction};
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::{Bdf, PciSelector, PciSlot, Size, UsbId};
use bar::Bar;
use rom::Rom;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use spoof::Spoof;
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;

/// A PCI device of the host that the guest gets whole, like a graphics card with its sound. QEMU's `vfio-pci`.
///
/// vmrun takes it from its drivers when the guest starts, and gives it back to them when the guest is gone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(super) struct Pci {
    /// One function, by its address on the host, as `lspci -D` prints it.
    host: Option<Bdf>,
    /// A device with all of its functions: by address (`01:00`), by place (`00:03.1/00`), by the name of its slot, or
    /// by ids (`10de:13c2`) that only one device of the host has; or one function of it (`01:00.1`).
    device: Option<PciSelector>,
    /// The USB controller that a USB device is plugged into, by the ids of that as `lsusb` prints them: the guest then
    /// has it as on bare metal, with all else that is plugged into that controller.
    usb_controller_of: Option<UsbId>,
    /// The card of which the guest gets a virtual function (SR-IOV), named as in `device`. The card stays with the host.
    physfn: Option<PciSelector>,
    /// Which of its virtual functions, from 0. 0 unless given. `virtfn0` in sysfs.
    virtfn: Option<u16>,
    /// As many are made where the card has none yet, and are gone when no guest has one any more; just enough unless given.
    sriov_numvfs: Option<NonZeroU16>,
    /// Its address in the guest. vmrun chooses unless given, and keeps functions of one device together.
    addr: Option<PciSlot>,
    /// Tells the guest that its device has more functions. Set where it is needed unless given.
    multifunction: Option<bool>,
    /// Gives the guest the legacy VGA ranges of a graphics card, which only a guest with a BIOS needs.
    #[serde(default)]
    x_vga: bool,
    /// The option ROM: `"auto"` for the function's own, `"off"` for none, or a file with one, for a card whose ROM the
    /// host's start has spoilt. `"auto"` unless given.
    #[serde(default)]
    rom: Rom,
    /// Shows the guest the option ROM. QEMU does unless given.
    rombar: Option<bool>,
    /// Ways to reset it that the kernel may use, best first, while the guest has it. The kernel's own choice unless given.
    #[serde(default)]
    reset: Vec<reset::Method>,
    /// Passes a device that nothing can reset. False unless given.
    #[serde(default)]
    allow_no_reset: bool,
    /// Sizes of resizable BARs while the guest has it, by number: `{ 0 = "8G" }`.
    #[serde(default)]
    rebar: BTreeMap<Bar, Size>,
    /// Lets it sleep while it waits for the guest; some cards do not wake up again. False unless given.
    #[serde(default)]
    allow_d3: bool,
    /// Units of the system's manager that hold it, and are stopped for the guest and started again after it.
    #[serde(default)]
    stop_units: Vec<String>,
    /// The same for units of the manager of the user who started vmrun, or who called it by `sudo`.
    #[serde(default)]
    stop_user_units: Vec<String>,
    /// What is done about other services and applications that hold it. `"fail"` unless given.
    #[serde(default)]
    busy: busy::Busy,
    /// Leaves it with its VFIO driver when the guest is gone, for a card that the host's own driver cannot take back. The
    /// next guest finds it there; the host has it again after a restart. False unless given.
    #[serde(default)]
    persist: bool,
    /// Ids that the guest sees instead of its own.
    spoof: Option<Spoof>,
    /// Says that the guest may get the controller of the host's last keyboard. False unless given.
    #[serde(default)]
    last_keyboard: bool,
    /// The driver that gives it to QEMU; one that the kernel has for this very device, like `mlx5_vfio_pci`, else
    /// `vfio-pci`, unless given.
    driver: Option<vfio_driver::VfioDriver>,
    /// Goes the kernel's newer way to the device, `/dev/iommu`, in the place of a group's node. False unless given. QEMU's
    /// `iommufd`.
    #[serde(default)]
    iommufd: bool,
    /// Further properties of QEMU's `vfio-pci`, by its names, for a card that needs a quirk: `{ x-no-kvm-msi = true }`.
    #[serde(default)]
    properties: BTreeMap<String, property::Property>,
}

/// First byte of the class of a display controller; PCI Code and ID Assignment Specification.
const DISPLAY: u32 = 0x03;

/// Whether `function` makes a picture.
pub(super) fn is_display(function: &PciFunction) -> bool {
    function.class >> 16 == DISPLAY
}

impl Pci {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.rom.file().map(|rom| setting.resolve(rom))
    }

    /// What must be looked at closely to find it.
    pub(super) fn areas(&self) -> impl Iterator<Item = Area> {
        let usb = self.usb_controller_of.map(|_| Area::Usb);
        [Area::Pci, Area::Holders].into_iter().chain(usb)
    }

    /// What is wrong with it on any host.
    fn judge(&self, key: &str, scene: &Scene, draft: &mut Draft) {
        if self.rombar.is_some() && self.rom == Rom::Off {
            let what = "rom = \"off\" and rombar say the same thing";
            draft.refuse(Problem::new(Class::Invalid, format!("{key}.rombar"), what).fix("leave rombar out"));
        }
        virtual_function::judge(self, key, draft);
        property::judge(&self.properties, &property::OWN, key, scene, draft);
    }
}

impl Passed<'_> {
    /// Whether it is what a key about a whole card is about: its picture, or its first function.
    fn is_chief(&self, passed: &[Self]) -> bool {
        let mut mates = passed.iter().filter(|other| other.key == self.key);
        let chief = mates.clone().find(|mate| is_display(mate.function)).or_else(|| mates.next());
        chief.is_some_and(|chief| chief.bdf() == self.bdf())
    }

    fn draft(&self, chief: bool, place: &place::Function, scene: &Scene, draft: &mut Draft) {
        let Pci { x_vga, rom, rombar, spoof, .. } = self.table;
        let key = &self.key;
        let mut device = json!({"driver": "vfio-pci", "id": self.id(), "host": self.bdf().to_string()});
        place.place.onto(&mut device);
        if place.multifunction {
            device["multifunction"] = json!(true);
        }
        match (*x_vga && chief, scene.uefi) {
            (true, false) => device["x-vga"] = json!(true),
            (true, true) => draft.warn(
                Problem::new(Class::Invalid, format!("{key}.x_vga"), "x_vga has no use under UEFI, and is left out")
                    .why("UEFI drives the card through its own ROM, not through the legacy VGA ranges")
                    .fix("leave x_vga out"),
            ),
            (false, _) => {}
        }
        match rom {
            Rom::Off => device["rombar"] = json!(0),
            Rom::File(file) if chief => {
                let path = scene.read_file(file, &format!("{key}.rom"), Class::Impossible, draft);
                pci_rom::judge(&format!("{key}.rom"), &path, self.bdf(), scene, draft);
                device["romfile"] = json!(path);
            }
            Rom::Auto | Rom::File(_) => {}
        }
        if let Some(rombar) = rombar {
            device["rombar"] = json!(u8::from(*rombar));
        }
        if let Some(spoof) = spoof.filter(|_| chief) {
            spoof.onto(&mut device);
        }
        if self.table.iommufd {
            device["iommufd"] = json!(iommufd::ID);
        }
        property::onto(&self.table.properties, &mut device);
        draft.contents.argv.device(&device, Origin::given(key));
    }
}

/// The same for a guest that runs already: QEMU has its command line, and vmrun chooses a free port then.
pub(super) fn draft_attach(tables: &[Pci], scene: &Scene, draft: &mut Draft) {
    let unfit = |(i, table): (usize, &Pci)| {
        let keys = [("addr", table.addr.is_some()), ("iommufd", table.iommufd), ("x_vga", table.x_vga)];
        keys.into_iter().filter(|(_, given)| *given).map(move |(name, _)| format!("pci[{i}].{name}"))
    };
    for key in tables.iter().enumerate().flat_map(unfit) {
        let problem = Problem::new(Class::Invalid, key, "this can only be said of a device that the guest starts with");
        draft.refuse(problem.fix("leave it out, or give the device in the profile"));
    }
    self::draft(tables, None, scene, draft);
}

/// Returns the functions that the guest gets.
pub(super) fn draft(tables: &[Pci], gpu: Option<&Gpu>, scene: &Scene, draft: &mut Draft) -> Vec<Bdf> {
    for (i, table) in tables.iter().enumerate() {
        table.judge(&format!("pci[{i}]"), scene, draft);
    }
    let passed = find::all(tables, scene, draft);
    group::judge(&passed, scene.host, draft);
    reset::judge(&passed, scene.host, draft);
    used::judge(&passed, scene.host, draft);
    iommufd::draft(&passed, scene, draft);
    bind::draft_module(&passed, scene.host, draft);
    virtual_function::draft(&passed, scene.host, draft);
    busy::draft(&passed, gpu, scene.host, draft);
    super::gpu::draft(gpu, &passed, scene.host, draft);
    bind::draft(&passed, scene.host, draft);
    draft.contents.devices.extend(passed.iter().map(Passed::bdf));
    let places = place::deal(&passed, draft);
    for (one, place) in passed.iter().zip(&places) {
        if let Some(place) = place {
            one.draft(one.is_chief(&passed), place, scene, draft);
        }
    }
    passed.iter().map(Passed::bdf).collect()
}
