//! vmrun: a direct QEMU launcher for people who pass a graphics card to a guest.
//!
//! Read everything, decide everything, then do it — and be able to say it aloud before doing it.
//!
//! ```text
//! profile.toml ──parse──▶ Profile ─┐
//!                                  ├─ plan (pure) ─▶ Plan ──apply──▶ Lease ──spawn──▶ Guest ──▶ Outcome
//! /sys /proc /dev ──read──▶ Host ──┘    │             ▲ argv, changes, pins             │
//!                                       └▶ Vec<Problem>                    undo ◀───────┘
//! ```
//!
//! # Floors
//!
//! Imports point down only; `tests/floors.rs` holds it.
//!
//! | floor | module | what lives there |
//! | --- | --- | --- |
//! | 5 | [`cli`], [`demo`] | the door: the only place that prints |
//! | 4 | [`supervise`] | time: the state table, the loop, hooks, companions, signals, the control socket |
//! | 3 | [`apply`] | deeds on the host: changes, the journal, undo |
//! | 3 | [`qemu`] | deeds on QEMU: start it paused, speak QMP, place its threads |
//! | 4 | [`doctor`] | what would keep a guest from running here, and how to mend it; pure |
//! | 3 | [`export`] | a guest in the forms that others start: a script, a domain of libvirt, a manifest; pure |
//! | 3 | [`import`] | foreign formats, like libvirt's, to a profile and a report; pure |
//! | 3 | [`isolate`] | what is written for those who bind at boot: files of modprobe, initramfs images, boot loaders; pure |
//! | 2 | [`profile`] | what the user wants: one TOML table a file; planning, pure |
//! | 2 | [`process`] | deeds on processes: start one as a user, keep its output, end its group |
//! | 1 | [`plan`] | the vocabulary of a plan: arguments, changes, pins, problems; pure |
//! | 1 | [`host`] | facts about the machine, read once below one root |
//! | 0 | [`unit`] | values: PCI addresses, CPU sets, sizes |
//! | 0 | [`demo_image`] | the program in `src/guest`, built by `build.rs`, that `vmrun demo` boots |
//!
//! `process` is a floor of its own below `apply` and `supervise`, because both start commands: undo runs what takes a
//! hook back, the supervisor runs hooks and companions.
//!
//! # Where to start
//!
//! [`profile`] is where a key becomes an argument; its goldens under `tests/golden` show the effect. Then
//! [`supervise::State`], the life of a guest as a table.

pub mod apply;
pub mod cli;
pub mod demo;
pub mod demo_image;
pub mod doctor;
pub mod export;
pub mod host;
pub mod import;
pub mod isolate;
pub mod plan;
pub mod process;
pub mod profile;
pub mod qemu;
pub mod supervise;
pub mod unit;
