//! Gives memory back that only the start of a guest needed.

use rustix::mm::{Advice, madvise};
use std::ffi::c_void;
use std::fs;

/// Takes the code and the constants of this program and of its libraries out of its memory, and what was freed. What is
/// needed again, the kernel reads from its page cache; a vmrun that waits for its guest needs a tenth of it.
///
/// It cannot fail: what the kernel keeps is as it was. Kernel: `Documentation/filesystems/proc.rst`, `maps`.
pub fn spare_memory() {
    give_back_freed();
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in unwritten(&maps) {
        advise(start, length, Advice::LinuxDontNeed);
    }
}

/// Has threads that come later allocate where all others do: each would get a heap of its own, of which something stays
/// when it ends. vmrun has them only for a moment, and none that is in a hurry. `mallopt(3)`, `M_ARENA_MAX`.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
pub fn share_one_heap() {
    // SAFETY: it takes two numbers, and what is allocated already stays where it is.
    _ = unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
}

/// Other C libraries have one.
#[cfg(not(target_env = "gnu"))]
pub fn share_one_heap() {}

/// Start and length of the mappings of programs and libraries into which nothing was ever written: of each file those up
/// to its code. What lies behind it holds addresses that were filled in, and is private to this process.
fn unwritten(maps: &str) -> impl Iterator<Item = (usize, usize)> {
    let (mut file, mut is_before) = ("", true);
    maps.lines().filter_map(move |line| {
        let fields: Vec<_> = line.splitn(6, ' ').collect();
        let &[range, rights, .., path] = fields.as_slice() else { return None };
        let path = path.trim_start();
        if path != file {
            (file, is_before) = (path, true);
        }
        let unwritten = is_before && path.starts_with('/') && matches!(rights, "r--p" | "r-xp");
        is_before = unwritten && rights == "r--p";
        let (start, end) = range.split_once('-').filter(|_| unwritten)?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = (number(start)?, number(end)?);
        Some((start, end.checked_sub(start)?))
    })
}

/// A QEMU that was asked what it can do leaves megabytes between what is kept. `malloc_trim(3)`.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn give_back_freed() {
    // SAFETY: it takes a number and touches nothing that is in use.
    _ = unsafe { nix::libc::malloc_trim(0) };
}

/// Other C libraries keep less.
#[cfg(not(target_env = "gnu"))]
fn give_back_freed() {}

#[allow(unsafe_code)]
fn advise(start: usize, length: usize, advice: Advice) {
    // SAFETY: the mapping is of a file, private and read-only, and was never written to: a page that is touched again
    // is read from the file again, with the same content. madvise(2), MADV_DONTNEED.
    _ = unsafe { madvise(start as *mut c_void, length, advice) };
}

#[cfg(test)]
mod test {
    use super::{Advice, advise, share_one_heap, spare_memory, unwritten};
    use std::process::Command;
    use std::sync::Barrier;
    use std::{env, fs, thread};

    const MAPS: &str = "\
55d0c2a00000-55d0c2a2f000 r--p 00000000 fe:00 1234                       /usr/bin/vmrun
55d0c2a2f000-55d0c2b00000 r-xp 0002e000 fe:00 1234                       /usr/bin/vmrun
55d0c2b00000-55d0c2b10000 r--p 000ff000 fe:00 1234                       /usr/bin/vmrun
55d0c2b10000-55d0c2b11000 rw-p 0010e000 fe:00 1234                       /usr/bin/vmrun
55d0c3000000-55d0c3021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000010000 r--p 00000000 fe:00 99                         /usr/lib/libc.so.6
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
";

    #[test]
    fn only_what_was_never_written_to_is_given_back() {
        let (program, library) =
            ([(0x55d0_c2a0_0000, 0x2_f000), (0x55d0_c2a2_f000, 0xd_1000)], (0x7f00_0000_0000, 0x1_0000));
        assert_eq!(unwritten(MAPS).collect::<Vec<_>>(), [program[0], program[1], library]);
        let writable = MAPS.replacen("r--p", "rw-p", 1);
        assert_eq!(unwritten(&writable).collect::<Vec<_>>(), [library]);
    }

    /// Tells the test that it is alone in its process: the code of others would come back meanwhile.
    const ALONE: &str = "VMRUN_TEST_ALONE";

    /// Whether the test `name` has a process for itself; if not, it has passed in one now.
    fn is_alone(name: &str) -> bool {
        if env::var_os(ALONE).is_some() {
            return true;
        }
        let mut alone = Command::new(env::current_exe().unwrap());
        let name = format!("process::spare::test::{name}");
        let output = alone.args(["--exact", &name]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        false
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn threads_get_no_heaps_of_their_own() {
        if !is_alone("threads_get_no_heaps_of_their_own") {
            return;
        }
        // Each reserves 64 MiB.
        let heaps = || {
            let maps = fs::read_to_string("/proc/self/maps").unwrap();
            let length = |line: &str| {
                let (start, end) = line.split_once(' ')?.0.split_once('-')?;
                Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
            };
            maps.lines().filter(|line| length(line) > Some(32 << 20)).count()
        };
        let with_two_threads = || {
            let both_have = Barrier::new(2);
            let allocate = || {
                let kept = vec![1_u8; 1000];
                both_have.wait();
                kept.len()
            };
            thread::scope(|scope| _ = [scope.spawn(allocate), scope.spawn(allocate)]);
        };
        share_one_heap();
        let before = heaps();
        with_two_threads();
        assert_eq!(heaps(), before);
    }

    #[test]
    fn the_program_goes_on_with_less_memory() {
        if !is_alone("the_program_goes_on_with_less_memory") {
            return;
        }
        let resident = |what: &str| {
            let maps = fs::read_to_string("/proc/self/smaps").unwrap();
            let those = maps.split("VmFlags").filter(|mapping| mapping.contains(what));
            let kib = those.filter_map(|mapping| mapping.lines().find_map(|line| line.strip_prefix("Rss:")));
            kib.map(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap()).collect::<Vec<_>>()
        };
        // The heap of a test's thread is a mapping without a name.
        let (code, heap) = (|| resident("r-xp")[0], || resident("rw-p").iter().sum::<u64>());
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        for (start, length) in unwritten(&maps) {
            advise(start, length, Advice::LinuxPopulateRead);
        }
        // Pieces too small for mappings of their own, below one that stays.
        let mut pieces: Vec<_> = (0..16 << 10).map(|_| vec![1_u8; 1000]).collect();
        pieces.drain(..pieces.len() - 1);
        let (before, heap_before) = (code(), heap());
        spare_memory();
        let (after, heap_after) = (code(), heap());
        assert!(after < before / 2, "{before} KiB, then {after} KiB");
        assert!(heap_after < heap_before / 4, "{heap_before} KiB of heap, then {heap_after} KiB");
        assert_eq!(pieces.len(), 1);
    }
}
