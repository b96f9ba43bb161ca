//! `[looking_glass]`: the picture of the guest's card in a window of the host, through shared memory.

use super::disk_bus::place;
use super::display::Resolution;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Access, Change, Class, Command, Draft, Lot, Origin, Problem};
use crate::unit::Size;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Shared memory for Looking Glass; QEMU's `ivshmem-plain`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LookingGlass {
    /// Resolution of the guest's screen, from which the size follows.
    resolution: Option<Resolution>,
    /// Size of the memory, a power of two; from `resolution` unless given.
    size: Option<Size>,
    /// Where the memory is: `/dev/kvmfr0` for the kvmfr module, or a file in `/dev/shm`; `/dev/shm/looking-glass` unless
    /// given.
    path: Option<PathBuf>,
    /// Login name of who looks through it; who called `sudo` unless given. Not for `/dev/kvmfr0`.
    owner: Option<String>,
}

const PATH: &str = "/dev/shm/looking-glass";
/// How the names of the devices of the module kvmfr begin.
const KVMFR: &str = "/dev/kvmfr";
/// Where files of shared memory are; `shm_overview(7)`.
const SHM: &str = "/dev/shm";

/// Bytes of a pixel, and pictures that are kept at once. Looking Glass documentation, "Determining memory".
const BYTES_AND_FRAMES: u64 = 4 * 2;
/// What Looking Glass needs beside the pictures: 10 MiB, by the same.
const BESIDE: u64 = 10 << 20;

impl LookingGlass {
    fn path(&self, setting: &Setting) -> PathBuf {
        setting.resolve(self.path.as_deref().unwrap_or(Path::new(PATH)))
    }

    /// The file that is made for it; none for a device.
    pub(super) fn file(&self) -> Option<&Path> {
        Some(self.path.as_deref().unwrap_or(Path::new(PATH))).filter(|path| path.starts_with(SHM))
    }

    /// What must be known of the host.
    pub(super) fn paths(&self, setting: &Setting) -> PathBuf {
        self.path(setting)
    }

    /// Bytes of memory, and the key that says so.
    fn size(&self, draft: &mut Draft) -> (u64, Origin) {
        match (self.size, self.resolution) {
            (Some(size), None) => {
                judge_size(size, draft);
                (size.bytes(), Origin::given("looking_glass.size"))
            }
            (None, Some(resolution)) => (
                needed(resolution),
                Origin::derived("looking_glass.resolution", "two pictures of four bytes a pixel, and 10 MiB"),
            ),
            (None, None) | (Some(_), Some(_)) => {
                let what = "the memory's size is given by resolution or by size";
                let problem = Problem::new(Class::Invalid, "looking_glass", what);
                draft.refuse(problem.fix("resolution = \"2560x1440\""));
                (LEAST, Origin::given("looking_glass"))
            }
        }
    }
}

/// The least size of the memory.
const LEAST: u64 = 1 << 20;

fn judge_size(size: Size, draft: &mut Draft) {
    let bytes = size.bytes();
    let (what, why) = match bytes {
        0..LEAST => (format!("{size} holds no picture; the least is {}", Size::from_bytes(LEAST)), ""),
        _ if !bytes.is_power_of_two() => ("the size is no power of two".to_owned(), "a PCI BAR has no other sizes"),
        _ => return,
    };
    let next = Size::from_bytes(bytes.max(LEAST).next_power_of_two());
    let problem = Problem::new(Class::Invalid, "looking_glass.size", what);
    draft.refuse(problem.why(why).fix(format!("size = \"{next}\"")));
}

/// The next power of two that holds what Looking Glass needs.
fn needed(Resolution { width, height }: Resolution) -> u64 {
    (u64::from(width) * u64::from(height) * BYTES_AND_FRAMES + BESIDE).next_power_of_two()
}

pub(super) fn draft(looking_glass: Option<&LookingGlass>, scene: &Scene, draft: &mut Draft) {
    let Some(table) = looking_glass else { return };
    let (bytes, origin) = table.size(draft);
    let path = table.path(scene.setting);
    judge_neighbours(&path, scene, draft);
    if path.starts_with(SHM) {
        draft_file(table, &path, scene, draft);
    } else {
        draft.opens("looking_glass.path", &path, Access::Write, Lot::Common);
        judge_module(table, &path, scene, draft);
    }
    let memory = json!({
        "qom-type": "memory-backend-file", "id": "looking-glass", "mem-path": path, "size": bytes, "share": true,
    });
    draft.contents.argv.object(&memory, origin);
    // QEMU keeps ids of objects and devices apart, people do not.
    let device = json!({"driver": "ivshmem-plain", "id": "ivshmem", "memdev": "looking-glass"});
    place(device, &Origin::given("looking_glass"), draft);
}

