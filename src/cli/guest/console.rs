//! `vmrun console`: the guest's serial port on this terminal.

use super::{Refused, for_guest, run_dir};
use crate::cli::args::Named;
use crate::cli::output::{Output, Weight};
use crate::cli::{Exit, broken};
use crate::supervise::{Ask, Client, Signals};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt, stdin, stdout};

/// Ctrl-], which leaves the console; telnet's key, and virsh's.
const LEAVE: u8 = 0x1d;

/// Connects the terminal with the guest's serial port until Ctrl-] or the guest's end.
pub(in crate::cli) fn console(Named { name }: &Named, output: Output) -> Exit {
    let exit = for_guest(name, output, connected(&run_dir(name), name.as_str(), output));
    if exit == Exit::Good && !output.quiet {
        output.say(Weight::Info, &format!("{name}: left the console"));
    }
    exit
}

async fn connected(dir: &Path, name: &str, output: Output) -> Result<Exit, Refused> {
    let mut client = Client::connect(dir).await?;
    client.ask(&Ask::Console {}).await?;
    let typing = io::stdin().is_terminal();
    if typing && !output.quiet {
        output.say(Weight::Info, &format!("{name}: console; Ctrl-] leaves it"));
    }
    // From here on a signal does not end vmrun with the terminal still raw.
    let mut signals = Signals::new()?;
    // Restored when it is dropped, whatever ends this.
    let _raw = typing.then(Raw::enter).transpose()?;
    broken::terminal_is_changed();
    let (mut from, mut to) = tokio::io::split(client.into_stream());
    let keys = async {
        let (mut bytes, mut input) = ([0; 1024], stdin());
        loop {
            let count = input.read(&mut bytes).await?;
            let typed = &bytes[..count];
            match typed.iter().position(|byte| typing && *byte == LEAVE) {
                Some(at) => return to.write_all(&typed[..at]).await,
                // Nobody types any more, and somebody may still watch.
                None if count == 0 && !typing => std::future::pending().await,
                None if count == 0 => return Ok(()),
                None => to.write_all(typed).await?,
            }
        }
    };
    let screen = async {
        let (mut bytes, mut screen) = ([0; 4096], stdout());
        loop {
            let count = from.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            screen.write_all(&bytes[..count]).await?;
            screen.flush().await?;
        }
    };
    let done: io::Result<()> =
        tokio::select! { done = keys => done, done = screen => done, _ = signals.next() => Ok(()) };
    done?;
    Ok(Exit::Good)
}

/// A terminal that passes every key on; as it was when this is dropped.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}
