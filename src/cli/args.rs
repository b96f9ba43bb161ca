//! The command line of vmrun.

use crate::unit::GuestName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Everything that can stand on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "vmrun",
    version,
    about = "Run a guest on plain QEMU, its threads pinned before its first instruction",
    override_usage = "vmrun [OPTIONS] COMMAND | PROFILE.toml",
    help_template = "{about-with-newline}{usage-heading} {usage}\n\n{all-args}{after-help}",
    after_help = "Start with `vmrun demo`, then `vmrun plan windows.toml`; more: `vmrun help run`.",
    help_template = "{about}\n{usage-heading} {usage}\n\n{all-args}{after-help}",
    disable_help_subcommand = false,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Clone, Copy, Debug, Args)]
pub struct Global {
    /// Colours: auto, always or never
    #[arg(long, global = true, display_order = 100, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub color: Color,
    /// Say only what is wrong
    #[arg(short, long, global = true, display_order = 101)]
    pub quiet: bool,
    /// Log what is done; twice: in detail
    #[arg(short, long, global = true, display_order = 102, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Answer in JSON
    #[arg(long, global = true, display_order = 103)]
    pub json: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` or `TERM=dumb` say otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a guest until it ends, then put the host back
    Run(Run),
    /// Show everything that would be done, without doing it
    Plan(Plan),
    /// Say whether a profile can run here; needs no root, starts nothing
    Check(Check),
    /// Run a tiny guest of our own that reports what it sees
    Demo(Demo),
    /// Say how a guest is
    Status(Status),
    /// Press a guest's power button and wait for its end
    Stop(Stop),
    /// Put the host back after a run that was cut short
    Recover(Recover),
    /// Show what vmrun sees of this machine
    Host(Host),
    /// Explain the tables and keys of a profile
    Explain(Explain),
    /// Write the JSON Schema of profiles, for editors
    // Who wants it learns of it from `explain`; the list of commands must fit a small terminal.
    #[command(after_help = SCHEMA_HELP, hide = true)]
    Schema,
}

const SCHEMA_HELP: &str = "Example:\n  vmrun schema > ~/.config/vmrun.schema.json\n\n\
                           With this first line in a profile, editors that know taplo (Even Better TOML)\n\
                           complete and explain its keys:\n  #:schema ../.config/vmrun.schema.json";

/// `vmrun run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun windows.toml              the same as: vmrun run windows.toml\n  \
                        sudo vmrun windows.toml\n\n\
                        Ctrl-C presses the guest's power button.\n\
                        Exit status: 0 good end; 10 to 14 refused, nothing touched; 20 to 22 not\n\
                        started; 30 to 35 ended badly; 41 host not restored: `vmrun recover`.")]
pub struct Run {
    /// The profile, a TOML file
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
}

/// `vmrun plan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun plan windows.toml --argv --lines > windows.sh\n\n\
                        Exit status: 0; 10 when the profile is wrong; 11 when it cannot run on this\n\
                        host, and the plan is shown all the same.")]
pub struct Plan {
    /// The profile, a TOML file
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// Only the command line of QEMU, quoted for a shell
    #[arg(long, conflicts_with = "json")]
    pub argv: bool,
    /// With --argv: one option a line
    #[arg(long, requires = "argv")]
    pub lines: bool,
    /// The host that it is planned for.
    #[command(flatten)]
    pub host: HostFile,
}

/// What is laid over a profile.
#[derive(Clone, Debug, Default, Args)]
pub struct Layers {
    /// Lay the tables of [variant.NAME] over it
    #[arg(long = "variant", value_name = "NAME")]
    pub variants: Vec<String>,
    /// Give a key another value: cpu.cores=6
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// The host that a profile is planned for.
#[derive(Debug, Args)]
pub struct HostFile {
    /// Plan for the machine that `vmrun host --dump` described
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
}

/// `vmrun check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun check windows.toml\n  vmrun check windows.toml --json\n\n\
                        Exit status: 0 when it can run here; 10 the profile is wrong; 11 impossible on\n\
                        this host; 12 something is missing; 13 not permitted; 14 in use.")]
pub struct Check {
    /// The profile, a TOML file
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// The host that it is planned for.
    #[command(flatten)]
    pub host: HostFile,
}

/// `vmrun demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun demo                      needs no disk, no root, no KVM\n  \
                        vmrun demo windows.toml         what would that guest see?\n  \
                        vmrun demo --then wait          runs until its power button is pressed")]
pub struct Demo {
    /// A profile whose CPU, memory and devices the demo guest gets
    #[arg(value_name = "PROFILE")]
    pub profile: Option<PathBuf>,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// Afterwards: poweroff, wait, ignore, reset, panic, hang, spin or crash
    #[arg(long, value_name = "WHAT", default_value = "poweroff")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub then: Then,
    /// Only the guest's report, on standard output
    #[arg(long)]
    pub report: bool,
}

/// What the demo guest does after its report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Then {
    /// It powers itself off.
    #[default]
    Poweroff,
    /// It waits for its power button, then powers off.
    Wait,
    /// It ignores its power button.
    Ignore,
    /// It resets itself once, then powers off.
    Reset,
    /// It tells the host of a panic through pvpanic.
    Panic,
    /// It halts with interrupts closed.
    Hang,
    /// It runs in a circle.
    Spin,
    /// It dies of a triple fault.
    Crash,
}

/// `vmrun explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun explain                   the tables\n  \
                        vmrun explain cpu               its keys\n  \
                        vmrun explain cpu.hide_kvm      all about one\n\n\
                        Editors complete and explain keys with the output of `vmrun schema`.\n\
                        Exit status: 0; 2 when there is no such table or key.")]
pub struct Explain {
    /// A table or a key, like `cpu` or `cpu.model`; without it all tables
    #[arg(value_name = "TABLE[.KEY]")]
    pub path: Option<String>,
}

/// `vmrun host`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun host --dump > my-host.json    attach this to a bug report")]
pub struct Host {
    /// Every fact, as JSON
    #[arg(long, required = true)]
    pub dump: bool,
    /// A profile whose files are looked at too
    #[arg(value_name = "PROFILE")]
    pub profile: Option<PathBuf>,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
}

/// `vmrun status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun status windows\n  vmrun status windows --json\n\n\
                        Exit status: 0 running; 3 stopped; 4 runs without vmrun; 5 needs\n\
                        `vmrun recover`; 6 is being started or ended.")]
pub struct Status {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name)]
    pub name: GuestName,
}

/// `vmrun stop`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun stop windows              presses its power button and waits\n  \
                        vmrun stop windows --force      pulls the plug")]
pub struct Stop {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name)]
    pub name: GuestName,
    /// End it now; what it has not written is lost
    #[arg(long)]
    pub force: bool,
}

/// `vmrun recover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun recover                   every guest whose run was cut short\n  \
                        vmrun recover windows")]
pub struct Recover {
    /// Name of the guest; without it all
    #[arg(value_name = "NAME", value_parser = guest_name)]
    pub name: Option<GuestName>,
}

fn guest_name(text: &str) -> Result<GuestName, String> {
    GuestName::try_from(text.to_owned())
}
