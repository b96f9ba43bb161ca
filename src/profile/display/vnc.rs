//! `kind = "vnc"`.

use super::Display;
use super::remote::{self, Door};
use crate::plan::{Class, Draft, Origin, Problem, Props};
use crate::profile::scene::Scene;

/// Port of display 0, which QEMU's `-vnc` counts from; RFC 6143, section 8.
const FIRST_PORT: u16 = 5900;

pub(super) fn draft(display: &Display, scene: &Scene, draft: &mut Draft) {
    let mut vnc = Props::default();
    match remote::door(display, "vnc.sock", scene, draft) {
        Door::Socket(path) => vnc.head(format!("unix:{}", path.display()), Origin::given("display.path")),
        Door::Port { addr, port } => match port.checked_sub(FIRST_PORT) {
            Some(number) => vnc.head(format!("{}:{number}", bracketed(&addr)), Origin::given("display.port")),
            None => {
                let what = format!("port {port} is no VNC port; they begin with {FIRST_PORT}");
                draft.refuse(Problem::new(Class::Invalid, "display.port", what).fix(format!("port = {FIRST_PORT}")));
            }
        },
    }
    if let Some(secret) = remote::secret(display, scene, draft) {
        vnc.set("password-secret", secret, Origin::given("display.password_file"));
    }
    draft.contents.argv.backend_props("-vnc", &vnc);
}

/// An IPv6 address in brackets, as QEMU wants it before a colon.
fn bracketed(addr: &str) -> String {
    if addr.contains(':') && !addr.starts_with('[') { format!("[{addr}]") } else { addr.to_owned() }
}
