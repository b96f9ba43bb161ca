//! All profiles that a reader of this repository meets.

use crate::cases;
use std::fs;
use std::path::{Path, PathBuf};

/// A profile and where it stands.
pub(crate) struct Material {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The shipped profiles and the examples.
pub(crate) fn shipped() -> Vec<Material> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = |name: &str| fs::read_dir(root.join(name)).expect("the folder is there");
    let entries = folder("profiles").chain(folder("examples")).map(|entry| entry.expect("an entry").path());
    let paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    assert!(paths.len() >= 7, "only {} profiles and examples", paths.len());
    let read = |path: PathBuf| Material {
        text: fs::read_to_string(&path).expect("it is there"),
        name: path.display().to_string(),
    };
    paths.into_iter().map(read).collect()
}

/// The blocks of TOML in the documents.
pub(crate) fn of_documents() -> Vec<Material> {
    let all = documents();
    let blocks = all.iter().flat_map(|(name, text)| {
        let blocks = text.split("\n```toml\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
        blocks.map(move |(block, _)| Material { name: format!("{name}: {}", first_line(block)), text: whole(block) })
    });
    let materials: Vec<_> = blocks.collect();
    assert!(materials.len() >= 2, "only {} blocks", materials.len());
    materials
}

/// The golden cases that are planned.
pub(crate) fn planned_goldens() -> Vec<Material> {
    let planned = |case: &cases::Case| case.golden.with_extension("plan").exists();
    let cases = cases::all().into_iter().filter(planned);
    let materials: Vec<_> =
        cases.map(|case| Material { name: case.path.display().to_string(), text: case.text }).collect();
    assert!(materials.len() > 40, "only {} cases", materials.len());
    materials
}

/// The README and the chapters it leads to: each by its place, with its text.
pub(crate) fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapters = fs::read_dir(root.join("contrib/doc")).into_iter().flatten().flatten();
    let names = chapters.map(|entry| format!("contrib/doc/{}", entry.file_name().to_string_lossy()));
    let mut names: Vec<_> = names
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"))
        .chain(["README.md".to_owned()])
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs::read_to_string(root.join(name)).expect("it is there"))).collect()
}

/// The file `name` of the repository.
pub(crate) fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn first_line(block: &str) -> &str {
    block.lines().find(|line| !line.is_empty()).unwrap_or_default()
}

/// A block with the two keys that every profile has, if it leaves them out.
fn whole(block: &str) -> String {
    let has = |key: &str| block.lines().any(|line| line.starts_with(key));
    let missing = [("schema = ", "schema = 1\n"), ("name = ", "name = \"readme\"\n")];
    let head: String = missing.iter().filter(|(key, _)| !has(key)).map(|(_, line)| *line).collect();
    format!("{head}{block}\n")
}
