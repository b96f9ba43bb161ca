//! The block nodes of a disk: file or device, format, limits.

use super::Disk;
use super::io::{Cache, DetectZeroes, Format};
use super::way::Way;
use crate::host::PathFact;
use crate::plan::{Access, Class, Draft, Lot, Origin, Problem};
use crate::profile::scene::Scene;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

impl Disk {
    /// Adds the nodes of disk `i` and returns the name of the upper one; `None` for an empty drive.
    pub(super) fn draft_nodes(&self, i: usize, way: &Way, scene: &Scene, draft: &mut Draft) -> Option<String> {
        let key = format!("disk[{i}]");
        let Some(file) = &self.file else {
            self.judge_empty(&key, draft);
            return None;
        };
        let path = self.find(file, &format!("{key}.file"), scene, draft);
        let lot = if *scene.host.path(&path) == PathFact::Block { Lot::Device } else { Lot::File };
        let access = if self.read_only() { Access::Read } else { Access::Write };
        draft.opens(format!("{key}.file"), &path, access, lot);
        let (upper, lower) = (format!("disk{i}"), format!("disk{i}-file"));
        let mut protocol = self.node(self.driver(&path, scene), &lower, way.cache);
        protocol["filename"] = json!(path);
        protocol["aio"] = json!(way.aio.as_str());
        let mut format = self.node(self.format(&key, draft), &upper, way.cache);
        format["file"] = json!(lower);
        if let Some(zeroes) = self.detect_zeroes {
            format["detect-zeroes"] = json!(zeroes.as_str());
        }
        let argv = &mut draft.contents.argv;
        argv.backend("-blockdev", &protocol, Origin::given(format!("{key}.file")));
        argv.backend("-blockdev", &format, Origin::given(format!("{key}.format")));
        self.explain_way(i, way, draft);
        Some(self.draft_limits(i, upper, way.cache, draft))
    }

    /// Puts the node that keeps the limits, if there are any, on top of `below`; returns the upper one.
    fn draft_limits(&self, i: usize, below: String, cache: Cache, draft: &mut Draft) -> String {
        let Some(throttle) = &self.throttle else { return below };
        let group = throttle.draft(i, draft);
        let upper = format!("disk{i}-throttle");
        let mut node = self.node("throttle", &upper, cache);
        node["throttle-group"] = json!(group);
        node["file"] = json!(below);
        draft.contents.argv.backend("-blockdev", &node, Origin::given(format!("disk[{i}].throttle")));
        upper
    }

    fn judge_empty(&self, key: &str, draft: &mut Draft) {
        if !self.cdrom {
            let problem = Problem::new(Class::Invalid, key, "a disk without a file");
            draft.refuse(problem.fix("file = \"disk.img\"   # or cdrom = true for an empty drive"));
        }
        if self.throttle.is_some() {
            draft.refuse(
                Problem::new(Class::Invalid, format!("{key}.throttle"), "an empty drive has nothing to limit")
                    .fix("leave throttle out"),
            );
        }
    }

    /// The absolute path of `file`; notes a problem when no image is there.
    fn find(&self, file: &Path, key: &str, scene: &Scene, draft: &mut Draft) -> PathBuf {
        let path = scene.setting.resolve(file);
        if *scene.host.path(&path) != PathFact::Missing || self.cdrom {
            return scene.file(file, key, Class::Impossible, draft);
        }
        let format = self.format.unwrap_or(Format::Raw).as_str();
        let shown = path.to_string_lossy();
        let mut problem = Problem::new(Class::Impossible, key, format!("{shown} does not exist"));
        if let Ok(word) = shlex::try_quote(&shown) {
            problem = problem.fix(format!("qemu-img create -f {format} {word} 64G   # for a new guest"));
        }
        draft.refuse(problem);
        path
    }

    /// What all nodes of a disk have in common: each acts on its own flags alone.
    fn node(&self, driver: &str, name: &str, cache: Cache) -> Value {
        let discard = if self.discards() { "unmap" } else { "ignore" };
        json!({
            "driver": driver, "node-name": name, "read-only": self.read_only(), "discard": discard,
            "cache": {"direct": cache.direct(), "no-flush": cache.no_flush()},
        })
    }

    fn driver(&self, path: &Path, scene: &Scene) -> &'static str {
        match (scene.host.path(path), self.cdrom) {
            (PathFact::Block, false) => "host_device",
            (PathFact::Block, true) => "host_cdrom",
            _ => "file",
        }
    }

    fn format(&self, key: &str, draft: &mut Draft) -> &'static str {
        if self.format.is_none() && !self.cdrom {
            draft.refuse(
                Problem::new(Class::Invalid, format!("{key}.format"), "the format of the image is not given")
                    .why("a guest could write the header of another format, and read files of the host by it")
                    .fix("format = \"raw\"   # or \"qcow2\""),
            );
        }
        if self.detect_zeroes == Some(DetectZeroes::Unmap) && !self.discards() {
            draft.refuse(
                Problem::new(
                    Class::Invalid,
                    format!("{key}.detect_zeroes"),
                    "detect_zeroes = \"unmap\" without discard",
                )
                .why("space is given back only where discard allows it")
                .fix("discard = true"),
            );
        }
        self.format.unwrap_or(Format::Raw).as_str()
    }
}
