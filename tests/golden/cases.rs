//! The cases: each `.toml` in a folder of this one.

use crate::scene::Scene;
use crate::text;
use std::fs;
use std::path::{Path, PathBuf};
use vmrun::plan::{Contents, Refusal};
use vmrun::profile::source::{self, Mistake, Sheets, extends};
use vmrun::profile::{Profile, Setting};

/// The folder that the cases stand in.
const FOLDER: &str = "/home/alice/vm";

/// A profile and the scene it is planned in.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) path: PathBuf,
    /// Where its outcome is kept, but for the extension.
    pub(crate) golden: PathBuf,
    pub(crate) text: String,
    pub(crate) scene: Scene,
    /// The variant that is asked for.
    pub(crate) variant: Option<String>,
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
        let variant =
            header.unwrap_or(&text).lines().find_map(|line| line.strip_prefix("# variant: ")).map(str::to_owned);
        Self { golden: path.clone(), path, text, scene, variant }
    }

    /// What is planned, or the refusals, or the mistake in the text.
    pub(crate) fn plan(&self) -> Result<Contents, Failure> {
        self.plan_of(&self.sheets(), FOLDER)
    }

    /// The files that the profile is read from.
    pub(crate) fn sheets(&self) -> Sheets {
        let mut sheets = Sheets::new("case.toml", FOLDER, &self.text);
        self.add_bases(&mut sheets);
        sheets
    }

    /// The same, written in a file that another one in another folder extends.
    pub(crate) fn plan_below_another(&self) -> Result<Contents, Failure> {
        let mut sheets = Sheets::new("above.toml", "/elsewhere", "");
        sheets.base("case.toml", FOLDER, &self.text);
        self.add_bases(&mut sheets);
        self.plan_of(&sheets, "/elsewhere")
    }

    fn add_bases(&self, sheets: &mut Sheets) {
        let (mut path, mut folder, mut text) = (self.path.clone(), PathBuf::from(FOLDER), self.text.clone());
        while let Some((base, _)) = extends(&text) {
            folder.join(&base).parent().expect("a file has a folder").clone_into(&mut folder);
            path = path.with_file_name(&base);
            text = fs::read_to_string(&path).expect("the base is there");
            sheets.base(base, &folder, &text);
        }
        if let Some(variant) = &self.variant {
            sheets.variant(variant);
        }
    }

    fn plan_of(&self, sheets: &Sheets, folder: &str) -> Result<Contents, Failure> {
        let (profile, _) =
            source::read::<Profile>(sheets).map_err(|rejection| Failure::Text(self.told(&rejection.mistakes)))?;
        let setting = Setting { dir: folder.into(), ..self.scene.setting(profile.name().as_str()) };
        let host = self.scene.host(&profile.wants(&setting));
        match profile.plan(&host, &setting) {
            Ok(plan) => Ok((*plan).clone()),
            Err(refusal) => Err(Failure::Refused(refusal)),
        }
    }

    /// What the parser says of the text; of one that it takes, what is wrong with its layers.
    fn told(&self, mistakes: &[Mistake]) -> String {
        let error = toml::from_str::<Profile>(&self.text).err();
        error.map_or_else(|| mistakes.iter().map(|mistake| format!("{}\n", mistake.what)).collect(), |e| e.to_string())
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
