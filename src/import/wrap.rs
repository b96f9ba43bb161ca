//! What stands before QEMU in its command: programs that set something and then start it.

use super::argv::Word;
use super::page::Page;
use super::report::{Fate, Report};
use super::shell::is_assignment;
use crate::unit::CpuSet;

/// Programs that start another one: their options that take a value, and how many words they take before it.
const PROGRAMS: &[(&str, &str, usize)] = &[
    ("!", "", 0),
    ("cgexec", "-g", 0),
    ("chrt", "-T -P -D --sched-runtime --sched-period --sched-deadline", 1),
    ("do", "", 0),
    ("doas", "-u -C", 0),
    ("else", "", 0),
    ("env", "-u -C -S --unset --chdir --split-string", 0),
    ("exec", "-a", 0),
    ("ionice", "-c -n --class --classdata", 0),
    ("nice", "-n --adjustment", 0),
    ("nohup", "", 0),
    (
        "numactl",
        "-m -N -C -i -p -P -w --membind --cpunodebind --physcpubind --interleave --preferred --preferred-many",
        0,
    ),
    ("pkexec", "--user", 0),
    ("runuser", "-u -g -G -s --user --group --supp-group --shell", 0),
    ("screen", "-S -t -c -T -p -e -h -s", 0),
    ("setsid", "", 0),
    ("sudo", "-u -g -h -p -C -D -R -T -U -r -t --user --group --host --prompt --chdir --chroot", 0),
    (
        "systemd-run",
        "-p -u -H -M -E -d --property --slice --unit --description --uid --gid --nice --working-directory --setenv \
         --service-type --host --machine",
        0,
    ),
    ("taskset", "", 1),
    ("then", "", 0),
    ("time", "-f -o --format --output", 0),
    ("{", "", 0),
];

/// Finds out what `words` do, which stand before QEMU.
pub(super) fn import(words: &[Word], env: &mut Vec<(String, String, usize)>, page: &mut Page, report: &mut Report) {
    let mut rest = words;
    // Words with a `=` are variables before any program, and behind those that take them.
    let mut variables = true;
    while let [word, after @ ..] = rest {
        if variables && is_assignment(&word.text) {
            variable(word, env, report);
            rest = after;
            continue;
        }
        let (args, after) = after.split_at(arguments(word, after));
        let name = name_of(word);
        variables = matches!(name, "env" | "sudo" | "doas" | "exec" | "do" | "then" | "else" | "{" | "!" | "time");
        let args: Vec<_> = args.iter().map(|word| word.text.as_str()).collect();
        let shown = [&[word.text.as_str()][..], &args].concat().join(" ");
        for fate in fates(name, &args, page) {
            report.note(word.line, shown.clone(), fate);
        }
        rest = after;
    }
}

fn name_of(word: &Word) -> &str {
    word.text.rsplit('/').next().unwrap_or_default()
}

/// How many of the words `after` a program are its own.
fn arguments(program: &Word, after: &[Word]) -> usize {
    let known = |word: &Word| PROGRAMS.iter().find(|(name, ..)| *name == name_of(word));
    let Some((_, valued, words)) = known(program) else {
        // Nobody knows which of its words is the next program.
        return after.iter().position(|word| known(word).is_some()).unwrap_or(after.len());
    };
    let mut at = 0;
    while let Some(word) = after.get(at).map(|word| word.text.as_str()).filter(|word| word.starts_with('-')) {
        at += 1;
        if word == "--" {
            break;
        }
        at += usize::from(takes_next(word, valued));
    }
    (at + words).min(after.len())
}

/// Whether the value of the option `word` is the next word; `valued` are those that take one.
fn takes_next(word: &str, valued: &str) -> bool {
    let takes = |option: &str| valued.split_whitespace().any(|own| own == option);
    if word.starts_with("--") {
        return takes(word);
    }
    let letters = word[1..].char_indices();
    let first = letters.into_iter().find(|(_, letter)| takes(&format!("-{letter}")));
    first.is_some_and(|(at, letter)| at + letter.len_utf8() == word.len() - 1)
}

/// The value of one of the options `names` in `args`.
fn value<'a>(args: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let joined = |word: &'a str| word.split_once('=').filter(|(name, _)| names.contains(name)).map(|(_, value)| value);
    let next = args.windows(2).find(|pair| names.contains(&pair[0])).map(|pair| pair[1]);
    args.iter().find_map(|word| joined(word)).or(next)
}

