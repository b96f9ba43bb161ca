//! What happens on host CPUs: interrupts, clocks, and who runs. Counters since the start of the machine; two looks make a
//! rate. Source: `proc_interrupts(5)`, Linux `Documentation/scheduler/sched-stats.rst`.

use super::Root;
use crate::unit::{Bdf, CpuSet};
use std::collections::BTreeMap;
use std::time::Instant;

/// A line of `/proc/interrupts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interrupt {
    /// The kernel's number, or its name for those of a CPU itself, like `LOC`.
    pub id: String,
    /// Who handles it, like `nvme0q1` or `vfio-msix[0](0000:0a:00.0)`.
    pub handler: String,
    /// How often it came, by host CPU.
    pub counts: BTreeMap<u32, u64>,
}

impl Interrupt {
    /// The passed function that it is of, and which of its vectors it is: `vfio-msix[3](0000:0a:00.0)`, and `vfio-intx(…)`
    /// for a line. `None` for one that the host handles itself. Linux: `drivers/vfio/pci/vfio_pci_intrs.c`.
    #[must_use]
    pub fn passed(&self) -> Option<(Bdf, usize)> {
        let (kind, rest) = self.handler.strip_prefix("vfio-")?.split_once('(')?;
        let vector = kind.split_once('[').and_then(|(_, number)| number.strip_suffix(']')?.parse().ok());
        Some((rest.strip_suffix(')')?.parse().ok()?, vector.unwrap_or_default()))
    }
}

/// A thread that has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Process that it belongs to.
    pub pid: u32,
    /// Nanoseconds that it ran.
    pub ns: u64,
    /// Nanoseconds that it was ready and waited for a host CPU.
    pub waited_ns: u64,
    /// When that was read: on a busy machine a look at all threads takes long.
    pub at: Instant,
}

/// All interrupts.
#[must_use]
pub fn interrupts(root: &Root) -> Vec<Interrupt> {
    let text = root.text("/proc/interrupts").unwrap_or_default();
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let cpus: Vec<u32> =
        head.split_ascii_whitespace().filter_map(|name| name.strip_prefix("CPU")?.parse().ok()).collect();
    lines.filter_map(|line| interrupt(line, &cpus)).collect()
}

fn interrupt(line: &str, cpus: &[u32]) -> Option<Interrupt> {
    let (id, rest) = line.split_once(':')?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let counts: BTreeMap<u32, u64> =
        cpus.iter().zip(&words).map_while(|(cpu, word)| Some((*cpu, word.parse().ok()?))).collect();
    let handler = words.get(counts.len()..)?.last().copied().unwrap_or_default().to_owned();
    Some(Interrupt { id: id.trim().to_owned(), handler, counts })
}

/// Clocks of the host CPUs `cpus` in MHz, of those of which the kernel tells.
///
/// Where nothing sets frequencies, `cpu MHz` of `/proc/cpuinfo` is what the kernel has measured. That is read only then: it is
/// long on a large machine. Linux: `arch_freq_get_on_cpu`, `arch/x86/kernel/cpu/aperfmperf.c`.
#[must_use]
pub fn mhz(root: &Root, cpus: &CpuSet) -> BTreeMap<u32, u32> {
    let set = |cpu: u32| {
        let khz = root.text(format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq"))?;
        Some((cpu, khz.parse::<u32>().ok()? / 1000))
    };
    let mut clocks: BTreeMap<_, _> = cpus.iter().filter_map(set).collect();
    if cpus.iter().any(|cpu| !clocks.contains_key(&cpu)) {
        let measured = measured(&root.text("/proc/cpuinfo").unwrap_or_default());
        for (cpu, mhz) in measured.into_iter().filter(|(cpu, _)| cpus.contains(*cpu)) {
            clocks.entry(cpu).or_insert(mhz);
        }
    }
    clocks
}

/// `processor : 2` and, some lines later, `cpu MHz : 4450.123`.
fn measured(text: &str) -> BTreeMap<u32, u32> {
    let mut clocks = BTreeMap::new();
    let mut cpu = None;
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        match key.trim() {
            "processor" => cpu = value.trim().parse::<u32>().ok(),
            "cpu MHz" => {
                let mhz = value.trim().split('.').next().and_then(|mhz| mhz.parse::<u32>().ok());
                // Zero is what a kernel says that has measured nothing.
                clocks.extend(cpu.zip(mhz.filter(|mhz| *mhz > 0)));
            }
            _ => {}
        }
    }
    clocks
}

/// How long each thread of the machine has run and waited, by its id.
#[must_use]
pub fn ran(root: &Root) -> BTreeMap<u32, Ran> {
    let numbers =
        |folder: &str| root.names(folder).into_iter().filter_map(|name| name.parse::<u32>().ok()).collect::<Vec<_>>();
    let of_process = |pid: u32| {
        let threads = numbers(&format!("/proc/{pid}/task")).into_iter();
        threads.filter_map(move |tid| {
            let text = root.text(format!("/proc/{pid}/task/{tid}/schedstat"))?;
            let at = Instant::now();
            let mut numbers = text.split(' ').map_while(|number| number.parse().ok());
            Some((tid, Ran { pid, ns: numbers.next()?, waited_ns: numbers.next()?, at }))
        })
    };
    numbers("/proc").into_iter().flat_map(of_process).collect()
}

#[cfg(test)]
mod test {
    use super::{interrupts, mhz, ran};
    use crate::host::tree::lay_out;

    #[test]
    fn interrupts_are_counted_by_cpu_also_where_one_is_switched_off() {
        let tree = lay_out(&[(
            "/proc/interrupts",
            "       CPU0  CPU2\n  35:  10  20  IR-PCI-MSI-0000:0a:00.0  0-edge  vfio-msix[0](0000:0a:00.0)\n LOC:  5  6  Local timer interrupts\n ERR:  0\n",
        )]);
        let told: Vec<_> = interrupts(&tree.root)
            .into_iter()
            .map(|it| (it.id, it.handler, it.counts.into_iter().collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            told,
            [
                ("35".to_owned(), "vfio-msix[0](0000:0a:00.0)".to_owned(), vec![(0, 10), (2, 20)]),
                ("LOC".to_owned(), "interrupts".to_owned(), vec![(0, 5), (2, 6)]),
                ("ERR".to_owned(), String::new(), vec![(0, 0)]),
            ]
        );
    }

    #[test]
    fn clocks_and_running_times_are_read() {
        let tree = lay_out(&[
            ("/sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq", "4450123\n"),
            ("/proc/7/task/8/schedstat", "1000 200 3\n"),
            ("/proc/uptime", "1 1\n"),
            (
                "/proc/cpuinfo",
                "processor\t: 0\ncpu MHz\t\t: 2893.202\n\nprocessor\t: 1\ncpu MHz\t\t: 0.000\n\nprocessor\t: 2\ncpu MHz\t\t: 1.0\n",
            ),
        ]);
        // What nothing sets is measured; what is set is that.
        assert_eq!(mhz(&tree.root, &"0-2".parse().unwrap()), [(0, 2893), (2, 4450)].into());
        assert!(mhz(&tree.root, &"7".parse().unwrap()).is_empty());
        let told: Vec<_> = ran(&tree.root).into_iter().map(|(tid, it)| (tid, it.pid, it.ns, it.waited_ns)).collect();
        assert_eq!(told, [(8, 7, 1000, 200)]);
    }
}
