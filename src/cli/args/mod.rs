//! The command line of vmrun: one file per group of commands, and the list of them all here.
//!
//! The list that `vmrun --help` prints must fit a small terminal. A command that is not for every day is hidden in it with
//! `#[command(hide = true)]`: [`command`] then names it in the line of further commands below the list.

mod address;
mod complete;
mod demo;
mod desktop;
mod edit;
mod explain;
mod export;
mod guest;
mod host;
mod import;
mod isolate;
mod layers;
mod man;
mod monitor;
mod new;
mod overview;
mod pci;
mod pick;
mod plan;
mod report;
mod rom;
mod run;
mod start;

pub(super) use address::address;
pub use demo::{Demo, Then};
pub use desktop::{DesktopEntry, Unit};
pub use edit::{Edit, List};
pub use explain::{Explain, Why};
pub use export::{Export, Shape};
pub use guest::{Attach, Diff, Events, Logs, Named, Ps, Recover, Status, Stop, Top};
pub use host::{Host, Permissions, View};
pub use import::{Form, Import};
pub use isolate::{Initramfs, Isolate};
pub use layers::{HostFile, Layers};
pub use man::Man;
pub use monitor::{Cable, Cd, CdCommand, Hmp, Net, Qmp, Screenshot, SendKey, Turn, Usb, UsbDevice};
pub use new::{GuestKind, New};
pub use pci::{Msi, Pci, PciCommand};
pub use pick::Pick;
pub use plan::{Check, Plan};
pub use report::Report;
pub use rom::{Rom, RomCommand, RomDump, RomInspect};
pub use run::Run;
pub use start::start;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

/// Everything that can stand on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "vmrun",
    version,
    about = "Run a guest on plain QEMU, its threads pinned before its first instruction",
    override_usage = "vmrun [OPTIONS] COMMAND | PROFILE.toml",
    help_template = "{about}\n{usage-heading} {usage}\n{all-args}{after-help}",
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
    /// Tell answers and trouble by notifications of the desktop too
    // For desktop entries; the pages of help must fit a small terminal.
    #[arg(long, global = true, display_order = 104, hide = true)]
    pub notify: bool,
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
    /// Ask what a new guest should be like, and write its profile
    New(New),
    /// Run a guest until it ends, then put the host back
    Run(Run),
    /// Show everything that would be done, without doing it
    Plan(Plan),
    /// Examine the machine, or say whether a profile can run; needs no root
    Check(Check),
    /// Run a tiny guest of our own that reports what it sees
    // The last line of the list of commands names it.
    #[command(hide = true)]
    Demo(Demo),
    /// List the guests that run
    Ps(Ps),
    /// Say how a guest is
    Status(Status),
    /// Press a guest's power button and wait for its end
    Stop(Stop),
    /// Change a profile in $EDITOR; saved only if valid
    #[command(hide = true)]
    Edit(Edit),
    /// List the profiles that are found by name
    #[command(hide = true)]
    List(List),
    /// Write a desktop entry that starts a guest by a click
    #[command(hide = true)]
    DesktopEntry(DesktopEntry),
    /// Write a unit of systemd that runs a guest
    #[command(hide = true)]
    Unit(Unit),
    /// Be with a guest again whose vmrun was killed
    #[command(hide = true)]
    Attach(Attach),
    /// Press a guest's reset button
    #[command(hide = true, after_help = "Examples:\n  vmrun reset windows")]
    Reset(Named),
    /// Stop a guest's vCPUs; its clock and its devices stay
    #[command(hide = true, after_help = "Examples:\n  vmrun pause windows")]
    Pause(Named),
    /// Let a paused guest, or one that waits for room on a disk, go on
    #[command(hide = true, after_help = "Examples:\n  vmrun resume windows")]
    Resume(Named),
    /// Wake a guest that sleeps
    #[command(hide = true, after_help = "Examples:\n  vmrun wake windows")]
    Wake(Named),
    /// Put this terminal on a guest's serial port; Ctrl-] leaves it
    #[command(
        hide = true,
        after_help = "Examples:\n  vmrun console router\n\n\
        Its profile wants:\n  [[serial]]\n  to = \"console\""
    )]
    Console(Named),
    /// Show what QEMU, hooks and services printed
    #[command(hide = true)]
    Logs(Logs),
    /// Show what happened to a guest
    #[command(hide = true)]
    Events(Events),
    /// Have QEMU carry out a QMP command
    #[command(hide = true)]
    Qmp(Qmp),
    /// Have QEMU carry out a line of its monitor for people
    #[command(hide = true)]
    Hmp(Hmp),
    /// Take a picture of a guest's emulated display
    #[command(hide = true)]
    Screenshot(Screenshot),
    /// Press keys in a guest
    #[command(hide = true)]
    SendKey(SendKey),
    /// Put a disc into a guest's drive, or take it out
    #[command(hide = true)]
    Cd(Cd),
    /// Give a guest a USB device, or take it back
    #[command(hide = true)]
    Usb(Usb),
    /// Give a guest that runs a PCI device of the host, or take it back
    #[command(hide = true)]
    Pci(Pci),
    /// Plug a guest's network cable in, or out
    #[command(hide = true)]
    Net(Net),
    /// Say whether a guest that runs has its host CPUs, its memory and its devices as planned
    #[command(
        hide = true,
        after_help = "Examples:\n  vmrun verify windows\n  vmrun verify windows --json\n\n\
        It watches for a second. Exit status: 0 as planned (a warning does not count); 8 not; 3 stopped;\n\
        6 is being started or ended."
    )]
    Verify(Named),
    /// Show what changed in a guest's profile since it was started
    #[command(hide = true)]
    Diff(Diff),
    /// Show where the vCPUs of a guest run, how fast, and who disturbs them
    #[command(hide = true)]
    Top(Top),
    /// Put the host back after a run that was cut short
    #[command(hide = true)]
    Recover(Recover),
    /// Show what vmrun sees of this machine
    #[command(hide = true)]
    Host(Host),
    /// Explain the tables and keys of a profile
    Explain(Explain),
    /// Explain a finding or a symptom at length: error-43, black-screen
    #[command(hide = true)]
    Why(Why),
    /// Write all that a helper wants to know into one masked text file
    #[command(hide = true)]
    Report(Report),
    /// Choose a guest on the terminal, and run it
    #[command(hide = true)]
    Pick(Pick),
    /// Write what binds a card to vfio-pci at boot, or take it back
    #[command(hide = true)]
    Isolate(Isolate),
    /// Make a profile of a libvirt guest, or of a script that starts QEMU
    #[command(hide = true)]
    Import(Import),
    /// Write a guest as a script that runs without vmrun
    #[command(hide = true)]
    Export(Export),
    /// Read and judge the option ROM of a card
    #[command(hide = true)]
    Rom(Rom),
    /// Write the pages of the manual
    #[command(hide = true)]
    Man(Man),
    /// Write the JSON Schema of profiles, for editors
    // Who wants it learns of it from `explain`; the list of commands must fit a small terminal.
    #[command(after_help = explain::SCHEMA_HELP, hide = true)]
    Schema,
}

/// The command line as clap knows it, with the hidden commands named below the list of the others.
#[must_use]
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    let text = overview::text(&command);
    // Named in one line there; the commands have them in full.
    let options: Vec<_> = command.get_arguments().map(|option| option.get_id().clone()).collect();
    let command = options.into_iter().fold(command, |command, id| command.mut_arg(id, |option| option.hide(true)));
    command.after_help(text).mut_subcommand("help", |help| help.hide(true))
}
