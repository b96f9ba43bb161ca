//! `MATRIX.md`: each row of what can go wrong names the tests that prove what is left of it, and they are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROWS: u32 = 112;
/// Rows that no test proves; each says why. Whoever proves one takes it out here.
const OPEN: &[u32] = &[];

struct Row {
    number: u32,
    proofs: String,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/faults/MATRIX.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = cells.map(|line| line.split(" | ").collect::<Vec<_>>());
    cells
        .filter_map(|cells| match cells[..] {
            [number, _, proofs] => Some(Row { number: number.parse().ok()?, proofs: proofs.to_owned() }),
            _ => None,
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Why `proof`, `FILE` or `FILE::TEST`, is none.
fn complaint(proof: &str) -> Option<String> {
    let (file, test) = proof.split_once("::").map_or((proof, None), |(file, test)| (file, Some(test)));
    let Ok(text) = fs::read_to_string(root().join(file)) else { return Some(format!("there is no {file}")) };
    let there = match test {
        Some(test) => text.contains(&format!("fn {test}(")),
        None => Path::new(file).extension().is_some_and(|it| it == "err" || it == "plan"),
    };
    (!there).then(|| format!("{proof} is no test"))
}

#[test]
fn every_row_names_tests_that_are_there() {
    let rows = rows();
    let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>());
    let proofs = rows.iter().filter(|row| !row.proofs.starts_with("open: "));
    let named: Vec<(u32, Vec<&str>)> =
        proofs.map(|row| (row.number, row.proofs.split('`').skip(1).step_by(2).collect())).collect();
    let wrong: Vec<String> = named
        .iter()
        .flat_map(|(number, proofs)| proofs.iter().map(move |proof| (number, proof)))
        .filter_map(|(number, proof)| complaint(proof).map(|what| format!("row {number}: {what}")))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    let empty: Vec<u32> = named.iter().filter(|(_, proofs)| proofs.is_empty()).map(|(number, _)| *number).collect();
    assert_eq!(empty, Vec::<u32>::new());
}

#[test]
fn the_rows_without_a_proof_are_known() {
    let open: BTreeSet<u32> =
        rows().into_iter().filter(|row| row.proofs.starts_with("open: ")).map(|row| row.number).collect();
    assert_eq!(open, OPEN.iter().copied().collect());
}
