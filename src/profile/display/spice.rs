//! `kind = "spice"`.

use super::Display;
use super::remote::{self, Door};
use crate::plan::{Draft, Origin, Props};
use crate::profile::channel;
use crate::profile::scene::Scene;
use crate::profile::usb_controller;
use serde_json::json;

pub(super) fn draft(display: &Display, scene: &Scene, draft: &mut Draft) {
    let mut spice = Props::default();
    let door = remote::door(display, "spice.sock", scene, draft);
    match door {
        Door::Socket(path) => {
            let origin = || Origin::given("display.path");
            spice.switch("unix", true, origin());
            spice.set("addr", path.to_string_lossy(), origin());
        }
        Door::Port { addr, port } => {
            spice.set("addr", addr, Origin::given("display.addr"));
            spice.set("port", port.to_string(), Origin::given("display.port"));
        }
    }
    match remote::secret(display, scene, draft) {
        Some(secret) => spice.set("password-secret", secret, Origin::given("display.password_file")),
        None => spice.switch("disable-ticketing", true, Origin::derived("display.kind", "no password is asked")),
    }
    draft_gl(display, &mut spice, scene);
    draft.contents.argv.backend_props("-spice", &spice);
    if display.has_agent() {
        draft_agent(draft);
    }
}

/// OpenGL pictures are handed over as descriptors, which only a local viewer can take.
fn draft_gl(display: &Display, spice: &mut Props, scene: &Scene) {
    if display.gl != Some(true) || display.is_copied() {
        return;
    }
    spice.switch("gl", true, Origin::given("display.gl"));
    if let Some(node) = &display.rendernode {
        spice.set("rendernode", scene.setting.resolve(node).to_string_lossy(), Origin::given("display.rendernode"));
    }
}

fn draft_agent(draft: &mut Draft) {
    let origin = || Origin::given("display.agent");
    let mut chardev = Props::default();
    chardev.head("spicevmc", origin());
    chardev.set("id", "vdagent", origin());
    chardev.set("name", "vdagent", origin());
    draft.contents.argv.backend_props("-chardev", &chardev);
    channel::draft_port("vdagent", "com.redhat.spice.0", origin(), draft);
}

pub(super) fn draft_usb_redirection(count: u8, draft: &mut Draft) {
    for i in 0..count {
        let origin = || Origin::given("display.usb_redirect");
        let id = format!("redir{i}");
        let mut chardev = Props::default();
        chardev.head("spicevmc", origin());
        chardev.set("id", format!("{id}-chr"), origin());
        chardev.set("name", "usbredir", origin());
        draft.contents.argv.backend_props("-chardev", &chardev);
        let device =
            json!({"driver": "usb-redir", "id": id, "bus": usb_controller::BUS, "chardev": format!("{id}-chr")});
        draft.contents.argv.device(&device, origin());
    }
}
