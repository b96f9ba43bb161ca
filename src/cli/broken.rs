//! A mistake of vmrun's own: it says so and leaves, and touches nothing more.

use super::Exit;
use super::args::Command;
use super::output::{Output, Weight};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use std::io;
use std::sync::Mutex;

const MISTAKE: &str = "internal error: this is a mistake in vmrun. Please report it, with what `vmrun report` writes";
const BESIDE_A_GUEST: &str = "internal error: this is a mistake in vmrun. Nothing more was touched, and a guest that runs goes on: \
                              `vmrun attach NAME` is with it again; without one, `vmrun recover` puts the host back";

/// From now on a panic ends the process at once, with the terminal as it is now. Nothing is unwound, since that would end
/// the services beside a guest that runs on; the journal stays for who comes next. A release could not unwind at all.
pub(super) fn leave_at_once(command: &Command, output: Output) {
    let tell = std::panic::take_hook();
    // Of those alone that change it: a process in the background that sets a terminal is stopped, and would not leave.
    let changes_it = matches!(command, Command::Console(_) | Command::Top(_) | Command::Pick(_));
    let terminal = changes_it.then(|| tcgetattr(io::stdin()).ok()).flatten().map(Mutex::new);
    let has_guest = matches!(command, Command::Run(_) | Command::Attach(_) | Command::Recover(_) | Command::Pick(_));
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(terminal) = terminal.as_ref().and_then(|terminal| terminal.try_lock().ok()) {
            // A terminal that is gone needs nothing put back.
            _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &terminal);
        }
        tell(panic);
        output.say(Weight::Error, if has_guest { BESIDE_A_GUEST } else { MISTAKE });
        std::process::exit(Exit::Internal.code().into());
    }));
}

/// The moment at which a terminal has been changed: for tests of what a mistake leaves of it, a debug build makes one here
/// when `VMRUN_FAULT=panic:terminal` asks for it.
pub(super) fn terminal_is_changed() {
    let asked =
        cfg!(debug_assertions) && std::env::var_os("VMRUN_FAULT").is_some_and(|fault| fault == "panic:terminal");
    assert!(!asked, "the terminal broke, as VMRUN_FAULT asks");
}
