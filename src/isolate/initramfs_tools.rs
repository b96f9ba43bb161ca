//! initramfs-tools(7), of Debian and its children.

use super::initramfs::MODULES;
use super::modprobe::{Form, SCRIPT};
use super::{Draft, MARK};
use crate::host::Boot;

/// A hook of our own. `modprobe.d` is in the image anyway; the order against other modules that the image loads by
/// name comes from the soft dependencies there.
pub(super) fn write(form: Form, boot: &Boot, draft: &mut Draft) {
    let script = if form == Form::Ids { String::new() } else { format!("copy_exec {SCRIPT}\n") };
    // One module a line: what follows the first word is that module's parameters.
    let modules: String = MODULES.iter().map(|module| format!("force_load {module}\n")).collect();
    let text = format!(
        "#!/bin/sh\n{MARK}\nset -e\n\nif [ \"${{1:-}}\" = prereqs ]; then\n    exit 0\nfi\n\n\
         # shellcheck source=/dev/null\n. /usr/share/initramfs-tools/hook-functions\n\n\
         {modules}{script}"
    );
    draft.write(boot, "/etc/initramfs-tools/hooks/vmrun-vfio", text);
    draft.command("update-initramfs -u -k all");
}
