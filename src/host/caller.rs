//! Who runs vmrun, and from what environment.

use std::env;
use std::path::{Path, PathBuf};

/// The user that vmrun runs as, the one behind it, and the folders that are theirs.
///
/// Only [`Caller::current`] looks at the process; all readers take what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Effective user id.
    pub euid: u32,
    /// The user behind `sudo` or `pkexec`; `None` when vmrun was started directly.
    pub invoker: Option<u32>,
    /// Absolute folders of `PATH`, in order.
    pub path: Vec<PathBuf>,
    /// `$XDG_CONFIG_HOME`, or `.config` in the home folder; `None` when neither is known.
    pub config: Option<PathBuf>,
    /// Folder of vmrun's cache files; `None` when it has no place.
    pub cache: Option<PathBuf>,
}

impl Caller {
    /// The caller of this process.
    #[must_use]
    pub fn current() -> Self {
        let text = |name: &str| env::var_os(name).and_then(|value| value.into_string().ok());
        Self::from_environment(nix::unistd::geteuid().as_raw(), &text)
    }

    /// The caller with effective user `euid` and the variables that `variable` knows.
    ///
    /// `SUDO_UID` and `PKEXEC_UID` count only for root: to any other user they are left-overs of a shell further up.
    /// Relative folders are passed over, as the XDG base directory specification demands for its own and as prudence
    /// does for `PATH`.
    pub(super) fn from_environment(euid: u32, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let below_home = |name: &str| folder("HOME").map(|home| home.join(name));
        let invoker = ["PKEXEC_UID", "SUDO_UID"].iter().find_map(|name| variable(name)?.parse().ok());
        let path = variable("PATH").unwrap_or_default();
        Self {
            euid,
            invoker: invoker.filter(|_| euid == 0),
            path: env::split_paths(&path).filter(|folder| folder.is_absolute()).collect(),
            config: folder("XDG_CONFIG_HOME").or_else(|| below_home(".config")),
            cache: cache(euid, folder("XDG_CACHE_HOME").or_else(|| below_home(".cache"))),
        }
    }
}

/// Root keeps its cache by itself: under `sudo` the variables may still lead to the user's home, where files of root
/// would be in the way.
fn cache(euid: u32, home: Option<PathBuf>) -> Option<PathBuf> {
    match euid {
        0 => Some(Path::new("/var/cache/vmrun").to_owned()),
        _ => home.map(|home| home.join("vmrun")),
    }
}

#[cfg(test)]
mod test {
    use super::Caller;
    use std::path::PathBuf;

    fn caller(euid: u32, variables: &[(&str, &str)]) -> Caller {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Caller::from_environment(euid, &find)
    }

    #[test]
    fn the_user_behind_sudo_and_pkexec_is_known() {
        assert_eq!(caller(0, &[("SUDO_UID", "1000")]).invoker, Some(1000));
        assert_eq!(caller(0, &[("PKEXEC_UID", "1001")]).invoker, Some(1001));
        assert_eq!(caller(0, &[]).invoker, None);
        assert_eq!(caller(0, &[("SUDO_UID", "alice")]).invoker, None);
    }

    #[test]
    fn a_users_own_shell_has_no_invoker_even_with_a_left_over_variable() {
        assert_eq!(caller(1000, &[("SUDO_UID", "1001")]).invoker, None);
    }

    #[test]
    fn folders_follow_the_xdg_variables_and_else_the_home() {
        let home = ("HOME", "/home/alice");
        let plain = caller(1000, &[home]);
        assert_eq!(plain.config, Some(PathBuf::from("/home/alice/.config")));
        assert_eq!(plain.cache, Some(PathBuf::from("/home/alice/.cache/vmrun")));
        let set = caller(1000, &[home, ("XDG_CONFIG_HOME", "/c"), ("XDG_CACHE_HOME", "/k")]);
        assert_eq!((set.config, set.cache), (Some(PathBuf::from("/c")), Some(PathBuf::from("/k/vmrun"))));
        let relative = caller(1000, &[home, ("XDG_CACHE_HOME", "k")]);
        assert_eq!(relative.cache, Some(PathBuf::from("/home/alice/.cache/vmrun")));
    }

    #[test]
    fn root_writes_no_cache_into_a_users_home() {
        let root = caller(0, &[("HOME", "/home/alice"), ("XDG_CACHE_HOME", "/home/alice/.cache")]);
        assert_eq!(root.cache, Some(PathBuf::from("/var/cache/vmrun")));
    }

    #[test]
    fn relative_folders_of_path_are_passed_over() {
        assert_eq!(caller(0, &[("PATH", "/usr/bin:.:bin::/bin")]).path, ["/usr/bin", "/bin"].map(PathBuf::from));
    }
}
