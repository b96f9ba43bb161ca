//! Mutations without a fuzzer: always the same, in seconds. `contrib/fuzz` finds more, guided by coverage and by hand;
//! this holds that what it found stays mended.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Longest input, as for the fuzzer: it fits into a socket.
const LONGEST: usize = 16 << 10;
/// Bytes that mean something to somebody.
const TELLING: &[u8] = b"\0\xff\n\r\t \"'\\-,:;<>&[]{}()=#@%$/.09aZ\x7f\x80\xc3";
/// Numbers at the edge of something.
const NUMBERS: &[&str] =
    &["0", "-1", "255", "65536", "4294967295", "4294967296", "9223372036854775808", "18446744073709551616", "1e999"];

/// Feeds `run` every file in `folders` of the repository, and about `count` mutants of them. Those of a file stay the same
/// when there are other files.
pub(crate) fn feed(folders: &[&str], count: usize, run: impl Fn(&[u8])) {
    let seeds = seeds(folders);
    let each = count.div_ceil(seeds.len());
    for (name, seed) in &seeds {
        let mut dice = Dice::of(seed);
        for number in 0..=each {
            let mut bytes = seed.clone();
            let times = if number == 0 { 0 } else { 1 + dice.below(6) };
            for _ in 0..times {
                mutate(&mut bytes, seed, &mut dice);
                bytes.truncate(LONGEST);
            }
            // The panic has told its own place.
            let done = catch_unwind(AssertUnwindSafe(|| run(&bytes)));
            assert!(done.is_ok(), "mutant {number} of {name}: {}", bytes.escape_ascii());
        }
    }
}

fn seeds(folders: &[&str]) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<_> = folders.iter().flat_map(|folder| files(&root.join(folder))).collect();
    found.sort();
    assert!(!found.is_empty(), "there is nothing in {folders:?}");
    found
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .filter(|(_, bytes)| bytes.len() <= LONGEST)
        .collect()
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below((bytes.len() - at).min(64) + 1);
    match dice.below(8) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = TELLING[dice.below(TELLING.len())]),
        2 => bytes.insert(at, TELLING[dice.below(TELLING.len())]),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].repeat(1 + dice.below(16));
            bytes.splice(at..at, piece);
        }
        5 => bytes.truncate(at),
        6 => {
            let from = dice.below(other.len() + 1);
            let piece = &other[from..from + dice.below((other.len() - from).min(64) + 1)];
            bytes.splice(at..end, piece.iter().copied());
        }
        _ => {
            let digits = bytes[at..].iter().position(u8::is_ascii_digit).map_or(at, |skip| at + skip);
            let length = bytes[digits..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            bytes.splice(digits..digits + length, NUMBERS[dice.below(NUMBERS.len())].bytes());
        }
    }
}

/// Numbers that look like chance; Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    /// The same for the same bytes; Fowler, Noll and Vo's hash.
    fn of(bytes: &[u8]) -> Self {
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash) | 1)
    }

    /// One of the numbers below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or_default() % limit
    }
}
