//! `vmrun logs`: what QEMU, hooks and services printed in the newest run.

use super::{Refused, for_guest, never_ran, run_dir, state_dir};
use crate::cli::Exit;
use crate::cli::args::Logs;
use crate::cli::output::{Output, reader_left};
use crate::process::{escaped, watched};
use crate::supervise::{Client, latest_run};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::read;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Shows the logs; with `--follow`, what is added until the guest's end.
pub(in crate::cli) fn logs(Logs { name, follow, lines }: &Logs, output: Output) -> Exit {
    let Some(dir) = latest_run(&state_dir(name)) else {
        return never_ran(name, output);
    };
    let mut tails = Tails { dir, ends: BTreeMap::new() };
    let exit = show(&tails.more(), *lines, output);
    if !follow || exit != Exit::Good {
        return exit;
    }
    let work = async {
        let mut client = Client::connect(&run_dir(name)).await?;
        tokio::select! {
            () = client.gone() => {}
            result = tails.follow(output) => result?,
            // It has what it wanted.
            () = reader_left() => return Ok(Exit::Good),
        }
        Ok::<_, Refused>(show(&tails.more(), None, output))
    };
    for_guest(name, output, work)
}

/// Lines of one log.
type Said = (String, Vec<String>);

/// The last `count` lines of each log, or all.
fn show(said: &[Said], count: Option<usize>, output: Output) -> Exit {
    for (speaker, lines) in said {
        let skipped = count.map_or(0, |count| lines.len().saturating_sub(count));
        for line in &lines[skipped..] {
            let exit = output.answer(&format!("{speaker} | {line}\n"), Exit::Good);
            if exit != Exit::Good {
                return exit;
            }
        }
    }
    Exit::Good
}

/// The logs of a run, and how far each was read.
struct Tails {
    dir: PathBuf,
    ends: BTreeMap<PathBuf, u64>,
}

impl Tails {
    /// What each log has that was not read yet, in whole lines.
    fn more(&mut self) -> Vec<Said> {
        let mut paths: Vec<_> = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|it| it.path()).collect();
        paths.sort();
        let mut said = Vec::new();
        for path in paths.into_iter().filter(|path| path.extension().is_some_and(|it| it == "log")) {
            let end = self.ends.entry(path.clone()).or_default();
            // One that cannot be read has nothing to say.
            let Ok((lines, now)) = lines_from(&path, *end) else { continue };
            *end = now;
            if !lines.is_empty() {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                let speaker = name.strip_prefix("hook-").or(name.strip_prefix("service-")).unwrap_or(&name).to_owned();
                said.push((speaker, lines));
            }
        }
        said
    }

    /// Shows what is added, for ever.
    async fn follow(&mut self, output: Output) -> io::Result<()> {
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        add_watch(&inotify, &self.dir, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::ONLYDIR)?;
        let inotify = watched(inotify)?;
        loop {
            if show(&self.more(), None, output) != Exit::Good {
                return Ok(());
            }
            let mut ready = inotify.readable().await?;
            let mut events = [0_u8; 4096];
            while read(inotify.get_ref(), &mut events).is_ok() {}
            ready.clear_ready();
        }
    }
}

/// The whole lines from `start` on, and where they end; from the beginning when the log was emptied meanwhile.
fn lines_from(path: &Path, start: u64) -> io::Result<(Vec<String>, u64)> {
    let mut file = File::open(path)?;
    let start = if file.metadata()?.len() < start { 0 } else { start };
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..whole].split(|byte| *byte == b'\n').map(|line| escaped(line).into_owned());
    let mut lines: Vec<_> = lines.collect();
    // After the last line feed stands nothing.
    lines.pop();
    Ok((lines, start + whole as u64))
}

#[cfg(test)]
mod test {
    use super::Tails;
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn only_what_is_new_is_read_and_half_a_line_waits() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("hook-mount.log");
        fs::write(&log, "one\ntw").unwrap();
        fs::write(dir.path().join("plan.json"), "{}\n").unwrap();
        let mut tails = Tails { dir: dir.path().to_owned(), ends: BTreeMap::new() };
        assert_eq!(tails.more(), [("mount".to_owned(), vec!["one".to_owned()])]);
        fs::write(&log, "one\ntwo\n").unwrap();
        assert_eq!(tails.more(), [("mount".to_owned(), vec!["two".to_owned()])]);
        fs::write(&log, "x\n").unwrap();
        assert_eq!(tails.more(), [("mount".to_owned(), vec!["x".to_owned()])]);
        assert_eq!(tails.more(), []);
    }
}
