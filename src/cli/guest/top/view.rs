//! A look as lines.

use super::rate::{Look, Source, Vcpu};
use std::fmt::Write as _;

/// A thread that ran for less, in milliseconds of a second, disturbs nobody.
const NOTICED: f64 = 0.01;

/// The lines for `width` columns.
pub(super) fn page(name: &str, look: &Look, width: usize) -> Vec<String> {
    let Look { vcpus, rest, vfio } = look;
    let counted = vcpus.iter().any(|vcpu| vcpu.exits.is_some());
    let exits: u64 = vcpus.iter().filter_map(|vcpu| vcpu.exits).sum();
    let mut head = format!("{name}  {} vCPUs", vcpus.len());
    if counted {
        _ = write!(head, "  {} exits/s", short(exits));
    }
    let busy: f64 = vcpus.iter().map(|vcpu| vcpu.busy).sum();
    _ = write!(head, "  {busy:.0} % busy");
    let mut lines = vec![head, String::new()];
    lines.push("vCPU  CPU   MHz  busy  wait ms  moved  exits/s  disturbed by".to_owned());
    lines.extend(vcpus.iter().map(row));
    let threads = if rest.threads == 1 { "thread" } else { "threads" };
    lines.push(String::new());
    lines.push(format!("emulator: {} {threads}, last on {}, {:.0} % busy", rest.threads, rest.cpus, rest.busy));
    lines.extend(vfio.iter().map(|Source { name, rate, cpus }| format!("{name}: {}/s on {cpus}", short(*rate))));
    lines.into_iter().map(|line| cut(&line, width)).collect()
}

/// The same with how to leave at the end of the first line, where there is room.
pub(super) fn with_hint(mut lines: Vec<String>, width: usize) -> Vec<String> {
    const HINT: &str = "q quits";
    if let Some(first) = lines.first_mut()
        && let Some(room) = width.checked_sub(first.chars().count() + HINT.len()).filter(|room| *room >= 2)
    {
        _ = write!(first, "{:room$}{HINT}", "");
    }
    lines
}

fn row(vcpu: &Vcpu) -> String {
    let text = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), short);
    let threads = vcpu.disturbers.iter().filter(|it| it.ms >= NOTICED).map(|it| format!("{} {:.2} ms", it.name, it.ms));
    let interrupts = vcpu.interrupts.iter().map(|it| format!("{} {}/s", it.name, short(it.rate)));
    let all: Vec<_> = threads.chain(interrupts).collect();
    let place = if vcpu.in_place { ' ' } else { '!' };
    format!(
        "{:4} {:>4}{place} {:>4} {:>4.0}% {:>8.2} {:>6} {:>8}  {}",
        vcpu.vcpu,
        vcpu.cpu,
        vcpu.mhz.map_or_else(|| "-".to_owned(), |mhz| mhz.to_string()),
        vcpu.busy,
        vcpu.wait_ms,
        text(vcpu.moved),
        text(vcpu.exits),
        all.join(", ")
    )
    .trim_end()
    .to_owned()
}

/// A count in four columns: `999`, `12k`, `3M`.
fn short(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..10_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// `line` in `width` columns. A thread may call itself anything; a terminal shall not obey it.
fn cut(line: &str, width: usize) -> String {
    let visible = line.chars().map(|c| if c.is_control() { '?' } else { c });
    if line.chars().count() <= width {
        visible.collect()
    } else {
        visible.take(width.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
mod test {
    use super::super::rate::{Disturber, Look, Rest, Source, Vcpu};
    use super::{page, with_hint};

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

    #[test]
    fn a_look_fits_the_columns_and_names_who_disturbs() {
        assert_eq!(
            page("windows", &look(), 100),
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
        let hinted = with_hint(page("windows", &look(), 80), 80);
        assert_eq!(hinted[0], format!("{:<73}q quits", "windows  2 vCPUs  12k exits/s  195 % busy"));
        assert_eq!(with_hint(vec!["windows".into()], 15), ["windows"]);
        assert!(page("windows", &look(), 60).iter().all(|line| line.chars().count() <= 60));
    }
}
