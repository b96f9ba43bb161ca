//! Any text as the files of a machine: `@ PATH` begins a file, whose content are the lines up to the next; `@ PATH -> TO`
//! is a link. The machine is read in every detail.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};
use vmrun::host::{self, Area, Caller, Host, Root, Wants};

/// Whether any file could be laid out.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    if !lay_out(bytes, folder.path()) {
        return false;
    }
    let root = Root::at(folder.path());
    let wants = Wants { images: vec!["/srv/disk".into()], roms: vec!["/srv/rom".into()], ..Wants::of(Area::ALL) };
    let found = Host::read_for(&root, &Caller::default(), &wants);
    let _ = (Host::functions(&root), host::interrupts(&root), host::usb_devices(&root));
    // What is read can be written down, and is the same when it is read again.
    let dump = serde_json::to_string(&found).expect("plain data");
    assert_eq!(serde_json::from_str::<Host>(&dump).expect("a dump"), found);
    true
}

/// Lays the files out below `folder`; whether there is any.
fn lay_out(bytes: &[u8], folder: &Path) -> bool {
    let text = [b"\n", bytes].concat();
    let mut any = false;
    for part in split(&text, b"\n@ ").skip(1) {
        let (name, content) =
            part.iter().position(|byte| *byte == b'\n').map_or((part, &[][..]), |at| (&part[..at], &part[at + 1..]));
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let (path, target) = name.split_once(" -> ").map_or((name, None), |(path, target)| (path, Some(target)));
        let path = Path::new(path.trim_start_matches('/'));
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || path.as_os_str().is_empty() || path.as_os_str().len() > 200 {
            continue;
        }
        // The fuzzer makes names that no file system takes, and one thing twice. Nothing is made through a link.
        let whole = folder.join(path);
        let parent = whole.parent().unwrap_or(folder);
        let made = fs::create_dir_all(parent).is_ok()
            && parent.canonicalize().is_ok_and(|real| real == parent)
            && match target {
                Some(target) => stays_inside(path, target) && symlink(target, &whole).is_ok(),
                None => !whole.is_symlink() && fs::write(&whole, content).is_ok(),
            };
        any |= made;
    }
    any
}

/// Whether a link at `path` to `target` leads to something below the folder that `path` is relative to.
fn stays_inside(path: &Path, target: &str) -> bool {
    let up = Path::new(target).components().filter(|part| *part == Component::ParentDir).count();
    !target.is_empty() && Path::new(target).is_relative() && up < path.components().count()
}

fn split<'b>(bytes: &'b [u8], by: &'static [u8]) -> impl Iterator<Item = &'b [u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let whole = rest?;
        let at = whole.windows(by.len()).position(|window| window == by);
        rest = at.map(|at| &whole[at + by.len()..]);
        Some(at.map_or(whole, |at| &whole[..at]))
    })
}
