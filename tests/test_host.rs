//! An emulated test host for a person: a shell in it, or one command. `contrib/test-host` runs this.

mod host;
mod support;

use std::env;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::{Command, ExitCode, Stdio};

use host::{Host, Layout, Lost};

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let command: Vec<String> = words.collect();
    let Some(layout) = host::ALL.iter().find(|layout| layout.name == name) else {
        let names: Vec<&str> = host::ALL.iter().map(|layout| layout.name).collect();
        eprintln!("usage: contrib/test-host LAYOUT [COMMAND…]\nlayouts: {}", names.join(" "));
        return ExitCode::from(2);
    };
    match attend(layout, &command) {
        Ok(status) => ExitCode::from(status),
        Err(Lost(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Boots `layout` and runs `command` in it, or a shell at this terminal, and returns the status it ends with.
fn attend(layout: &Layout, command: &[String]) -> Result<u8, Lost> {
    let mut host = Host::boot(layout)?;
    let folder = shlex::try_quote(env!("CARGO_TARGET_TMPDIR")).expect("a path has no zero byte");
    let programs = env!("CARGO_BIN_EXE_vmrun").trim_end_matches("/vmrun");
    let set_up = format!("export PATH=$PATH:{programs} TERM=${{TERM:-linux}}; cd {folder}/../.. || exit");
    if command.is_empty() && stdin().is_terminal() {
        let size = stty(&["size"]);
        let (rows, columns) = size.trim().split_once(' ').unwrap_or(("24", "80"));
        let shell = format!(
            "{set_up}; dmesg -n 1; stty -F /dev/ttyS0 sane rows {rows} cols {columns}
             setsid -c bash -i </dev/ttyS0 >/dev/ttyS0 2>&1"
        );
        let before = stty(&["-g"]);
        stty(&["raw", "-echo"]);
        let reply = host.attend(&shell);
        stty(&[before.trim()]);
        return reply.map(|reply| status(reply.status));
    }
    let line = shlex::try_join(command.iter().map(String::as_str)).expect("words have no zero byte");
    let reply = host.run(&format!("{set_up}; {line}"))?;
    // Whoever reads it may have gone.
    let _ = stdout().write_all(&reply.stdout);
    let _ = stderr().write_all(&reply.stderr);
    Ok(status(reply.status))
}

/// What `stty` says about this terminal after it did as `words` ask.
fn stty(words: &[&str]) -> String {
    let asked = Command::new("stty").args(words).stdin(Stdio::inherit()).output().expect("stty, of Debian's coreutils");
    String::from_utf8_lossy(&asked.stdout).into_owned()
}

fn status(status: i32) -> u8 {
    u8::try_from(status).expect("a shell's exit status is one byte")
}
