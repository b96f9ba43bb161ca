//! A kernel for tests: a laid-out tree whose files do what sysfs does when they are written to.

use super::journal::{Damage, Journal};
use super::step::{Fault, Ground, Hand, Told};
use super::{ApplyError, Lease, Unrestored, make_all};
use crate::host::Root;
use crate::plan::Change;
use crate::unit::GuestName;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::task::yield_now;

pub(super) const CARD: &str = "0000:01:00.0";
/// The start of a configuration space: ids, and at offset 14 the header type.
const ANSWER: &[u8] = b"\xde\x10\xc2\x13\0\0\0\0\xa1\0\0\x03\0\0\x80";
pub(super) const SOUND: &str = "0000:01:00.1";
/// On a bus of its own.
pub(super) const DISK: &str = "0000:02:00.0";
/// The framebuffer that the firmware left, with its driver.
const FRAMEBUFFER_FOLDER: &str = "/sys/bus/platform/devices/efi-framebuffer.0";
const FRAMEBUFFER_DRIVER: &str = "../../drivers/efi-framebuffer";

/// The machine, gone with this value.
pub(super) struct Machine {
    keep: tempfile::TempDir,
    pub(super) kernel: Rc<Kernel>,
}

#[derive(Default)]
pub(super) struct Kernel {
    /// What must fail, by the end of the path, and how.
    pub(super) faults: RefCell<Vec<(String, Fault)>>,
    /// Writes until the caller is killed; `None` for a caller that lives.
    pub(super) writes_left: Cell<Option<usize>>,
    /// Whether the last write is done before the caller is killed.
    pub(super) last_is_done: Cell<bool>,
    /// Everything that was written.
    pub(super) said: RefCell<Vec<String>>,
    /// Writes that have not come back, and the most that there ever were.
    at_once: Cell<usize>,
    pub(super) most_at_once: Cell<usize>,
}

