//! Devices whose other end is a program, a socket or a folder of the host: channels, the TPM, shared memory and folders.

use super::opt::{Opt, is_on};
use super::{Line, by_id, named, push};
use crate::import::computed::parts;
use crate::import::page::{number, size};

/// Stands for the folder of a share until it is known.
pub(in crate::import) const UNKNOWN_FOLDER: &str = "FOLDER";

impl Line<'_> {
    pub(super) fn channel(&mut self, opt: &Opt, opts: &[Opt]) {
        let name = opt.get("name").unwrap_or_default().to_owned();
        let chardev = opt.get("chardev").and_then(|id| by_id(opts, "chardev", id));
        opt.rest();
        match name.as_str() {
            "org.qemu.guest_agent.0" => {
                let path = chardev.and_then(|chardev| chardev.get("path")).map(str::to_owned);
                self.page.table("agent").maybe("path", path);
            }
            "com.redhat.spice.0" if self.page.get("display", "kind").and_then(toml::Value::as_str) == Some("spice") => {
                self.page.table("display").set("agent", true);
            }
            name => opt.lost(format!("a channel `{name}` is not to be had")),
        }
    }

    pub(super) fn debugcon(&mut self, opt: &Opt, opts: &[Opt]) {
        let chardev = opt.get("chardev").and_then(|id| by_id(opts, "chardev", id));
        let path =
            chardev.filter(|chardev| chardev.head == "file").and_then(|chardev| chardev.get("path")).map(str::to_owned);
        opt.rest();
        match path.filter(|_| self.page.known("firmware").is_some()) {
            Some(path) => self.page.table("firmware").set("debug_log", path),
            None => opt.lost("the firmware's log goes to a file: firmware.debug_log"),
        }
    }

    pub(super) fn tpm(&mut self, opt: &Opt, driver: &str) {
        opt.rest();
        let table = self.page.table("tpm");
        table.set("model", driver);
        if table.get("state").is_none() {
            opt.asked("where the TPM's state is: swtpm was started by something else");
            table.ask(
                "vmrun starts swtpm itself, with a new state unless it is told of the old one: disk encryption and sign-in of Windows hang on it.",
                "state = \"/path/of/--tpmstate\"",
            );
        } else {
            opt.translated("vmrun starts swtpm itself");
        }
    }

    pub(super) fn shared_memory(&mut self, opt: &Opt, opts: &[Opt]) {
        let backend = opt.get("memdev").and_then(|id| by_id(opts, "object", id));
        let mut all = named(opts, "device").filter(|it| is_shared(it));
        let first = all.clone().next();
        let chosen = all.find(|it| is_picture(it, opts)).or(first);
        // One that libvirt has made is there already.
        let taken = !self.whole() && self.page.known("looking_glass").is_some();
        if taken || !chosen.is_some_and(|chosen| std::ptr::eq(chosen, opt)) {
            return self.other_memory(opt, backend);
        }
        let bytes = backend.and_then(|backend| backend.get("size")).and_then(|size| super::memory::amount(size, 1));
        let bytes = bytes.or_else(|| opt.get("size").and_then(|size| super::memory::amount(size, 1 << 20)));
        let path = backend.and_then(|backend| backend.get("mem-path")).map(str::to_owned);
        let path = path.or_else(|| opt.get("shm").map(|name| format!("/dev/shm/{name}")));
        backend.into_iter().for_each(|backend| _ = backend.rest());
        opt.rest();
        let table = self.page.table("looking_glass");
        table.set("size", size(bytes.unwrap_or(32 << 20)));
        table.maybe("path", path.filter(|path| path != "/dev/shm/looking-glass"));
    }

    /// Shared memory beside the one of `[looking_glass]`.
    fn other_memory(&mut self, opt: &Opt, backend: Option<&Opt>) {
        let driver = opt.head.clone();
        // vmrun's own memory has that name.
        let passed = |it: &&Opt| parts(&it.value).is_empty() && it.get("id") != Some("looking-glass");
        let Some(backend) = backend.filter(passed).filter(|_| driver == "ivshmem-plain") else {
            return opt.lost("one piece of shared memory can be had, and it is that of [looking_glass]");
        };
        self.pass(backend);
        self.other(opt, &driver);
    }

    pub(super) fn virtiofs(&mut self, opt: &Opt) {
        let tag = opt.get("tag").unwrap_or("share").to_owned();
        let queue = opt.number("queue-size");
        opt.rest();
        let table = push(self.page, "share", opt);
        table.set("kind", "virtiofs");
        opt.asked("which folder it is: virtiofsd was started by something else");
        table.put_off("vmrun starts virtiofsd itself; the folder is the one of its --shared-dir:");
        table.set("source", UNKNOWN_FOLDER);
        table.set("tag", tag);
        table.maybe("queue_size", queue.map(number));
    }

    pub(super) fn share(&mut self, opt: &Opt, folder: &Opt) {
        let table = push(self.page, "share", opt);
        table.set("kind", "9p");
        table.maybe("source", folder.get("path"));
        table.maybe("tag", opt.any(&["mount_tag"]));
        match folder.get("security_model") {
            Some("mapped") => table.set("security_model", "mapped-xattr"),
            Some(model) => table.set("security_model", model),
            None => table.set("security_model", "none"),
        }
        if folder.any(&["readonly"]).is_some_and(is_on) {
            table.set("readonly", true);
        }
        table.maybe("multidevs", folder.get("multidevs"));
        folder.any(&["writeout"]);
        opt.rest();
        folder.rest();
    }
}

/// Whether a device is memory that programs of the host see.
fn is_shared(device: &Opt) -> bool {
    matches!(device.head.as_str(), "ivshmem-plain" | "ivshmem")
}

/// Whether shared memory is called as that of Looking Glass is.
fn is_picture(device: &Opt, opts: &[Opt]) -> bool {
    let backend = device.get("memdev").and_then(|id| by_id(opts, "object", id));
    let names = [device.get("id"), device.get("memdev"), device.get("shm"), backend.and_then(|it| it.get("mem-path"))];
    let names = names.into_iter().flatten().map(|name| name.replace(['-', '_'], "").to_lowercase());
    names.into_iter().any(|name| name == "lg" || name.contains("lookingglass") || name.contains("kvmfr"))
}
