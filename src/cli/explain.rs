//! `vmrun explain`: the tables and keys of a profile, and what they do.

use super::Exit;
use super::args::Explain;
use super::output::Output;
use super::refuse::refuse_with;
use super::render::reference::{self, Entry};
use crate::profile::reference::{Key, Reference, Table, schema};

/// Explains a key, the keys of a table or, without a path, names all tables.
pub(super) fn run(args: &Explain, output: Output) -> Exit {
    let reference = Reference::of(&schema());
    let Some(asked) = &args.path else {
        return answer(&Entry::Tables(&reference.tables), output);
    };
    let path = plain(asked);
    if let Some(table) = reference.table(&path).filter(|_| !path.is_empty()) {
        return answer(&Entry::Table(table, &reference), output);
    }
    if let Some((table, key)) = reference.key(&path).or_else(|| lone(&path, &reference)) {
        return answer(&Entry::Key(table, key), output);
    }
    let what = format!("a profile has no `{}`", asked.escape_debug());
    refuse_with(Exit::Usage, what, near(&path, &reference), output)
}

fn answer(entry: &Entry<'_>, output: Output) -> Exit {
    if output.json {
        return output.answer_json(&reference::json(entry), Exit::Good);
    }
    output.answer(&reference::text(entry, output.width), Exit::Good)
}

/// A path as messages and headers write it, without its brackets: `disk[0].file`, `[[disk]]`.
fn plain(path: &str) -> String {
    let bare = path.trim_start_matches('[').trim_end_matches(']');
    let mut parts = bare.split('[');
    let head = parts.next().unwrap_or_default().to_owned();
    parts.filter_map(|part| Some(part.split_once(']')?.1)).fold(head, |plain, part| plain + part)
}

/// The one key that has the name `name` in whatever table.
fn lone<'r>(name: &str, reference: &'r Reference) -> Option<(&'r Table, &'r Key)> {
    let paths = homes(name, reference);
    let [only] = &paths[..] else { return None };
    reference.key(only)
}

/// The paths of the keys that are named `name`.
fn homes(name: &str, reference: &Reference) -> Vec<String> {
    let last = |path: &String| path.rsplit('.').next() == Some(name);
    reference.paths().into_iter().filter(last).collect()
}

/// What may be meant by `path`, which is no table and no key.
fn near(path: &str, reference: &Reference) -> String {
    match (&homes(path, reference)[..], reference.nearest(path)) {
        ([], Some(meant)) => format!("vmrun explain {meant}   # did you mean this?"),
        ([], None) => "vmrun explain   # lists the tables".to_owned(),
        (homes, _) => format!("it is a key of several tables: {}", homes.join(", ")),
    }
}

#[cfg(test)]
mod test {
    use super::plain;

    #[test]
    fn a_path_may_be_written_as_a_message_has_it() {
        assert_eq!(plain("disk[0].file"), "disk.file");
        assert_eq!(plain("[[disk]]"), "disk");
        assert_eq!(plain("cpu.pinning.vcpus[3]"), "cpu.pinning.vcpus");
    }
}