impl Machine {
    /// A card with its sound behind a bridge, a disk behind another, each with its driver, and vfio-pci without a device.
    pub(super) fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let machine = Self { keep, kernel: Rc::default() };
        for bridge in ["0000:00:01.0", "0000:00:02.0"] {
            machine.file(&format!("/sys/devices/pci0000:00/{bridge}/reset_subordinate"), "");
            machine.link(&format!("/sys/bus/pci/devices/{bridge}"), &format!("../../../devices/pci0000:00/{bridge}"));
        }
        let (first, second) = ("0000:00:01.0", "0000:00:02.0");
        for (bridge, bdf, native) in [(first, CARD, "nvidia"), (first, SOUND, "snd_hda_intel"), (second, DISK, "nvme")]
        {
            let device = format!("/sys/devices/pci0000:00/{bridge}/{bdf}");
            for (name, text) in [("driver_override", "(null)\n"), ("reset", ""), ("remove", ""), ("native", native)] {
                machine.file(&format!("{device}/{name}"), text);
            }
            machine.file(&format!("{device}/power/control"), "auto\n");
            machine.file(&format!("{device}/resource"), "0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n");
            machine.file(&format!("{device}/resource0_resize"), "0000000000003f00\n");
            machine.answers(&device, true);
            machine
                .link(&format!("/sys/bus/pci/devices/{bdf}"), &format!("../../../devices/pci0000:00/{bridge}/{bdf}"));
            machine.link(&format!("{device}/driver"), &driver(native));
        }
        for name in ["nvidia", "snd_hda_intel", "nvme", "vfio-pci"] {
            machine.file(&format!("/sys/bus/pci/drivers/{name}/unbind"), "");
            machine.file(&format!("/sys/bus/pci/drivers/{name}/bind"), "");
        }
        machine.file("/sys/bus/pci/drivers_probe", "");
        machine.file("/sys/bus/pci/rescan", "");
        machine.file("/sys/bus/pci/drivers_autoprobe", "1\n");
        fs::create_dir(machine.keep.path().join("run")).unwrap();
        machine
    }

    /// Adds a framebuffer of the firmware's.
    pub(super) fn started_by_firmware(&self) {
        self.file("/sys/bus/platform/drivers/efi-framebuffer/unbind", "");
        self.link(&format!("{FRAMEBUFFER_FOLDER}/driver"), FRAMEBUFFER_DRIVER);
    }

    /// Lets the card deal out parts of itself.
    pub(super) fn deals_out(&self, kind: &str) {
        self.file(&format!("/sys/class/mdev_bus/{CARD}/mdev_supported_types/{kind}/create"), "");
    }

    /// Takes the framebuffer's device away, as the kernel does when a driver of the card asks for its memory.
    pub(super) fn lose_framebuffer(&self) {
        fs::remove_dir_all(self.root().resolve(FRAMEBUFFER_FOLDER)).unwrap();
    }

    pub(super) fn root(&self) -> Root {
        Root::at(self.keep.path().join("root"))
    }

    pub(super) fn run_dir(&self) -> PathBuf {
        self.keep.path().join("run")
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.root().resolve(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.root().resolve(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn answers(&self, folder: &str, answers: bool) {
        let bytes = if answers { ANSWER } else { &[0xff; 64] };
        fs::write(self.root().resolve(folder).join("config"), bytes).unwrap();
    }

    /// Makes the card a virtual function: it has ones where others have their ids.
    pub(super) fn is_virtual(&self) {
        let folder = format!("/sys/bus/pci/devices/{CARD}");
        let ids = [[0xff; 4].as_slice(), &ANSWER[4..]].concat();
        fs::write(self.root().resolve(&folder).join("config"), ids).unwrap();
        self.link(&format!("{folder}/physfn"), "..");
    }

    /// Lets the card read as ones from now on, as one does that did not come back from a reset.
    pub(super) fn fall_silent(&self) {
        self.answers(&format!("/sys/bus/pci/devices/{CARD}"), false);
    }

    pub(super) fn ground(&self) -> Ground {
        Ground { hand: Rc::clone(&self.kernel) as Rc<dyn Hand>, ..Ground::real(self.root()) }
    }

    pub(super) fn lease(&self) -> Lease {
        let name = GuestName::try_from("Windows".to_owned()).unwrap();
        Lease::on(self.ground(), Journal::new(&self.run_dir(), name, "this boot".into()))
    }

    /// A lease over what a run left in its journal.
    pub(super) fn found(&self) -> Option<Lease> {
        Journal::load(&self.run_dir(), Damage::Refuse).unwrap().map(|journal| Lease::on(self.ground(), journal))
    }

    pub(super) fn fail(&self, path: &str, fault: Fault) {
        self.kernel.faults.borrow_mut().push((path.to_owned(), fault));
    }

    pub(super) fn driver(&self, bdf: &str) -> Option<String> {
        self.root().link_name(format!("/sys/bus/pci/devices/{bdf}/driver"))
    }

    /// Every file and link, with what it holds.
    pub(super) fn picture(&self) -> BTreeMap<PathBuf, String> {
        let mut picture = BTreeMap::new();
        look(&self.keep.path().join("root"), &mut picture);
        picture
    }
}

fn look(folder: &Path, picture: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            look(&path, picture);
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).unwrap().display().to_string();
            picture.insert(path, target);
        } else {
            let bytes = fs::read(&path).unwrap();
            picture.insert(path, format!("{bytes:?}"));
        }
    }
}

fn driver(name: &str) -> String {
    format!("../../../../bus/pci/drivers/{name}")
}

/// Makes all of `changes`; the first error ends it, as in a start.
pub(super) async fn make(lease: &Lease, changes: &[Change]) -> Result<(), ApplyError> {
    let made = make_all(changes, async |change| lease.make(change).await.map(drop)).await;
    made.map_err(|(first, _)| first)
}

/// What stays undone after a second try.
pub(super) async fn undo_twice(lease: &Lease) -> Vec<Unrestored> {
    lease.undo().await;
    lease.undo().await
}

