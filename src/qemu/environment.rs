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

/// What `ours` lacks of the display of a `session` of another user, for a QEMU that runs as root for that user.
///
/// The socket of Wayland by its whole path, and the secret of X also where it has its usual place: both are in folders
/// that root must not take for its own. A display of ours may be one that sudo has handed on, without its secret.
pub(super) fn display(
    ours: impl Fn(&str) -> Option<OsString>,
    session: &BTreeMap<String, OsString>,
) -> Vec<(&'static str, OsString)> {
    let theirs = |name: &'static str| session.get(name).cloned();
    let usual = || theirs("HOME").map(|home| Path::new(&home).join(".Xauthority").into_os_string());
    let secret = || theirs("XAUTHORITY").or_else(usual);
    let found = match (ours("DISPLAY"), ours("WAYLAND_DISPLAY")) {
        (Some(screen), None) if ours("XAUTHORITY").is_none() => {
            let same = theirs("DISPLAY").as_ref() == Some(&screen);
            vec![("XAUTHORITY", if same { secret() } else { usual() })]
        }
        (Some(_), _) | (None, Some(_)) => Vec::new(),
        (None, None) => {
            let runtime = theirs("XDG_RUNTIME_DIR").unwrap_or_else(|| "/".into());
            let socket = |name: OsString| Path::new(&runtime).join(name).into_os_string();
            vec![
                ("DISPLAY", theirs("DISPLAY")),
                ("XAUTHORITY", theirs("DISPLAY").and_then(|_| secret())),
                ("WAYLAND_DISPLAY", theirs("WAYLAND_DISPLAY").map(socket)),
            ]
        }
    };
    found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
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
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    fn session(variables: &[(&str, &str)]) -> BTreeMap<String, OsString> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect()
    }

    const ALICES: &[(&str, &str)] = &[
        ("DISPLAY", ":0"),
        ("XAUTHORITY", "/home/a/.X"),
        ("WAYLAND_DISPLAY", "wayland-0"),
        ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ("HOME", "/home/a"),
    ];

    #[test]
    fn a_window_of_root_opens_in_the_session_of_who_asked_for_it_unless_root_has_one() {
        let found = display(|_| None, &session(ALICES));
        let wayland = ("WAYLAND_DISPLAY", "/run/user/1000/wayland-0".into());
        assert_eq!(found, [("DISPLAY", ":0".into()), ("XAUTHORITY", "/home/a/.X".into()), wayland]);
        assert_eq!(display(|name| Some(name.into()), &session(ALICES)), []);
        assert_eq!(display(|name| (name == "WAYLAND_DISPLAY").then(|| "wayland-1".into()), &session(ALICES)), []);
    }

    #[test]
    fn a_secret_of_x_in_its_usual_place_is_named() {
        let found = display(|_| None, &session(&[("DISPLAY", ":0"), ("HOME", "/home/a")]));
        assert_eq!(found, [("DISPLAY", ":0".into()), ("XAUTHORITY", "/home/a/.Xauthority".into())]);
        assert_eq!(display(|_| None, &session(&[("HOME", "/home/a")])), []);
    }

    #[test]
    fn a_display_that_sudo_handed_on_has_its_secret_from_the_user() {
        let handed_on = |screen: &'static str| move |name: &str| (name == "DISPLAY").then(|| screen.into());
        assert_eq!(display(handed_on(":0"), &session(ALICES)), [("XAUTHORITY", "/home/a/.X".into())]);
        let forwarded = display(handed_on("localhost:10.0"), &session(ALICES));
        assert_eq!(forwarded, [("XAUTHORITY", "/home/a/.Xauthority".into())]);
    }

    #[test]
    fn display_and_sound_pass_and_the_rest_stays_out() {
        let all = ["DISPLAY", "LC_ALL", "PULSE_SERVER", "LD_PRELOAD", "AWS_SECRET_ACCESS_KEY", "NOTIFY_SOCKET"];
        let passed = inherited(all.map(|name| (name.into(), "x".into())));
        assert_eq!(passed.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["DISPLAY", "LC_ALL", "PULSE_SERVER"]);
    }
}
