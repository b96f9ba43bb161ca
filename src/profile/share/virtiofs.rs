//! `share.kind = "virtiofs"`: virtiofsd serves the folder, and reads and writes the guest's memory for it.

use super::Share;
use crate::host::Virtiofsd;
use crate::plan::{Class, Command, Draft, Origin, Problem, Props, Ready, Restart, Service, Start, What};
use crate::profile::disk_bus::place_named;
use crate::profile::scene::Scene;
use crate::unit::{Period, Version};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::num::NonZeroU16;
use std::path::Path;

/// What the guest may keep of files. virtiofsd: `--cache`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Cache {
    /// Metadata for a second, data until the file is opened again.
    #[default]
    Auto,
    /// All; for a folder that nobody else changes.
    Always,
    /// Nothing.
    Never,
}

/// What keeps virtiofsd in the folder. virtiofsd: `--sandbox`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sandbox {
    /// Namespaces with the folder as their root.
    #[default]
    Namespace,
    /// `chroot(2)`; needs root, for containers that have no namespaces.
    Chroot,
    /// Nothing; only the program in Rust.
    None,
}

impl Sandbox {
    fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Chroot => "chroot",
            Self::None => "none",
        }
    }
}

/// Where distributions put virtiofsd: Debian 13, Fedora and openSUSE; Arch; Debian 12 and Ubuntu, with QEMU; by hand.
pub(super) const PLACES: [&str; 6] = [
    "/usr/libexec/virtiofsd",
    "/usr/lib/virtiofsd",
    "/usr/bin/virtiofsd",
    "/usr/local/bin/virtiofsd",
    "/usr/local/libexec/virtiofsd",
    "/usr/lib/qemu/virtiofsd",
];

/// First virtiofsd in Rust with `--readonly`; its `CHANGELOG`.
const READONLY: Version = Version::new(1, 13);

impl Share {
    pub(super) fn draft_virtiofs(&self, i: usize, folder: &Path, scene: &Scene, draft: &mut Draft) {
        let key = format!("share[{i}]");
        self.judge_queue(&key, draft);
        let socket = scene.sockets().join(format!("share{i}.sock"));
        let id = format!("share{i}");
        let mut chardev = Props::default();
        let origin = || Origin::derived(&key, "QEMU and virtiofsd talk over a socket");
        chardev.head("socket", origin());
        chardev.set("id", format!("{id}-fs"), origin());
        chardev.set("path", socket.to_string_lossy(), origin());
        draft.contents.argv.backend_props("-chardev", &chardev);
        let mut device = json!({
            "driver": "vhost-user-fs-pci", "id": id, "chardev": format!("{id}-fs"), "tag": self.tag.as_str(),
        });
        if let Some(size) = self.queue_size {
            device["queue-size"] = json!(size);
        }
        place_named(&format!("share {}", self.tag.as_str()), device, &Origin::given(&key), draft);
        let Some(daemon) = self.daemon(&key, scene, draft) else { return };
        let argv =
            if daemon.of_qemu { self.in_c(daemon, &socket, folder) } else { self.in_rust(daemon, &socket, folder) };
        let what = What::Command {
            run: Command { argv, user: scene.login(), ..Command::default() },
            // QEMU does not connect a second time, so a new one would serve nobody.
            restart: Restart::No,
            delay: Period::from_secs(1),
            burst: 1,
            ready: Ready::File(socket),
            stop_timeout: Period::from_secs(5),
        };
        let name = format!("virtiofsd of {}", self.tag.as_str());
        draft.contents.services.push(Service { key, name, what, start: Start::Before, required: true });
    }

    fn in_rust(&self, daemon: &Virtiofsd, socket: &Path, folder: &Path) -> Vec<String> {
        let cache = match self.cache.unwrap_or_default() {
            Cache::Auto => "auto",
            Cache::Always => "always",
            Cache::Never => "never",
        };
        let mut argv =
            vec![text(&daemon.path), "--socket-path".into(), text(socket), "--shared-dir".into(), text(folder)];
        argv.extend(["--cache", cache, "--sandbox", self.sandbox.unwrap_or_default().as_str()].map(str::to_owned));
        argv.extend(self.xattr.unwrap_or_default().then(|| "--xattr".to_owned()));
        argv.extend(self.thread_pool_size.iter().map(|size| format!("--thread-pool-size={size}")));
        argv.extend(self.readonly.then(|| "--readonly".to_owned()));
        argv
    }

