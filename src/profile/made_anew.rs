//! What is made anew at each start takes the place of what was there: it may be nothing else that the profile names.

use super::Profile;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::{Host, Image, PathFact};
use crate::plan::{Class, Draft, Lot, Problem};
use std::path::{Path, PathBuf};

/// A file or socket that is made anew.
pub(super) struct Made {
    /// Key path that names it.
    pub(super) key: String,
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is emptied.
    File,
    /// What has the name is removed.
    Socket,
}

impl Profile {
    /// All that is made anew, as far as the profile says where.
    pub(super) fn made_anew(&self, setting: &Setting) -> Vec<Made> {
        let made = |key: &str, kind: Kind, path: Option<&Path>| {
            path.map(|path| Made { key: key.to_owned(), path: setting.resolve(path), kind })
        };
        let Self { serial, firmware, agent, display, looking_glass, .. } = self;
        let ports = serial.iter().enumerate().filter_map(|(i, port)| {
            let (path, kind) = port.made_anew()?;
            made(&format!("serial[{i}].path"), kind, Some(path))
        });
        let log = firmware.as_ref().and_then(|firmware| firmware.debug_log());
        let memory = looking_glass.as_ref().and_then(|glass| glass.file());
        let others = [
            made("firmware.debug_log", Kind::File, log),
            made("agent.path", Kind::Socket, agent.as_ref().and_then(|agent| agent.path())),
            made("display.path", Kind::Socket, display.socket()),
            made("looking_glass.path", Kind::File, memory),
        ];
        ports.chain(others.into_iter().flatten()).collect()
    }

    /// Notes problems where something that is made anew is something else too. After all that QEMU opens is drafted.
    pub(super) fn judge_made_anew(&self, scene: &Scene, draft: &mut Draft) {
        let all = self.made_anew(scene.setting);
        let named = self.firmware.iter().flat_map(|firmware| firmware.images(scene.setting));
        let kept = named.map(|(name, path)| (format!("firmware.{name}"), path));
        let opened = draft.contents.opens.iter().filter(|one| matches!(one.lot, Lot::File | Lot::Device));
        let opened = opened.filter(|one| !all.iter().any(|made| made.key == one.at));
        let others: Vec<(String, PathBuf)> = opened.map(|one| (one.at.clone(), one.path.clone())).chain(kept).collect();
        for (i, one) in all.iter().enumerate().filter(|(_, one)| is_made(one, scene.host)) {
            let earlier = all[..i].iter().map(|made| (&made.key, &made.path));
            let mut others = others.iter().map(|(key, path)| (key, path)).chain(earlier);
            if let Some((key, path)) = others.find(|(_, path)| is_same(&one.path, path, scene.host)) {
                draft.refuse(refusal(one, key, path));
            }
        }
    }
}

/// Whether something is made: what is there and is no file, like `/dev/null` or a pipe, stays what it is.
fn is_made(one: &Made, host: &Host) -> bool {
    one.kind == Kind::Socket || *host.path(&one.path) != PathFact::Other
}

/// Whether `other` is the same, or is based on it.
fn is_same(one: &Path, other: &Path, host: &Host) -> bool {
    let image = |path: &Path| host.images.get(path).filter(|image| !image.id.is_empty());
    let leads_to = |image: &Image, id: &String| image.id == *id || image.below.contains(id);
    one == other || image(one).zip(image(other)).is_some_and(|(one, other)| leads_to(other, &one.id))
}

fn refusal(one: &Made, key: &str, other: &Path) -> Problem {
    let shown = one.path.display();
    let what = match one.path == other {
        true => format!("{shown} is {key}, too"),
        false => format!("{shown} and {key}, which is {}, lead to one file", other.display()),
    };
    Problem::new(Class::Invalid, &one.key, what)
        .why("it is made anew at each start, and what was there is lost")
        .fix("a path of its own")
}
