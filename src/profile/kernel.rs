//! `[kernel]`: a kernel that QEMU loads itself, without firmware looking for a disk.

use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Class, Draft, Origin};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A Linux kernel that is started without a boot loader. QEMU's `-kernel`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kernel {
    /// The kernel image, like `/boot/vmlinuz`.
    image: PathBuf,
    /// Its initial RAM disk.
    initrd: Option<PathBuf>,
    /// Its command line, like `root=/dev/vda1 console=ttyS0`.
    append: Option<String>,
}

impl Kernel {
    /// Kernel `image` with a command line.
    pub(super) fn of(image: PathBuf, append: String) -> Self {
        Self { image, initrd: None, append: Some(append) }
    }

    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        let Self { image, initrd, append: _ } = self;
        std::iter::once(image).chain(initrd).map(|path| setting.resolve(path)).collect()
    }
}

pub(super) fn draft(kernel: Option<&Kernel>, scene: &Scene, draft: &mut Draft) {
    let Some(Kernel { image, initrd, append }) = kernel else { return };
    loaded("-kernel", image, "kernel.image", scene, draft);
    if let Some(initrd) = initrd {
        loaded("-initrd", initrd, "kernel.initrd", scene, draft);
    }
    if let Some(append) = append {
        draft.contents.argv.setting("-append", append, Origin::given("kernel.append"));
    }
}

fn loaded(option: &str, path: &Path, key: &str, scene: &Scene, draft: &mut Draft) {
    let path = scene.read_file(path, key, Class::Impossible, draft);
    draft.contents.argv.setting(option, text(&path), Origin::given(key));
}

// A profile is UTF-8, and so are the folders around it, or they could not be shown; a name that is not is refused as
// missing by the kernel under its replacement.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