    fn in_c(&self, daemon: &Virtiofsd, socket: &Path, folder: &Path) -> Vec<String> {
        let cache = match self.cache.unwrap_or_default() {
            Cache::Auto => "auto",
            Cache::Always => "always",
            Cache::Never => "none",
        };
        // libfuse takes a comma for the end of an option: `fuse_opt_add_opt_escaped()`.
        let source = text(folder).replace('\\', "\\\\").replace(',', "\\,");
        let mut argv = vec![text(&daemon.path), format!("--socket-path={}", text(socket))];
        argv.extend(["-o".to_owned(), format!("source={source}")]);
        let sandbox = self.sandbox.unwrap_or_default().as_str();
        let xattr = if self.xattr.unwrap_or_default() { "xattr" } else { "no_xattr" };
        argv.extend(["-o".to_owned(), format!("cache={cache},sandbox={sandbox},{xattr}")]);
        argv.extend(self.thread_pool_size.iter().map(|size| format!("--thread-pool-size={size}")));
        argv
    }

    /// The program that serves the share; notes what it cannot do.
    fn daemon<'a>(&self, key: &str, scene: &Scene<'a>, draft: &mut Draft) -> Option<&'a Virtiofsd> {
        let Some(daemon) = &scene.host.virtiofsd else {
            let (at, what) = match &self.binary {
                Some(path) => {
                    (format!("{key}.binary"), format!("{} is not a virtiofsd", scene.setting.resolve(path).display()))
                }
                None => (key.to_owned(), "there is no virtiofsd on this host".to_owned()),
            };
            draft.refuse(
                Problem::new(Class::Missing, at, what)
                    .why("virtiofs is served by a program of its own")
                    .fix("install it: package virtiofsd, on Debian 12 qemu-system-common\nor   kind = \"9p\""),
            );
            return None;
        };
        self.judge_daemon(daemon, key, scene, draft);
        Some(daemon)
    }

    fn judge_daemon(&self, daemon: &Virtiofsd, key: &str, scene: &Scene, draft: &mut Draft) {
        let Virtiofsd { path, version, of_qemu } = daemon;
        let shown = path.display();
        let mut refuse = |name: &str, what: String, fix: &str| {
            draft.refuse(Problem::new(Class::Missing, format!("{key}{name}"), what).fix(fix));
        };
        if self.readonly && (*of_qemu || *version < READONLY) {
            let of = if *of_qemu { "QEMU's " } else { "" };
            let what =
                format!("{of}virtiofsd {version} shares no folder read-only; 1.13 in Rust is the first that does");
            refuse(".readonly", what, "kind = \"9p\"   # or a newer virtiofsd, named by binary");
        }
        if self.sandbox == Some(Sandbox::None) && *of_qemu {
            refuse(
                ".sandbox",
                format!("{shown} is QEMU's virtiofsd, which has no sandbox = \"none\""),
                "sandbox = \"chroot\"",
            );
        }
        if !scene.is_root() && (*of_qemu || self.sandbox == Some(Sandbox::Chroot)) {
            let what = match of_qemu {
                true => format!("{shown} is QEMU's virtiofsd, which only root can run"),
                false => "sandbox = \"chroot\" needs root".to_owned(),
            };
            refuse("", what, "sudo vmrun …   # or the virtiofsd in Rust, which needs no root, or kind = \"9p\"");
        }
    }

    fn judge_queue(&self, key: &str, draft: &mut Draft) {
        let Some(size) = self.queue_size.map(NonZeroU16::get).filter(|size| !size.is_power_of_two() || *size > 1024)
        else {
            return;
        };
        let what = format!("a queue of {size}; it is a power of two up to 1024");
        draft.refuse(Problem::new(Class::Invalid, format!("{key}.queue_size"), what).fix("queue_size = 1024"));
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