/// What becomes of the program `name` with `args`.
fn fates(name: &str, args: &[&str], page: &mut Page) -> Vec<Fate> {
    let one = match name {
        "exec" | "time" | "nohup" | "setsid" | "do" | "then" | "else" | "{" | "!" => {
            Fate::Needless("vmrun starts QEMU itself".into())
        }
        "sudo" | "doas" | "pkexec" | "runuser" | "su" => as_user(name, args),
        "env" => Fate::Translated("see the variables".into()),
        "taskset" => pinned(args, page),
        "chrt" => scheduled(args, page),
        "numactl" => return on_nodes(args, page),
        "nice" | "ionice" => Fate::Lost("cpu.pinning.nice sets the priority of vCPUs".into()),
        "systemd-run" | "cgexec" => {
            Fate::Lost("vmrun starts QEMU itself, in a group of its own; [cpu.pinning] says where it runs".into())
        }
        _ => Fate::Lost("vmrun starts QEMU itself; start vmrun by it if it is needed".into()),
    };
    vec![one]
}

fn as_user(name: &str, args: &[&str]) -> Fate {
    let last = || args.last().copied().filter(|word| !word.starts_with('-'));
    let user = value(args, &["-u", "--user"]).or_else(|| last().filter(|_| name == "su"));
    Fate::Translated(match user.filter(|user| *user != "root") {
        Some(user) => format!("start vmrun as {user}"),
        None => "start vmrun as that user: sudo vmrun …".into(),
    })
}

fn pinned(args: &[&str], page: &mut Page) -> Fate {
    let listed = args.iter().any(|word| *word == "--cpu-list" || !word.starts_with("--") && word.contains('c'));
    match args.last().filter(|set| listed && set.parse::<CpuSet>().is_ok()) {
        Some(set) => {
            page.table("cpu.pinning").set("emulator", *set);
            Fate::Translated("cpu.pinning.emulator; vCPUs are pinned one by one by cpu.pinning.vcpus".into())
        }
        None => Fate::Lost("a mask instead of a list; cpu.pinning takes lists".into()),
    }
}

fn scheduled(args: &[&str], page: &mut Page) -> Fate {
    let priority = args.iter().find_map(|word| word.parse::<u8>().ok());
    match priority.filter(|_| args.iter().any(|word| matches!(*word, "-f" | "--fifo" | "-r" | "--rr"))) {
        Some(priority) => {
            page.table("cpu.pinning").set("sched", format!("fifo:{}", priority.max(1)));
            Fate::Translated("cpu.pinning.sched".into())
        }
        None => Fate::Lost("vmrun knows normal and fifo".into()),
    }
}

fn on_nodes(args: &[&str], page: &mut Page) -> Vec<Fate> {
    let mut fates = Vec::new();
    if let Some(nodes) = value(args, &["-m", "--membind"]).and_then(|nodes| nodes.parse::<CpuSet>().ok()) {
        let nodes: Vec<i64> = nodes.iter().map(i64::from).collect();
        page.table("memory").set("host_nodes", nodes);
        fates.push(Fate::Translated("memory.host_nodes".into()));
    }
    let cpus = value(args, &["-N", "--cpunodebind", "-C", "--physcpubind"]);
    fates.extend(cpus.map(|cpus| Fate::Lost(format!("{cpus}: cpu.pinning says where it runs"))));
    if fates.is_empty() {
        fates.push(Fate::Lost("cpu.pinning and memory.host_nodes say where it runs".into()));
    }
    fates
}

/// A variable that QEMU is given.
fn variable(word: &Word, env: &mut Vec<(String, String, usize)>, report: &mut Report) {
    let Some((name, value)) = word.text.split_once('=') else { return };
    if is_of_the_shell(name) {
        let fate = Fate::Needless("QEMU inherits that of whoever starts vmrun".into());
        return report.note(word.line, word.text.clone(), fate);
    }
    env.push((name.to_owned(), value.to_owned(), word.line));
}

/// Whether every program has the variable `name`, as libvirt gives them to its QEMU.
fn is_of_the_shell(name: &str) -> bool {
    let own = ["HOME", "PATH", "USER", "LOGNAME", "SHELL", "TERM", "LANG"];
    let folders = ["XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];
    name.starts_with("LC_") || own.contains(&name) || folders.contains(&name)
}
