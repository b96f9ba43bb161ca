//! The cases: each `.toml` in a folder of this one.

use crate::scene::Scene;
use crate::text;
use std::fs;
use std::path::{Path, PathBuf};
use vmrun::plan::{Contents, Refusal};
use vmrun::profile::Profile;

/// A profile and the scene it is planned in.
pub(crate) struct Case {
    pub(crate) path: PathBuf,
    /// Where its outcome is kept, but for the extension.
    pub(crate) golden: PathBuf,
    pub(crate) text: String,
    pub(crate) scene: Scene,
}

/// All cases, sorted by path.
pub(crate) fn all() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<PathBuf> = folders(&root).iter().flat_map(|table| files(table)).collect();
    paths.sort();
    assert!(paths.len() > 50, "only {} cases below {}", paths.len(), root.display());
    paths.into_iter().map(|path| Case::of(path, None)).collect()
}

/// The folders of tables; `cli` holds what the whole program says, which `tests/cli.rs` judges.
fn folders(root: &Path) -> Vec<PathBuf> {
    entries(root).into_iter().filter(|path| path.is_dir() && !path.ends_with("cli")).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path()).collect()
}

impl Case {
    /// The profile at `path`, in the scene that `header` sets or, without, its own first lines.
    pub(crate) fn of(path: PathBuf, header: Option<&str>) -> Self {
        let text = fs::read_to_string(&path).expect("the profile is there");
        let scene = Scene::parse(header.unwrap_or(&text), &path);
        Self { golden: path.clone(), path, text, scene }
    }

    /// What is planned, or the refusals, or the mistake in the text.
    pub(crate) fn plan(&self) -> Result<Contents, Failure> {
        let profile: Profile = toml::from_str(&self.text).map_err(|error| Failure::Text(error.to_string()))?;
        let setting = self.scene.setting(profile.name().as_str());
        let host = self.scene.host(&profile.wants(&setting));
        match profile.plan(&host, &setting) {
            Ok(plan) => Ok((*plan).clone()),
            Err(refusal) => Err(Failure::Refused(refusal)),
        }
    }

    /// The extension of the file that holds the outcome, and its content.
    pub(crate) fn outcome(&self) -> (&'static str, String) {
        match self.plan() {
            Ok(contents) => ("plan", text::of(&contents)),
            Err(Failure::Text(mistake)) => ("err", mistake),
            Err(Failure::Refused(refusal)) => ("err", text::problems(&refusal.problems)),
        }
    }
}

/// Why there is no plan.
pub(crate) enum Failure {
    Text(String),
    Refused(Box<Refusal>),
}
