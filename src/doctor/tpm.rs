//! TPM.

use super::advice::{Package, install};
use super::{Check, Found, Subject, ok, warn};

pub(super) const CHECKS: &[Check] = &[Check {
    id: "swtpm",
    why: "Windows 11 asks for a TPM 2.0, which swtpm plays for the guest",
    of_profiles: false,
    judge: swtpm,
}];

const SWTPM: Package = Package { debian: "swtpm swtpm-tools", fedora: "swtpm", arch: "swtpm", suse: "swtpm" };

fn swtpm(subject: &Subject<'_>) -> Vec<Found> {
    let (system, read) = (&subject.host.system, "/usr/bin, /usr/local/bin and the like");
    if system.kernel.is_empty() {
        return Vec::new();
    }
    match system.programs.contains("swtpm") {
        true => ok("swtpm is installed", read),
        false => warn("there is no swtpm", read, install(subject, &SWTPM)),
    }
}
