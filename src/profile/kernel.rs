//! `[kernel]`: a kernel that QEMU loads itself, without firmware looking for a disk.

use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Class, Draft, NewFile, Origin, Source};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Direct kernel boot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kernel {
    /// Kernel image.
    image: PathBuf,
    /// Initial RAM disk.
    initrd: Option<PathBuf>,
    /// Kernel command line.
    append: Option<String>,
    /// Whether `image` is the guest that vmrun carries, which is written there before QEMU starts.
    #[serde(skip)]
    demo: bool,
}

impl Kernel {
    /// The demo guest, to be written to `image`.
    pub(super) fn demo(image: PathBuf, append: String) -> Self {
        Self { image, initrd: None, append: Some(append), demo: true }
    }

    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        let Self { image, initrd, append: _, demo } = self;
        let image = (!demo).then_some(image);
        image.into_iter().chain(initrd).map(|path| setting.resolve(path)).collect()
    }
}

pub(super) fn draft(kernel: Option<&Kernel>, scene: &Scene, draft: &mut Draft) {
    let Some(Kernel { image, initrd, append, demo }) = kernel else { return };
    if *demo {
        draft.contents.files.push(NewFile { path: image.clone(), source: Source::DemoGuest, keep: false });
        let origin = Origin::always("the guest that vmrun carries");
        draft.contents.argv.setting("-kernel", text(image), origin);
    } else {
        loaded("-kernel", image, "kernel.image", scene, draft);
    }
    if let Some(initrd) = initrd {
        loaded("-initrd", initrd, "kernel.initrd", scene, draft);
    }
    if let Some(append) = append {
        draft.contents.argv.setting("-append", append, Origin::given("kernel.append"));
    }
}

fn loaded(option: &str, path: &Path, key: &str, scene: &Scene, draft: &mut Draft) {
    let path = scene.file(path, key, Class::Impossible, draft);
    draft.contents.argv.setting(option, text(&path), Origin::given(key));
}

// A profile is UTF-8, and so are the folders around it, or they could not be shown; a name that is not is refused as
// missing by the kernel under its replacement.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
