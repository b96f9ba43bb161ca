//! Guests whose picture the host draws by OpenGL, here by Mesa's software on the render node of `vgem`, for a viewer who is
//! sent a copy of it.

use super::scene::{USER_ID, VMRUN, as_user, profile, run, trace, with_kvm_group};
use crate::host::{self, Host, Layout, Lost};
use crate::support::setup::{Qemu, qemus};

/// Does `work` while there is a render node that everybody may use, as udev leaves it, and a file for what the guest says.
fn with_render_node<T>(host: &mut Host, work: impl FnOnce(&mut Host) -> Result<T, Lost>) -> Result<T, Lost> {
    host.ask("modprobe vgem && chmod 666 /dev/dri/renderD128 && install -m 666 /dev/null /run/serial.log")?;
    let done = work(host)?;
    host.ask("modprobe -r vgem; rm /run/serial.log")?;
    Ok(done)
}

/// A card that `qemu` has: with modules of Debian 12, the virtio card with OpenGL is in a package with GTK.
fn card(qemu: &Qemu) -> &'static str {
    if qemu.version.starts_with("7.") { "virtio" } else { "virtio-gl" }
}

/// A guest that is shown by a server of `kind` at a port, where `viewer` takes a picture of it.
fn shown(qemu: &Qemu, kind: &str, viewer: &str) -> String {
    let card = card(qemu);
    let tables = format!(
        "[display]
kind = \"{kind}\"
port = 5937
gl = true
rendernode = \"/dev/dri/renderD128\"
video = \"{card}\"
[[hook]]
at = \"running\"
timeout = \"2m\"
run = [\"sh\", \"-c\", '''
    exec >/run/seen 2>&1
    until grep -qs waiting /run/serial.log; do sleep 0.2; done
    {viewer} || echo \"viewer: $?\"
    head -c 3 /run/picture | tr -dc '[:alnum:]'; echo
    qemu=$({VMRUN} status windows --json | grep -o '\"qemu\": *[0-9]*' | grep -o '[0-9]*')
    ls -l /proc/$qemu/fd | grep -o /dev/dri/renderD128 | sort -u
    grep -o ^Uid:.[0-9]* /proc/$qemu/status
    {VMRUN} stop windows
''']
"
    );
    let file = "to = \"file\"\npath = \"/run/serial.log\"";
    profile(qemu, "report=brief then=wait", &tables).replace("to = \"capture\"", file)
}

/// Asserts that the picture of `profile`'s guest begins with `picture`, that its QEMU, of the user with the number `owner`, has
/// the render node, and that nothing is left of it.
fn assert_shown(profile: &str, picture: &str, owner: &str) {
    let (ran, left) = host::on(&Layout::GPU, |host| {
        with_kvm_group(host, |host| with_render_node(host, |host| trace(host, |host| run(host, profile))))
    });
    let wanted = format!("{picture}\n/dev/dri/renderD128\nUid:\t{owner}");
    assert!(ran.seen.starts_with(&wanted), "{wanted}\n{}\n{}", ran.seen, ran.reply);
    assert_eq!((ran.reply.status, left.as_str()), (0, ""), "{}", ran.reply);
}

#[test]
fn a_vnc_viewer_sees_what_the_hosts_opengl_draws() {
    let viewer = "gvnccapture --quiet 127.0.0.1:37 /run/picture.png && mv /run/picture.png /run/picture";
    let [_, newer] = qemus();
    assert_shown(&as_user(&shown(&newer, "vnc", viewer)), "PN", USER_ID);
}

#[test]
fn a_spice_viewer_at_a_port_sees_what_the_hosts_opengl_draws() {
    let viewer = "spicy-screenshot --uri=spice://127.0.0.1:5937 -o /run/picture >/dev/null 2>&1";
    let [older, _] = qemus();
    assert_shown(&shown(&older, "spice", viewer), "P6", "0");
}