/// Makes the file before QEMU does, which would make it for its own user alone: the viewer is the user's.
fn draft_file(table: &LookingGlass, path: &Path, scene: &Scene, draft: &mut Draft) {
    let mut install: Vec<String> = ["/usr/bin/install", "-m", "0660"].map(String::from).into();
    if scene.host.euid == 0 {
        install.extend(owner(table, scene, draft).into_iter().flat_map(|owner| ["-o".to_owned(), owner]));
    }
    let shown = path.to_string_lossy().into_owned();
    install.extend(["/dev/null".to_owned(), shown.clone()]);
    let command = |argv: Vec<String>| Command { argv, ..Command::default() };
    let back = command(vec!["/bin/rm".into(), "-f".into(), "--".into(), shown]);
    draft.contents.changes.push(Change::Hook {
        name: "memory of Looking Glass".into(),
        run: Some(command(install)),
        back: Some(back),
    });
}

/// Name or number of the account that the file is for.
fn owner(table: &LookingGlass, scene: &Scene, draft: &mut Draft) -> Option<String> {
    let key = "looking_glass.owner";
    match &table.owner {
        Some(owner) if scene.host.user(owner).is_none() => {
            let problem = Problem::new(Class::Impossible, key, format!("this host has no account {owner}"));
            draft.refuse(problem.fix("owner = \"YOUR_LOGIN\""));
            None
        }
        Some(owner) if scene.user.is_some_and(|user| user.user != *owner) => {
            let what = format!("{owner} would own the memory of Looking Glass, and QEMU could not open it");
            draft.refuse(Problem::new(Class::Denied, key, what).fix("leave owner out, or qemu.user"));
            None
        }
        Some(owner) => Some(owner.clone()),
        None if scene.user.is_some() => scene.login(),
        None if scene.host.invoker.is_none() => {
            draft.warn(
                Problem::new(Class::Denied, key, "only root can look through Looking Glass")
                    .why("vmrun was started by root itself, so it does not know who will")
                    .fix("owner = \"YOUR_LOGIN\""),
            );
            None
        }
        None => scene.host.invoker.map(|uid| uid.to_string()),
    }
}

/// A file is made anew, and removed at the end: no other guest may have it.
fn judge_neighbours(path: &Path, scene: &Scene, draft: &mut Draft) {
    let Some(other) = scene.host.neighbours.iter().find(|other| other.memory.iter().any(|it| it == path)) else {
        return;
    };
    let what = format!("the guest {}, which runs, has its memory at {}", other.name, path.display());
    draft.refuse(
        Problem::new(Class::Busy, "looking_glass.path", what)
            .why("both guests would draw into it")
            .fix(format!("path = \"{PATH}-{}\"   # and looking-glass-client -f with it", scene.name)),
    );
}

fn judge_module(table: &LookingGlass, path: &Path, scene: &Scene, draft: &mut Draft) {
    let shown = path.display();
    if table.owner.is_some() {
        let problem = Problem::new(Class::Invalid, "looking_glass.owner", format!("{shown} has its owner from udev"));
        draft.refuse(problem.fix("leave owner out"));
    }
    if *scene.host.path(path) == PathFact::Missing {
        let problem = Problem::new(Class::Missing, "looking_glass.path", format!("there is no {shown}"));
        draft.refuse(match path.to_string_lossy().starts_with(KVMFR) {
            true => problem
                .why("the module kvmfr of Looking Glass is not loaded")
                .fix("modprobe kvmfr static_size_mb=64   # or leave path out, for a file in /dev/shm"),
            false => {
                problem.why("only a file in /dev/shm is made for it").fix("leave path out, for /dev/shm/looking-glass")
            }
        });
    }
}

#[cfg(test)]
mod test {
    use super::{Resolution, needed};

    #[test]
    fn the_size_follows_from_the_resolution() {
        let mib = |text: &str| needed(Resolution::try_from(text.to_owned()).unwrap()) >> 20;
        assert_eq!(["1920x1080", "2560x1440", "3840x2160"].map(mib), [32, 64, 128]);
    }
}
