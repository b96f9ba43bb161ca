//! `vmrun top`: where the vCPUs of a guest run, how fast, and who disturbs them. It looks as long as somebody watches.

mod rate;
mod sample;
mod screen;
mod view;

use super::verify::Roles;
use super::{Refused, for_guest, run_dir};
use crate::cli::args::Top;
use crate::cli::output::Output;
use crate::cli::{Exit, broken};
use crate::host::Root;
use crate::plan::Plan;
use crate::qemu::stay_off;
use crate::supervise::{Ask, Client, plan_of};
use rate::{Look, rate};
use sample::Sample;
use screen::Screen;
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal};
use std::path::Path;
use tokio::time::{MissedTickBehavior, interval};

/// A guest that is watched.
struct Watched {
    client: Client,
    root: Root,
    pid: u32,
    plan: Plan,
    roles: Roles,
    /// The answer to `query-cpus-fast`, for the names that QEMU's statistics have.
    cpus: Value,
}

/// Watches until the guest ends, the user leaves, or all looks are taken.
pub(in crate::cli) fn top(args: &Top, output: Output) -> Exit {
    for_guest(&args.name, output, watch(args, output))
}

async fn watch(args: &Top, output: Output) -> Result<Exit, Refused> {
    let mut watched = Watched::open(&run_dir(&args.name)).await?;
    // Reading thousands of files on a vCPU's host CPU would be what the guest suffers from.
    stay_off(&watched.plan.pins.guest());
    // One look is a page that stays; many are a screen that goes when its user does.
    let one = args.count == Some(1);
    let live = !output.json && !one && io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut screen = live.then(Screen::enter).transpose()?;
    broken::terminal_is_changed();
    let mut ticks = interval(args.interval.get().max(std::time::Duration::from_millis(100)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = watched.sample().await?;
    let mut left = args.count;
    while left != Some(0) {
        tokio::select! {
            _ = ticks.tick() => {}
            () = leave(&mut screen) => break,
        }
        // Its end is the end of the show.
        let Ok(after) = watched.sample().await else { break };
        let look = rate(&before, &after, &watched.plan.pins, &watched.roles, |pid| is_vmrun(&watched.root, pid));
        if show(args, &look, screen.as_ref(), output)? != Exit::Good {
            return Ok(Exit::Internal);
        }
        before = after;
        left = left.map(|left| left - 1);
    }
    Ok(Exit::Good)
}

/// Waits until the user wants to leave; for ever where there is no screen.
async fn leave(screen: &mut Option<Screen>) {
    match screen {
        Some(screen) => while !screen.left().await {},
        None => std::future::pending().await,
    }
}

fn show(args: &Top, look: &Look, screen: Option<&Screen>, output: Output) -> io::Result<Exit> {
    let name = args.name.as_str();
    Ok(match screen {
        Some(_) => {
            let (width, height) = Screen::size();
            let mut page = view::page(name, look, width, "q quits");
            page.truncate(height.saturating_sub(1));
            Screen::draw(&page)?;
            Exit::Good
        }
        None if output.json => {
            let mut line = json!({ "v": 1, "name": name });
            line.as_object_mut()
                .into_iter()
                .for_each(|line| line.extend(json!(look).as_object().cloned().unwrap_or_default()));
            output.answer(&format!("{line}\n"), Exit::Good)
        }
        None => output.answer(&(view::page(name, look, output.width, "").join("\n") + "\n"), Exit::Good),
    })
}

impl Watched {
    async fn open(dir: &Path) -> Result<Self, Refused> {
        let mut client = Client::connect(dir).await?;
        let starting = || Refused::Said("its QEMU does not run yet, or no more".into());
        let status = client.ask(&Ask::Status {}).await?;
        let number = |key: &str| status[key].as_u64().and_then(|pid| u32::try_from(pid).ok());
        let pid = number("qemu").ok_or_else(starting)?;
        let plan = plan_of(dir).map_err(|error| Refused::Said(error.to_string()))?.ok_or_else(starting)?;
        let cpus = query(&mut client, "query-cpus-fast", Map::new()).await?;
        let iothreads = query(&mut client, "query-iothreads", Map::new()).await?;
        let roles = Roles::of(&cpus, &iothreads);
        Ok(Self { client, root: Root::default(), pid, plan, roles, cpus })
    }

    async fn sample(&mut self) -> Result<Sample, Refused> {
        let Value::Object(wanted) = json!({
            "target": "vcpu",
            "providers": [{ "provider": "kvm", "names": ["exits"] }],
        }) else {
            return Err(Refused::Said("internal error: no object".into()));
        };
        // Without KVM, and before QEMU 7.1, there are no exits to count.
        let exits = query(&mut self.client, "query-stats", wanted).await.unwrap_or_default();
        let sample = Sample::take(&self.root, self.pid, sample::exits(&exits, &self.cpus));
        sample.ok_or(Refused::Away)
    }
}

/// Whether process `pid` is a vmrun, by the name of its program, which everybody may read: this one, another `vmrun top`, the
/// guest's supervisor, which asks QEMU for them, and that of another guest, which sleeps unless somebody asks it.
fn is_vmrun(root: &Root, pid: u32) -> bool {
    root.text(format!("/proc/{pid}/comm")).as_deref() == Some(env!("CARGO_PKG_NAME"))
}

async fn query(client: &mut Client, execute: &str, arguments: Map<String, Value>) -> io::Result<Value> {
    client.ask(&Ask::Qmp { execute: execute.to_owned(), arguments }).await
}
