//! `[vsock]`: sockets between host and guest without a network.

use super::disk_bus::place;
use super::scene::Scene;
use crate::host::PathFact;
use crate::plan::{Access, Class, Descriptor, Draft, Lot, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A virtio socket device; `vsock(7)`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Vsock {
    /// The guest's address, its context ID: 3 or more, and no other guest's. QEMU's `guest-cid`.
    cid: u32,
}

/// The kernel's half of it.
const VHOST_VSOCK: &str = "/dev/vhost-vsock";

/// Lower ones are the hypervisor's, the loopback's and the host's, the highest means any; `vsock(7)`.
const FIRST_CID: u32 = 3;

impl Vsock {
    /// What must be known of the host.
    pub(super) fn path() -> PathBuf {
        VHOST_VSOCK.into()
    }
}

pub(super) fn draft(vsock: Option<&Vsock>, scene: &Scene, draft: &mut Draft) {
    let Some(&Vsock { cid }) = vsock else { return };
    if cid < FIRST_CID || cid == u32::MAX {
        let what = format!("{cid} is no guest's address");
        draft.refuse(
            Problem::new(Class::Invalid, "vsock.cid", what)
                .why("0 to 2 are the hypervisor, the loopback and the host, and 4294967295 means any")
                .fix("cid = 3"),
        );
    }
    if *scene.host.path(Path::new(VHOST_VSOCK)) == PathFact::Missing {
        let problem = Problem::new(Class::Missing, "vsock", format!("there is no {VHOST_VSOCK}"));
        draft.refuse(problem.fix("modprobe vhost_vsock"));
    }
    let origin = Origin::given("vsock.cid");
    let mut device = json!({"driver": "vhost-vsock-pci", "id": "vsock", "guest-cid": cid});
    if scene.user.is_some() {
        device["vhostfd"] = json!(draft.pass(Descriptor::File { path: VHOST_VSOCK.into() }).to_string());
    }
    draft.opens("vsock", VHOST_VSOCK, Access::Write, Lot::Inherited);
    place(device, &origin, draft);
}