impl Hand for Kernel {
    fn tell<'a>(&'a self, root: &'a Root, path: &'a str, value: &'a str) -> Told<'a> {
        Box::pin(async move {
            match self.writes_left.get() {
                Some(0) => return std::future::pending().await,
                Some(1) if !self.last_is_done.get() => return std::future::pending().await,
                Some(left) => self.writes_left.set(Some(left - 1)),
                None => {}
            }
            self.said.borrow_mut().push(format!("{} > {path}", value.trim_end()));
            self.at_once.set(self.at_once.get() + 1);
            self.most_at_once.set(self.most_at_once.get().max(self.at_once.get()));
            yield_now().await;
            self.at_once.set(self.at_once.get() - 1);
            let fault =
                self.faults.borrow().iter().find(|(end, _)| path.ends_with(end)).map(|(_, fault)| fault.clone());
            match fault {
                Some(fault) => Err(fault),
                None => self.obey(root, path, value),
            }?;
            if self.writes_left.get() == Some(0) { std::future::pending().await } else { Ok(()) }
        })
    }
}

impl Kernel {
    fn obey(&self, root: &Root, path: &str, value: &str) -> Result<(), Fault> {
        let (folder, name) = path.rsplit_once('/').unwrap();
        match name {
            "unbind" => {
                let bus = path.split_once("/drivers/").unwrap().0;
                fs::remove_file(root.resolve(format!("{bus}/devices/{value}/driver"))).unwrap();
                Ok(())
            }
            "drivers_probe" => {
                self.probe(root, value);
                Ok(())
            }
            "bind" if path.starts_with("/sys/bus/platform") && root.exists(FRAMEBUFFER_FOLDER) => {
                symlink(FRAMEBUFFER_DRIVER, root.resolve(format!("{FRAMEBUFFER_FOLDER}/driver"))).unwrap();
                Ok(())
            }
            "bind" => Err(Fault::No("invalid argument".into())),
            "reset" | "reset_subordinate" => Ok(()),
            "create" => {
                let remove = root.resolve(format!("/sys/bus/mdev/devices/{value}/remove"));
                fs::create_dir_all(remove.parent().unwrap()).and_then(|()| fs::write(remove, "")).unwrap();
                Ok(())
            }
            "remove" if path.starts_with("/sys/bus/mdev") => {
                fs::remove_dir_all(root.resolve(folder)).unwrap();
                Ok(())
            }
            "remove" => {
                // What remove and rescan leave: the device anew, without override, with its own driver.
                let driver = root.resolve(format!("{folder}/driver"));
                let _ = fs::remove_file(driver);
                fs::write(root.resolve(format!("{folder}/driver_override")), "(null)\n").unwrap();
                Ok(())
            }
            "rescan" => {
                fs::write(root.resolve(format!("/sys/bus/pci/devices/{CARD}/config")), ANSWER).unwrap();
                if root.text("/sys/bus/pci/drivers_autoprobe").as_deref() == Some("1") {
                    self.probe(root, CARD);
                }
                Ok(())
            }
            "resource0_resize" => {
                let last = 0xe000_0000_u64 + (1 << (20 + value.parse::<u32>().unwrap())) - 1;
                let line = format!("0x{:016x} 0x{last:016x} 0x{:016x}\n", 0xe000_0000_u64, 0x14_220c);
                fs::write(root.resolve(format!("{folder}/resource")), line).unwrap();
                Ok(())
            }
            _ => {
                let held = if value == "\n" { "(null)\n".to_owned() } else { format!("{value}\n") };
                fs::write(root.resolve(path), held).unwrap();
                Ok(())
            }
        }
    }

    #[allow(clippy::unused_self, reason = "a deed of the kernel")]
    fn probe(&self, root: &Root, bdf: &str) {
        let device = format!("/sys/bus/pci/devices/{bdf}");
        if root.link_name(format!("{device}/driver")).is_some() {
            return;
        }
        let wanted = root.text(format!("{device}/driver_override")).unwrap();
        let name = if wanted == "(null)" { root.text(format!("{device}/native")).unwrap() } else { wanted };
        if root.exists(format!("/sys/bus/pci/drivers/{name}")) {
            symlink(driver(&name), root.resolve(format!("{device}/driver"))).unwrap();
        }
    }
}
