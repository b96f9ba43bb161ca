//! The documents and the types hold together: README, chapters, `vmrun schema`, `vmrun explain`, profiles and examples say what the
//! types of a profile say. `UPDATE=1 cargo test --test documents` writes the reference and the golden schema.

#[path = "../golden/cases.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod cases;
mod commands;
mod defaults;
mod explain;
mod manual;
mod materials;
mod readme;
#[path = "../golden/scene.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod scene;
mod schema;
#[path = "../support/setup.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod setup;
#[path = "../golden/text.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod text;

use std::env;
use std::fs;
use std::path::Path;

/// Holds `found` against the file `name` of the repository, or writes it there when `UPDATE` is set.
fn held(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if env::var_os("UPDATE").is_some() {
        return fs::write(&path, found).expect("the file is written");
    }
    let expected = fs::read_to_string(&path).expect("the file is there");
    let first = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(
        expected == found,
        "{name} is out of date: {first:#?}\n`UPDATE=1 cargo test --test documents` writes it; review the diff"
    );
}
