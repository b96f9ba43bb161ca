//! `vmrun recover`: the host is put back after runs that died.

use super::{names, on_the_loop, run_dir};
use crate::apply::{ApplyError, Instance, Standing, recover as put_back, standing};
use crate::cli::Exit;
use crate::cli::args::Recover;
use crate::cli::output::{Output, Weight};
use crate::host::Root;
use crate::supervise::clear_unborn;
use crate::unit::GuestName;
use std::path::Path;

/// Puts the host back after runs that died.
pub(in crate::cli) fn recover(Recover { name }: &Recover, output: Output) -> Exit {
    let names = name.clone().map_or_else(owed, |name| vec![name]);
    let exits = names.iter().map(|name| recover_one(name, &run_dir(name), output));
    // The worst code is the highest: nothing done, busy, not restored.
    exits.max_by_key(|exit| exit.code()).unwrap_or_else(|| {
        if !output.quiet {
            output.say(Weight::Info, "nothing is owed: no run was cut short");
        }
        Exit::Good
    })
}

fn owed() -> Vec<GuestName> {
    names().into_iter().filter(|name| standing(&run_dir(name)) == Standing::Owed).collect()
}

fn recover_one(name: &GuestName, dir: &Path, output: Output) -> Exit {
    if standing(dir) == Standing::Stopped {
        if !output.quiet {
            output.say(Weight::Info, &format!("{name}: nothing is owed"));
        }
        return Exit::Good;
    }
    let done = on_the_loop(recovered(dir))
        .unwrap_or_else(|error| Err(ApplyError::Refused(format!("there is no event loop: {error}"))));
    match done {
        Ok(left) if left.is_empty() => {
            output.say(Weight::Info, &format!("{name}: the host is put back"));
            Exit::Good
        }
        Ok(left) => {
            output.say(Weight::Error, &format!("{name}: not fully put back:\n  {}", left.join("\n  ")));
            Exit::NotRestored
        }
        Err(error @ ApplyError::Busy(_)) => {
            output.say(Weight::Error, &format!("{name}: {error}; nothing is undone under a living guest"));
            Exit::Busy
        }
        Err(error @ ApplyError::Orphan) => {
            let text = format!(
                "{name}: {error}; nothing is undone under a living guest. `vmrun attach {name}` is with it again, and puts the host back at its end"
            );
            output.say(Weight::Error, &text);
            Exit::Busy
        }
        Err(error) => {
            output.say(Weight::Error, &format!("{name}: {error}"));
            Exit::NotRestored
        }
    }
}

async fn recovered(dir: &Path) -> Result<Vec<String>, ApplyError> {
    clear_unborn(dir).await;
    let instance = Instance::claim(dir)?;
    let left = match put_back(Root::default(), dir, &super::boot_id()).await? {
        Some((_, left)) => left,
        None => Vec::new(),
    };
    if left.is_empty() {
        instance.release()?;
    }
    Ok(left.into_iter().map(|left| format!("{}: {}", left.step, left.why)).collect())
}
