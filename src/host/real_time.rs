//! How much of a CPU the kernel lets real-time threads have. Source: `sched(7)`, "Limiting the CPU usage of real-time and
//! deadline processes".

use super::Root;

/// Percent of the time that a busy real-time thread runs; `None` for all of it, and where the kernel does not tell.
///
/// From Linux 6.12 on a thread is stopped only for others that wait for its CPU, so where it has one to itself, never.
pub(super) fn percent(root: &Root) -> Option<u8> {
    let release = root.text("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    let limit = |name: &str| root.text(format!("/proc/sys/kernel/sched_rt_{name}_us"))?.parse::<u64>().ok();
    let is_older = (numbers.next()?, numbers.next()?) < (6, 12);
    // Without a limit the file says -1.
    let percent = (limit("runtime")? * 100).checked_div(limit("period")?)?;
    u8::try_from(percent).ok().filter(|percent| is_older && *percent < 100)
}

#[cfg(test)]
mod test {
    use super::percent;
    use crate::host::tree::lay_out;

    #[test]
    fn a_kernel_that_stops_busy_threads_says_for_how_long() {
        let kernel = |release: &str, runtime: &str| {
            let tree = lay_out(&[
                ("/proc/sys/kernel/osrelease", release),
                ("/proc/sys/kernel/sched_rt_runtime_us", runtime),
                ("/proc/sys/kernel/sched_rt_period_us", "1000000\n"),
            ]);
            percent(&tree.root)
        };
        assert_eq!(kernel("6.1.0-50-amd64\n", "950000\n"), Some(95));
        assert_eq!(kernel("6.1.0-50-amd64\n", "-1\n"), None);
        assert_eq!(kernel("6.1.0-50-amd64\n", "1000000\n"), None);
        assert_eq!(kernel("6.12.3-arch1-1\n", "950000\n"), None);
        assert_eq!(percent(&lay_out(&[]).root), None);
    }
}
