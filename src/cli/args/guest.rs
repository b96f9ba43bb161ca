//! The command lines of commands that name a guest.

use super::Layers;
use super::complete::{known, running, running_or_profile};
use crate::unit::{GuestName, Period};
use clap::Args;
use std::path::PathBuf;

/// `vmrun ps`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun ps\n  vmrun ps --json\n\n\
                        Those that run, and those whose run was cut short; of root's a user sees\n\
                        that they are there. Exit status: 0.")]
pub struct Ps {}

/// `vmrun status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vmrun status windows\n  vmrun status windows --json | jq -r '.addresses[].ip'\n\n\
                        Exit status: 0 running (also when it is paused or sleeps); 3 stopped; 4 runs\n\
                        without vmrun; 5 needs `vmrun recover`; 6 is being started or ended; 13 it is\n\
                        another user's."
)]
pub struct Status {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = known())]
    pub name: GuestName,
}

/// `vmrun stop`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun stop windows              presses its power button and waits\n  \
                        vmrun stop windows --force      pulls the plug\n  \
                        vmrun stop windows --timeout 90s --force    the plug after 90 s\n\n\
                        Exit status: 0 ended, and the host is put back; 3 it did not run, or its run was\n\
                        cut short; 4 its vmrun was killed and it runs on; 6 not ended in time.")]
pub struct Stop {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// End it now, or when its time is over; what it has not written is lost
    #[arg(long)]
    pub force: bool,
    /// Wait no longer than this
    #[arg(long, value_name = "TIME", value_parser = period)]
    pub timeout: Option<Period>,
}

/// `vmrun reset`, `pause`, `resume`, `wake`, `console`.
#[derive(Debug, Args)]
pub struct Named {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
}

/// `vmrun attach`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun attach windows\n\n\
                        For a guest that runs on after its vmrun was killed: pins are placed again,\n\
                        services looked after, hooks at `reconnect` run, and the host is put back at its\n\
                        end. Starting its profile again does the same. Exit status: as of `vmrun run`.")]
pub struct Attach {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
}

/// `vmrun recover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun recover                     every guest whose run was cut short\n  \
                        vmrun recover windows\n  \
                        vmrun recover windows --dry-run   what it would do\n\n\
                        It may be repeated and interrupted. Exit status: 0 nothing is owed, 13 it is\n\
                        another user's, 14 the guest runs, 41 something could not be put back.")]
pub struct Recover {
    /// Name of the guest; without it all
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: Option<GuestName>,
    /// Every guest whose run was cut short, as without a name
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Follow a damaged journal; give up what cannot be put back
    #[arg(long)]
    pub force: bool,
}

/// `vmrun diff`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun diff windows\n  vmrun diff windows.toml --variant install\n  \
                        vmrun diff windows --json | jq '.changes[].key'\n\n\
                        --variant and --set are as at the start unless given.\n\
                        Exit status: 0 nothing; 8 something; 3 it does not run; 10 the profile is wrong.")]
pub struct Diff {
    /// The guest, or a profile of it
    #[arg(value_name = "NAME|PROFILE", add = running_or_profile())]
    pub guest: PathBuf,
    /// What is laid over the profile.
    #[command(flatten)]
    pub layers: Layers,
}

/// `vmrun logs`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun logs windows\n  vmrun logs windows -n 20 -f\n\n\
                        What QEMU, hooks and services printed in its newest run. All runs that are kept,\n\
                        with plan, command line and events, lie in the folder that `vmrun status` names.")]
pub struct Logs {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = known())]
    pub name: GuestName,
    /// Show what is added, until its end
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last lines of each log
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub lines: Option<usize>,
}

/// `vmrun events`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun events windows\n  vmrun events windows -f --json | jq .event\n\n\
                        What happened in its newest run; with --json each is an object on a line.")]
pub struct Events {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = known())]
    pub name: GuestName,
    /// Show what happens, until its end
    #[arg(short, long)]
    pub follow: bool,
}

/// `vmrun top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vmrun top windows\n  vmrun top windows --count 1\n  vmrun top windows --json | jq -c .vcpus\n\n\
                        On a terminal q leaves it. With --json, or into a pipe, each look is a line or a page\n\
                        of its own."
)]
pub struct Top {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// Time between two looks
    #[arg(short, long, value_name = "TIME", value_parser = period, default_value = "1s")]
    pub interval: Period,
    /// End after so many looks
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub count: Option<u32>,
}

pub(super) fn guest_name(text: &str) -> Result<GuestName, String> {
    GuestName::try_from(text.to_owned())
}

pub(super) fn period(text: &str) -> Result<Period, String> {
    Period::try_from(text.to_owned())
}
