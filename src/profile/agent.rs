//! `[agent]`: a channel to QEMU's guest agent.

use super::channel;
use super::scene::{Scene, made_by_qemu};
use crate::plan::{Draft, Origin, Props};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A channel to `qemu-ga` in the guest, which answers questions and freezes file systems for a backup.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Agent {
    /// Path of the socket on the host; `agent.sock` in the run's own folder unless given.
    path: Option<PathBuf>,
}

impl Agent {
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// The port that the agent opens. QEMU: `qga/main.c`.
const PORT: &str = "org.qemu.guest_agent.0";

pub(super) fn draft(agent: Option<&Agent>, scene: &Scene, draft: &mut Draft) {
    let Some(Agent { path }) = agent else { return };
    let path = path.as_deref().map_or_else(|| scene.sockets().join("agent.sock"), |path| scene.setting.resolve(path));
    made_by_qemu("agent.path", &path, scene, draft);
    let origin = || Origin::given("agent");
    let mut chardev = Props::default();
    chardev.head("socket", origin());
    chardev.set("id", "agent", origin());
    chardev.set("path", path.to_string_lossy(), Origin::given("agent.path"));
    chardev.switch("server", true, origin());
    chardev.switch("wait", false, origin());
    draft.contents.argv.backend_props("-chardev", &chardev);
    draft.contents.agent = Some(path);
    channel::draft_port("agent", PORT, origin(), draft);
}
