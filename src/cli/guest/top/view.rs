//! A look as lines.

use super::rate::{Look, Source, Vcpu};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

/// A thread that ran for less, in milliseconds of a second, disturbs nobody.
const NOTICED: f64 = 0.01;

/// Milliseconds of a second that a vCPU may wait before that is worth a look, and before a player notices.
const WAITS: [f64; 2] = [1.0, 10.0];

const HEAD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const CARE: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const PLAIN: Style = Style::new();

/// A line of a terminal, in pieces of one style each.
type Line = Vec<(Style, String)>;

/// The lines for `width` columns, with terminal styles; `hint` stands at the end of the first one, where there is room.
pub(super) fn page(name: &str, look: &Look, width: usize, hint: &str) -> Vec<String> {
    let Look { vcpus, rest, vfio } = look;
    let counted = vcpus.iter().any(|vcpu| vcpu.exits.is_some());
    let exits: u64 = vcpus.iter().filter_map(|vcpu| vcpu.exits).sum();
    let mut head = format!("  {} vCPUs", vcpus.len());
    if counted {
        _ = write!(head, "  {} exits/s", short(exits));
    }
    let busy: f64 = vcpus.iter().map(|vcpu| vcpu.busy).sum();
    _ = write!(head, "  {busy:.0} % busy");
    let room = width.checked_sub(name.chars().count() + head.chars().count() + hint.len());
    let hint = room
        .filter(|room| *room >= 2 && !hint.is_empty())
        .map(|room| format!("{:room$}{hint}", ""))
        .unwrap_or_default();
    let mut lines = vec![vec![(HEAD, name.to_owned()), (PLAIN, head), (FAINT, hint)], Line::new()];
    lines.push(vec![(FAINT, "vCPU  CPU   MHz  busy  wait ms  moved  exits/s  disturbed by".to_owned())]);
    lines.extend(vcpus.iter().map(row));
    let threads = if rest.threads == 1 { "thread" } else { "threads" };
    lines.push(Line::new());
    let emulator = format!("emulator: {} {threads}, last on {}, {:.0} % busy", rest.threads, rest.cpus, rest.busy);
    lines.push(vec![(PLAIN, emulator)]);
    let source = |Source { name, rate, cpus }: &Source| vec![(PLAIN, format!("{name}: {}/s on {cpus}", short(*rate)))];
    lines.extend(vfio.iter().map(source));
    lines.into_iter().map(|line| cut(line, width)).collect()
}

fn row(vcpu: &Vcpu) -> Line {
    let text = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), short);
    let threads = vcpu.disturbers.iter().filter(|it| it.ms >= NOTICED).map(|it| format!("{} {:.2} ms", it.name, it.ms));
    let interrupts = vcpu.interrupts.iter().map(|it| format!("{} {}/s", it.name, short(it.rate)));
    let all: Vec<_> = threads.chain(interrupts).collect();
    let (place, placed) = if vcpu.in_place { (' ', PLAIN) } else { ('!', BAD) };
    let waits = match WAITS.iter().filter(|least| vcpu.wait_ms >= **least).count() {
        0 => PLAIN,
        1 => CARE,
        _ => BAD,
    };
    let moved = if vcpu.moved.is_some_and(|moved| moved > 0) { CARE } else { PLAIN };
    let mhz = vcpu.mhz.map_or_else(|| "-".to_owned(), |mhz| mhz.to_string());
    vec![
        (PLAIN, format!("{:4} ", vcpu.vcpu)),
        (placed, format!("{:>4}{place}", vcpu.cpu)),
        (PLAIN, format!(" {mhz:>4} {:>4.0}% ", vcpu.busy)),
        (waits, format!("{:>8.2}", vcpu.wait_ms)),
        (moved, format!(" {:>6}", text(vcpu.moved))),
        (PLAIN, format!(" {:>8}  ", text(vcpu.exits))),
        (CARE, all.join(", ")),
    ]
}

