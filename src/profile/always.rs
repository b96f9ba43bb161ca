//! What every guest gets, whatever its profile says.

use super::scene::Scene;
use crate::plan::{Descriptor, Draft, Origin, Props};
use crate::unit::Version;
use serde_json::json;

/// QEMU made `debug-threads` the rule and its option obsolete; QEMU: `docs/about/deprecated.rst`.
const THREADS_ALWAYS_NAMED: Version = Version::new(11, 0);

pub(super) fn draft(scene: &Scene, draft: &mut Draft) {
    qmp(draft);
    let argv = &mut draft.contents.argv;
    argv.name.set("guest", scene.name.as_str(), Origin::given("name"));
    if scene.version.is_none_or(|version| version < THREADS_ALWAYS_NAMED) {
        argv.name.switch("debug-threads", true, Origin::always("each thread shows its work in its name"));
    }
    argv.flag("-no-user-config", Origin::always("only the profile decides"));
    argv.flag("-nodefaults", Origin::always("only devices that the profile names"));
    argv.device(&json!({"driver": "pvpanic"}), Origin::always("the guest can say that its kernel panicked"));
}

fn qmp(draft: &mut Draft) {
    let fd = draft.pass(Descriptor::Qmp);
    let origin = || Origin::always("vmrun talks to QEMU over a socket that it made itself");
    let mut chardev = Props::default();
    chardev.head("socket", origin());
    chardev.set("id", "qmp", origin());
    chardev.set("fd", fd.to_string(), origin());
    chardev.switch("server", true, origin());
    chardev.switch("wait", false, origin());
    let mut monitor = Props::default();
    monitor.set("chardev", "qmp", origin());
    monitor.set("mode", "control", origin());
    let argv = &mut draft.contents.argv;
    argv.backend_props("-chardev", &chardev);
    argv.backend_props("-mon", &monitor);
    argv.flag("-S", Origin::always("no instruction runs before every thread is in its place"));
}
