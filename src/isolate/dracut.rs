//! dracut(8), of Fedora, openSUSE and others.

use super::initramfs::MODULES;
use super::modprobe::{CONF, Form, SCRIPT};
use super::{Draft, MARK};
use crate::host::Boot;

/// `force_drivers`: loaded early, before udev loads what it finds; `dracut.conf(5)`.
pub(super) fn write(form: Form, boot: &Boot, draft: &mut Draft) {
    let files = if form == Form::Ids { CONF.to_owned() } else { format!("{CONF} {SCRIPT}") };
    let text = format!("{MARK}\nforce_drivers+=\" {} \"\ninstall_items+=\" {files} \"\n", MODULES.join(" "));
    draft.write(boot, "/etc/dracut.conf.d/vmrun-vfio.conf", text);
    let every_kernel =
        if boot.runs("reinstall-kernels") { "reinstall-kernels" } else { "dracut --force --regenerate-all" };
    draft.command(every_kernel);
}