/// A count in four columns: `999`, `12k`, `3M`.
fn short(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..10_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// `line` in `width` columns, with its styles. A thread may call itself anything; a terminal shall not obey it.
fn cut(line: Line, width: usize) -> String {
    let columns: usize = line.iter().map(|(_, text)| text.chars().count()).sum();
    let (mut left, mut text) = (if columns > width { width.saturating_sub(1) } else { width }, String::new());
    for (style, piece) in line {
        let seen = piece.chars().map(|c| if c.is_control() { '?' } else { c }).take(left).collect::<String>();
        left -= seen.chars().count();
        if !seen.is_empty() {
            _ = write!(text, "{style}{seen}{style:#}");
        }
    }
    if columns > width {
        text.push('…');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod test {
    use super::super::rate::{Disturber, Look, Rest, Source, Vcpu};
    use super::page;

    fn look() -> Look {
        let disturber = |name: &str, ms| Disturber { name: name.into(), tid: 9, ms };
        let source = |name: &str, rate| Source { name: name.into(), rate, cpus: "2".parse().unwrap() };
        let vcpu = |vcpu: usize, cpu, in_place, disturbers, interrupts| Vcpu {
            vcpu,
            cpu,
            in_place,
            mhz: (cpu == 2).then_some(4450),
            busy: 97.4,
            wait_ms: 0.25,
            moved: Some(0),
            exits: (cpu == 2).then_some(12_345),
            disturbers,
            interrupts,
        };
        let first = vcpu(
            0,
            2,
            true,
            vec![disturber("kworker/2:1\u{1b}[2J", 0.2), disturber("idle", 0.001)],
            vec![source("nvme0q3", 12)],
        );
        let second = vcpu(1, 10, false, Vec::new(), Vec::new());
        let rest = Rest { threads: 3, cpus: "0-1".parse().unwrap(), busy: 4.0 };
        Look { vcpus: vec![first, second], rest, vfio: vec![source("vfio-msix[0](0000:0a:00.0)", 1200)] }
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_look_fits_the_columns_and_names_who_disturbs() {
        assert_eq!(
            plain(&page("windows", &look(), 100, "")),
            [
                "windows  2 vCPUs  12k exits/s  195 % busy",
                "",
                "vCPU  CPU   MHz  busy  wait ms  moved  exits/s  disturbed by",
                "   0    2  4450   97%     0.25      0      12k  kworker/2:1?[2J 0.20 ms, nvme0q3 12/s",
                "   1   10!    -   97%     0.25      0        -",
                "",
                "emulator: 3 threads, last on 0-1, 4 % busy",
                "vfio-msix[0](0000:0a:00.0): 1200/s on 2",
            ]
        );
        let hinted = plain(&page("windows", &look(), 80, "q quits"));
        assert_eq!(hinted[0], format!("{:<73}q quits", "windows  2 vCPUs  12k exits/s  195 % busy"));
        assert_eq!(plain(&page("windows", &look(), 48, "q quits"))[0], "windows  2 vCPUs  12k exits/s  195 % busy");
        assert!(page("windows", &look(), 100, "")[0].ends_with("% busy"), "no blanks are left at its end");
        assert!(plain(&page("windows", &look(), 60, "")).iter().all(|line| line.chars().count() <= 60));
    }

    #[test]
    fn what_is_wrong_has_its_colour() {
        let mut look = look();
        look.vcpus[1].wait_ms = 12.0;
        look.vcpus[1].moved = Some(2);
        let lines = page("windows", &look, 100, "");
        let (care, bad) = ("\u{1b}[33m", "\u{1b}[31m");
        assert!(lines[3].contains(&format!("{care}kworker")) && !lines[3].contains(bad), "{:?}", lines[3]);
        assert!(
            lines[4].contains(&format!("{bad}  10!")) && lines[4].contains(&format!("{bad}   12.00")),
            "{:?}",
            lines[4]
        );
        assert!(lines[4].contains(&format!("{care}      2")), "{:?}", lines[4]);
    }
}
