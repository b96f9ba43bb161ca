//! What goes out to libvirt is a domain by libvirt's own schema.

use crate::silence::{domain, planned};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The schema of the libvirt that is installed.
const SCHEMA: &str = "/usr/share/libvirt/schemas/domain.rng";

/// What a later libvirt than 9.0, which Debian 12 has, has words for; an older one refuses the domain.
const NEWER: [&str; 12] = [
    "<audio id='1' type='pipewire'",
    "<sound model='virtio'",
    "<iothreads>\n",
    " modules='",
    " bus='nvme'",
    "<watchdog model='itco'",
    "<iommu model='amd'",
    " dma_translation=",
    " type='pflash' format='qcow2'",
    "<extended state='on'",
    "<emsr_bitmap state='on'",
    "<xmm_input state='on'",
];

#[test]
fn every_domain_fits_libvirts_schema() {
    let folder = tempfile::tempdir().unwrap();
    let mut names = BTreeSet::new();
    for planned in planned() {
        let text = domain(&planned);
        if NEWER.iter().any(|part| text.contains(part)) {
            continue;
        }
        let name = format!("{}.xml", planned.name.replace(['/', ' '], "-"));
        fs::write(folder.path().join(&name), text).unwrap();
        names.insert(name);
    }
    assert!(names.len() > 300, "{names:?}");
    let mut check = Command::new("xmllint");
    let checked =
        check.args(["--noout", "--relaxng", SCHEMA]).args(&names).current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{}", told.replace(" validates\n", "\n"));
}
