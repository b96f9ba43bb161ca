//! Machines laid out in a temporary folder.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A laid out machine: the seed's GTX 970 behind a root port of its group, and an AMD card for the host.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    folder: TempDir,
}

/// What vmrun said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

const KERNEL: &str = "6.12.1";

impl Machine {
    fn new(name: &'static str, files: &[(&str, &str)], programs: &[&str]) -> Self {
        let machine = Self { name, folder: tempfile::tempdir().unwrap() };
        machine.function("0000:00:01.0", "8086:0151", "0x060400", Some("pcieport"), Some(13));
        machine.function("0000:00:02.0", "1002:67df", "0x030000", Some("amdgpu"), Some(2));
        machine.function("0000:01:00.0", "10de:13c2", "0x030000", Some("nouveau"), Some(13));
        machine.function("0000:01:00.1", "10de:0fbb", "0x040300", Some("snd_hda_intel"), Some(13));
        machine.write("/proc/sys/kernel/osrelease", &format!("{KERNEL}\n"));
        machine.write("/proc/cmdline", "root=/dev/sda2 quiet\n");
        machine.write("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n");
        machine.write(&format!("/lib/modules/{KERNEL}/modules.builtin"), "kernel/drivers/pci/pci.ko\n");
        machine.write(
            &format!("/lib/modules/{KERNEL}/modules.dep"),
            "kernel/drivers/vfio/pci/vfio-pci.ko.zst: kernel/drivers/vfio/vfio.ko.zst\n",
        );
        for folder in ["/etc/modprobe.d", "/usr/local", "/var"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        for (path, text) in files {
            machine.write(path, text);
        }
        for program in programs {
            machine.program(program);
        }
        machine
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    pub(crate) fn program(&self, path: &str) {
        self.write(path, "");
        fs::set_permissions(self.path(path), Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn function(&self, bdf: &str, id: &str, class: &str, driver: Option<&str>, group: Option<u32>) {
        let (vendor, device) = id.split_once(':').unwrap();
        let folder = format!("/sys/bus/pci/devices/{bdf}");
        for (name, text) in
            [("vendor", format!("0x{vendor}")), ("device", format!("0x{device}")), ("class", class.into())]
        {
            self.write(&format!("{folder}/{name}"), &format!("{text}\n"));
        }
        if let Some(driver) = driver {
            symlink(format!("../../../bus/pci/drivers/{driver}"), self.path(&format!("{folder}/driver"))).unwrap();
        }
        if let Some(group) = group {
            symlink(format!("../../../kernel/iommu_groups/{group}"), self.path(&format!("{folder}/iommu_group")))
                .unwrap();
        }
    }

    pub(crate) fn remove_function(&self, bdf: &str) {
        fs::remove_dir_all(self.path(&format!("/sys/bus/pci/devices/{bdf}"))).unwrap();
    }

    pub(crate) fn ungroup(&self) {
        for entry in fs::read_dir(self.path("/sys/bus/pci/devices")).unwrap() {
            fs::remove_file(entry.unwrap().path().join("iommu_group")).unwrap();
        }
    }

    pub(crate) fn builtin_vfio_pci(&self) {
        self.write(&format!("/lib/modules/{KERNEL}/modules.builtin"), "kernel/drivers/vfio/pci/vfio-pci.ko\n");
    }

    /// An image, and a `lister` that tells of any image that `content` is in it.
    pub(crate) fn image(&self, image: &str, lister: &Path, content: &[&str]) {
        self.write(image, "");
        let lister = lister.to_str().unwrap();
        self.write("/draft", &format!("#!/bin/sh\nprintf '%s\\n' {}\n", content.join(" ")));
        // Another process writes it: were it open for writing here while another test forks, it could not be run.
        let mut install = Command::new("install");
        install.args(["-D", "-m", "755"]).arg(self.path("/draft")).arg(self.path(lister));
        assert!(install.status().unwrap().success());
    }

    /// Makes the file as old as if it had been written so many seconds from now.
    pub(crate) fn age(&self, path: &str, seconds: i64) {
        let span = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        let when = if seconds < 0 { now - span } else { now + span };
        File::options()
            .write(true)
            .open(self.path(path))
            .unwrap()
            .set_times(FileTimes::new().set_modified(when))
            .unwrap();
    }

    pub(crate) fn isolate(&self, words: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
        let output = command.arg("isolate").args(words).arg("--root").arg(self.folder.path()).output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Everything that is there: path, mode and content.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_dir() {
                    folders.push(path.clone());
                }
                let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                found.insert(path, (meta.permissions().mode(), content));
            }
        }
        found
    }

    /// Holds `text` against the file of this machine that ends in `ending`.
    pub(crate) fn matches(&self, ending: &str, text: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/isolate/{}.{ending}", self.name));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, text).unwrap();
        }
        let wanted = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, wanted, "{}", file.display());
    }
}

