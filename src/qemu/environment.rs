//! What QEMU sees of vmrun's environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// Variables that QEMU, its display and its sound need; everything else stays out, `LD_PRELOAD` as well as secrets.
const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "QEMU_MODULE_DIR",
];

/// The variables among them by which a window finds its display.
const DISPLAY: [&str; 3] = ["DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY"];

/// What `ours` lacks of the display of a `session` of another user, for a QEMU that runs as root for that user.
///
/// The socket of Wayland by its whole path: it lies in a folder that root must not take for its own.
pub(super) fn display(
    ours: impl Fn(&str) -> bool,
    session: &BTreeMap<String, OsString>,
) -> Vec<(&'static str, OsString)> {
    if ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(ours) {
        return Vec::new();
    }
    let runtime = session.get("XDG_RUNTIME_DIR").map_or(Path::new("/"), Path::new);
    let whole = |name: &'static str, value: &OsString| match name {
        "WAYLAND_DISPLAY" => (name, runtime.join(value).into_os_string()),
        _ => (name, value.clone()),
    };
    DISPLAY.into_iter().filter_map(|name| session.get(name).map(|value| whole(name, value))).collect()
}

/// Families of such variables.
const PREFIXES: &[&str] = &["LC_", "PULSE_", "PIPEWIRE_", "SDL_", "GDK_", "GTK_", "MESA_", "EGL_", "__EGL_"];

/// Variables that say nothing of the user whose session they are from.
const ANYBODYS: &[&str] = &["LANG", "LANGUAGE", "TZ", "QEMU_MODULE_DIR"];

/// Those of `all` that QEMU inherits when it runs as another user, who has a session of its own.
pub(super) fn anybodys(all: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let allowed = |name: &str| ANYBODYS.contains(&name) || name.starts_with("LC_");
    all.into_iter().filter(|(name, _)| name.to_str().is_some_and(allowed)).collect()
}

/// Those of `all` that QEMU inherits.
pub(super) fn inherited(all: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    all.into_iter().filter(|(name, _)| name.to_str().is_some_and(allowed)).collect()
}

fn allowed(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod test {
    use super::{display, inherited};

    #[test]
    fn a_window_of_root_opens_in_the_session_of_who_asked_for_it_unless_root_has_one() {
        let session = [("DISPLAY", ":0"), ("XAUTHORITY", "/home/a/.X"), ("WAYLAND_DISPLAY", "wayland-0")];
        let session = session.into_iter().chain([("XDG_RUNTIME_DIR", "/run/user/1000"), ("HOME", "/home/a")]);
        let session = session.map(|(name, value)| (name.to_owned(), value.into())).collect();
        let found = display(|_| false, &session);
        let wayland = ("WAYLAND_DISPLAY", "/run/user/1000/wayland-0".into());
        assert_eq!(found, [("DISPLAY", ":0".into()), ("XAUTHORITY", "/home/a/.X".into()), wayland]);
        assert_eq!(display(|name| name == "DISPLAY", &session), []);
    }

    #[test]
    fn display_and_sound_pass_and_the_rest_stays_out() {
        let all = ["DISPLAY", "LC_ALL", "PULSE_SERVER", "LD_PRELOAD", "AWS_SECRET_ACCESS_KEY", "NOTIFY_SOCKET"];
        let passed = inherited(all.map(|name| (name.into(), "x".into())));
        assert_eq!(passed.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["DISPLAY", "LC_ALL", "PULSE_SERVER"]);
    }
}
