//! Where a profile stands.

use crate::plan::Kept;
use std::path::{Component, Path, PathBuf};

/// The folders that a profile's paths are relative to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Folder of the profile; relative paths start there.
    pub dir: PathBuf,
    /// Home of the invoking user, which `~` stands for; `None` when it is not known.
    pub home: Option<PathBuf>,
    /// Folder that belongs to this run.
    pub run_dir: PathBuf,
    /// Folder of what is kept from run to run, like variable stores.
    pub state_dir: PathBuf,
    /// Guest PCI addresses of the last start.
    pub kept: Kept,
}

impl Setting {
    /// The absolute path that `path` of the profile means; `.` and doubled slashes are dropped, `..` is kept because a
    /// link before it would change its meaning.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let whole = match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.dir.join(path),
        };
        whole.components().filter(|part| *part != Component::CurDir).collect()
    }
}

#[cfg(test)]
mod test {
    use super::Setting;
    use crate::plan::Kept;
    use std::path::{Path, PathBuf};

    fn resolve(path: &str) -> PathBuf {
        let setting = Setting {
            dir: "/home/a/vm".into(),
            home: Some("/home/a".into()),
            run_dir: "/run/vmrun/x".into(),
            state_dir: "/var/lib/vmrun".into(),
            kept: Kept::default(),
        };
        setting.resolve(Path::new(path))
    }

    #[test]
    fn a_relative_path_starts_at_the_profile() {
        assert_eq!(resolve("./Windows.img"), Path::new("/home/a/vm/Windows.img"));
    }

    #[test]
    fn a_tilde_is_the_home_of_the_invoker() {
        assert_eq!(resolve("~/Windows.img"), Path::new("/home/a/Windows.img"));
    }

    #[test]
    fn an_absolute_path_stays() {
        assert_eq!(resolve("/dev/sda"), Path::new("/dev/sda"));
    }
}