/// Arch Linux with mkinitcpio and systemd-boot, its entry written by hand.
pub(crate) fn arch() -> Machine {
    Machine::new(
        "arch",
        &[
            (
                "/etc/mkinitcpio.conf",
                "MODULES=(amdgpu)\nFILES=()\nHOOKS=(base udev autodetect modconf block filesystems)\n",
            ),
            ("/etc/mkinitcpio.conf.d/keep", ""),
            ("/etc/mkinitcpio.d/linux.preset", "#ALL_config=\"/etc/mkinitcpio.conf\"\nPRESETS=('default')\n"),
            ("/boot/loader/loader.conf", "default arch.conf\n"),
            (
                "/boot/loader/entries/arch.conf",
                "title Arch Linux\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\noptions root=/dev/sda2 rw\n",
            ),
        ],
        &["/usr/bin/mkinitcpio"],
    )
}

/// Fedora with dracut, and GRUB that reads entries of the Boot Loader Specification.
pub(crate) fn fedora() -> Machine {
    Machine::new(
        "fedora",
        &[
            ("/etc/dracut.conf", "# empty\n"),
            ("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"rhgb quiet\"\nGRUB_ENABLE_BLSCFG=true\n"),
            ("/boot/loader/entries/f.conf", "title Fedora\nlinux /vmlinuz\noptions $kernelopts\n"),
        ],
        &["/usr/bin/dracut", "/usr/sbin/grubby", "/usr/sbin/grub2-mkconfig"],
    )
}

/// Debian with initramfs-tools and GRUB.
pub(crate) fn debian() -> Machine {
    Machine::new(
        "debian",
        &[
            ("/etc/initramfs-tools/initramfs.conf", "MODULES=most\n"),
            ("/etc/initramfs-tools/modules", "# none\n"),
            ("/etc/initramfs-tools/hooks/other", "#!/bin/sh\n"),
            (
                "/etc/default/grub",
                "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\nGRUB_CMDLINE_LINUX=\"\"\n",
            ),
        ],
        &["/usr/sbin/update-initramfs", "/usr/sbin/update-grub", "/usr/sbin/grub-mkconfig"],
    )
}

/// openSUSE Tumbleweed with dracut and systemd-boot.
pub(crate) fn opensuse() -> Machine {
    Machine::new(
        "opensuse",
        &[
            ("/etc/kernel/cmdline", "root=UUID=0a1b splash=silent quiet\n"),
            ("/etc/dracut.conf.d/ostree.conf", "reproducible=\"yes\"\n"),
            ("/boot/efi/loader/entries/suse.conf", "title openSUSE\nlinux /vmlinuz\noptions root=UUID=0a1b\n"),
        ],
        &["/usr/bin/dracut", "/usr/bin/sdbootutil"],
    )
}

/// Pop!_OS with initramfs-tools, and systemd-boot that kernelstub writes the entries of.
pub(crate) fn pop_os() -> Machine {
    Machine::new(
        "pop_os",
        &[
            ("/etc/initramfs-tools/initramfs.conf", "MODULES=most\n"),
            ("/etc/initramfs-tools/hooks/other", "#!/bin/sh\n"),
            ("/etc/kernelstub/configuration", "{\"user\": {\"kernel_options\": [\"quiet\"]}}\n"),
            ("/etc/default/grub", "GRUB_DEFAULT=0\n"),
        ],
        &["/usr/sbin/update-initramfs", "/usr/bin/kernelstub"],
    )
}
