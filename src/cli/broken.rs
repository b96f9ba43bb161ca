//! A mistake of vmrun's own while it has a guest: it says so and leaves, and touches nothing more.

use super::Exit;
use super::output::{Output, Weight};

/// From now on a panic ends the process at once. Nothing is unwound, since that would end the services beside a guest
/// that runs on; the journal stays for who comes next.
pub(super) fn leave_at_once(output: Output) {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        output.say(
            Weight::Error,
            "internal error: this is a mistake in vmrun. Nothing more was touched, and a guest that runs goes on: \
             `vmrun attach NAME` is with it again; without one, `vmrun recover` puts the host back",
        );
        std::process::exit(Exit::Internal.code().into());
    }));
}
