//! `[[share]]`: folders of the host in the guest.

mod ninep;
mod tag;
mod virtiofs;

use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Access, Class, Draft, Lot, Problem};
use ninep::{Multidevs, SecurityModel};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use tag::Tag;
use virtiofs::{Cache, Sandbox};

/// A folder of the host that the guest mounts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Share {
    /// How it is shared; `virtiofs` unless given.
    #[serde(default)]
    kind: Kind,
    /// Folder of the host. virtiofsd: `--shared-dir`; QEMU: `path` of `-fsdev local`.
    source: PathBuf,
    /// Name by which the guest mounts it. QEMU: `tag`, `mount_tag`.
    tag: Tag,
    /// Whether the guest cannot write to it; it can unless given. virtiofsd: `--readonly`; QEMU: `readonly`.
    #[serde(default)]
    readonly: bool,
    /// What the guest may keep of files on `virtiofs`; `auto` unless given. virtiofsd: `--cache`.
    cache: Option<Cache>,
    /// What keeps virtiofsd in the folder; `namespace` unless given. virtiofsd: `--sandbox`.
    sandbox: Option<Sandbox>,
    /// Whether `virtiofs` has extended attributes; off unless given. virtiofsd: `--xattr`.
    xattr: Option<bool>,
    /// Requests that `virtiofs` works on at a time; virtiofsd's own number unless given. virtiofsd:
    /// `--thread-pool-size`.
    thread_pool_size: Option<NonZeroU16>,
    /// Requests that the queue of `virtiofs` holds, a power of two up to 1024; 128 unless given. QEMU: `queue-size`.
    queue_size: Option<NonZeroU16>,
    /// The program virtiofsd; where distributions install it unless given.
    binary: Option<PathBuf>,
    /// How `9p` keeps owners and modes of the guest's files; `mapped-xattr` unless given. QEMU: `security_model`.
    security_model: Option<SecurityModel>,
    /// What `9p` does where the folder spans file systems, whose inode numbers may meet; `remap` unless given. QEMU:
    /// `multidevs`.
    multidevs: Option<Multidevs>,
}

/// How a folder is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Kind {
    /// By a companion, virtiofsd; fast, and Windows has a driver. The guest's memory is shared with it.
    #[default]
    #[serde(rename = "virtiofs")]
    Virtiofs,
    /// By QEMU itself; needs no other program, and only Linux has a driver.
    #[serde(rename = "9p")]
    NineP,
}

impl Share {
    pub(super) fn paths(&self, setting: &Setting) -> PathBuf {
        setting.resolve(&self.source)
    }

    /// The folder, absolute; notes a problem when it is none.
    fn folder(&self, key: &str, scene: &Scene, draft: &mut Draft) -> PathBuf {
        let path = scene.setting.resolve(&self.source);
        let key = format!("{key}.source");
        let shown = path.display();
        let problem = match scene.host.path(&path) {
            PathFact::Folder { .. } => return path,
            PathFact::Missing => {
                let word = shlex::try_quote(&path.to_string_lossy()).map(std::borrow::Cow::into_owned);
                let problem = Problem::new(Class::Impossible, key, format!("{shown} does not exist"));
                word.map_or(problem.clone(), |word| problem.fix(format!("mkdir -p {word}")))
            }
            PathFact::Unreadable(why) => {
                Problem::new(Class::Denied, key, format!("{shown} cannot be looked at")).why(why.clone())
            }
            PathFact::File { .. } | PathFact::Block | PathFact::Other => {
                Problem::new(Class::Impossible, key, format!("{shown} is not a folder"))
            }
        };
        draft.refuse(problem);
        path
    }

    fn judge_keys(&self, key: &str, draft: &mut Draft) {
        let Self {
            kind,
            source: _,
            tag: _,
            readonly: _,
            cache,
            sandbox,
            xattr,
            thread_pool_size,
            queue_size,
            binary,
            security_model,
            multidevs,
        } = self;
        let keys = [
            ("cache", cache.is_some(), Kind::Virtiofs),
            ("sandbox", sandbox.is_some(), Kind::Virtiofs),
            ("xattr", xattr.is_some(), Kind::Virtiofs),
            ("thread_pool_size", thread_pool_size.is_some(), Kind::Virtiofs),
            ("queue_size", queue_size.is_some(), Kind::Virtiofs),
            ("binary", binary.is_some(), Kind::Virtiofs),
            ("security_model", security_model.is_some(), Kind::NineP),
            ("multidevs", multidevs.is_some(), Kind::NineP),
        ];
        for (name, _, of) in keys.into_iter().filter(|(_, given, of)| *given && of != kind) {
            let (of, ours) = if of == Kind::NineP { ("9p", "virtiofs") } else { ("virtiofs", "9p") };
            let what = format!("{name} belongs to {of}, and this share is {ours}");
            draft.refuse(
                Problem::new(Class::Invalid, format!("{key}.{name}"), what)
                    .fix(format!("kind = \"{of}\"   # or leave {name} out")),
            );
        }
    }
}

/// Whether a share lets another program map the guest's memory.
pub(super) fn share_memory(shares: &[Share]) -> bool {
    shares.iter().any(|share| share.kind == Kind::Virtiofs)
}

/// Places of virtiofsd, best first; empty when no share wants it.
pub(super) fn daemons(shares: &[Share], setting: &Setting) -> Vec<PathBuf> {
    let wanting: Vec<_> = shares.iter().filter(|share| share.kind == Kind::Virtiofs).collect();
    if wanting.is_empty() {
        return Vec::new();
    }
    let given = wanting.iter().find_map(|share| share.binary.as_deref());
    given
        .map_or_else(|| virtiofs::PLACES.iter().map(PathBuf::from).collect(), |path: &Path| vec![setting.resolve(path)])
}

pub(super) fn draft(shares: &[Share], scene: &Scene, draft: &mut Draft) {
    for (i, share) in shares.iter().enumerate() {
        let key = format!("share[{i}]");
        share.judge_keys(&key, draft);
        judge_tag(shares, i, draft);
        let folder = share.folder(&key, scene, draft);
        match share.kind {
            Kind::Virtiofs => share.draft_virtiofs(i, &folder, scene, draft),
            Kind::NineP => {
                let access = if share.readonly { Access::Read } else { Access::Write };
                draft.opens(format!("{key}.source"), &folder, access, Lot::File);
                share.draft_ninep(i, &folder, draft);
            }
        }
    }
}

fn judge_tag(shares: &[Share], i: usize, draft: &mut Draft) {
    let tag = &shares[i].tag;
    let Some(first) = shares[..i].iter().position(|earlier| earlier.tag == *tag) else { return };
    let what = format!("tag {} is taken by share[{first}]", tag.as_str());
    draft.refuse(Problem::new(Class::Invalid, format!("share[{i}].tag"), what).why("the guest mounts by the tag"));
}
