//! What QEMU sees of vmrun's environment.

use std::ffi::OsString;

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

/// Families of such variables.
const PREFIXES: &[&str] = &["LC_", "PULSE_", "PIPEWIRE_", "SDL_", "GDK_", "GTK_", "MESA_", "EGL_", "__EGL_"];

/// Those of `all` that QEMU inherits.
pub(super) fn inherited(all: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    all.into_iter().filter(|(name, _)| name.to_str().is_some_and(allowed)).collect()
}

fn allowed(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod test {
    use super::inherited;

    #[test]
    fn display_and_sound_pass_and_the_rest_stays_out() {
        let all = ["DISPLAY", "LC_ALL", "PULSE_SERVER", "LD_PRELOAD", "AWS_SECRET_ACCESS_KEY", "NOTIFY_SOCKET"];
        let passed = inherited(all.map(|name| (name.into(), "x".into())));
        assert_eq!(passed.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["DISPLAY", "LC_ALL", "PULSE_SERVER"]);
    }
}
