//! The end of what QEMU printed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::fd::AsRawFd;

/// Lines that are shown.
const LINES: usize = 20;

/// Bytes from the end that are looked at; a QEMU that floods its log must not cost memory.
const BYTES: u64 = 64 << 10;

/// The log of one run, which may go on in a file with earlier ones.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    start: u64,
}

impl Log {
    /// What is appended to `file` from now on.
    pub(super) fn from_here(file: File) -> Self {
        let start = file.metadata().map_or(0, |facts| facts.len());
        Self { file, start }
    }

    /// All of `file`, which belongs to one run.
    pub(super) fn whole(file: File) -> Self {
        Self { file, start: 0 }
    }

    /// The file, to be written to.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The last lines since the start; none when the log cannot be read, as a terminal's or a pipe's.
    pub(super) fn tail(&self) -> Vec<String> {
        self.read().unwrap_or_default()
    }

    fn read(&self) -> io::Result<Vec<String>> {
        if !self.file.metadata()?.is_file() {
            return Ok(Vec::new());
        }
        // Opened anew: the descriptor at hand is for writing, and shares its position with QEMU.
        let mut file = File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
        let end = file.metadata()?.len();
        // One that grew too long was emptied meanwhile.
        let start = if self.start > end { 0 } else { self.start };
        file.seek(SeekFrom::Start(start.max(end.saturating_sub(BYTES))))?;
        let mut last = VecDeque::with_capacity(LINES + 1);
        for line in BufReader::new(file).split(b'\n') {
            last.push_back(String::from_utf8_lossy(&line?).into_owned());
            if last.len() > LINES {
                last.pop_front();
            }
        }
        Ok(last.into())
    }
}

#[cfg(test)]
mod test {
    use super::Log;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn the_tail_is_the_last_twenty_lines_of_this_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qemu.log");
        std::fs::write(&path, "an earlier run\n").unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        let log = Log::from_here(file.try_clone().unwrap());
        file.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(log.tail(), ["one", "two"]);
        for number in 0..100 {
            writeln!(file, "line {number}").unwrap();
        }
        assert_eq!((log.tail().len(), log.tail()[0].as_str()), (20, "line 80"));
    }

    #[test]
    fn a_log_that_is_no_file_has_no_tail() {
        assert!(Log::from_here(File::options().write(true).open("/dev/null").unwrap()).tail().is_empty());
    }
}
