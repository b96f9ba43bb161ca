//! Compiles the demo guest, `src/guest`, which the library carries as `demo_image::GUEST_ELF`.
//!
//! The compiler is the one that builds vmrun, with its own `core` for Linux: nothing else must be
//! installed. The same sources and compiler give the same bytes wherever they lie.
//!
//! And links the unwinder into the program, where it can.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How a program without operating system, libc and unwinding is made with a target that has all three.
const FLAGS: &[&str] = &[
    "--crate-name=guest",
    "--crate-type=bin",
    "--edition=2024",
    "-Copt-level=s",
    "-Cpanic=abort",
    "-Crelocation-model=static",
    "-Crelro-level=off",
    "-Cstrip=symbols",
    // The whole program at once, `core` included, so that the next two hold for `core` too.
    "-Clto=fat",
    "-Ccodegen-units=1",
    // An interrupt may take the stack from the stack pointer on down.
    "-Cno-redzone=yes",
    // KVM's instruction emulator, which some hosts run all kernel code through, lacks most of SSE.
    "-Cllvm-args=-force-attribute=noimplicitfloat",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-static",
    "-Clink-arg=-Wl,--build-id=none",
    "-Clink-arg=-Wl,-z,max-page-size=4096",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/guest");
    let source = PathBuf::from(var("CARGO_MANIFEST_DIR")).join("src/guest");
    let elf = PathBuf::from(var("OUT_DIR")).join("guest.elf");
    compile_guest(&var("RUSTC"), &source, &elf);
    link_unwinder();
}

/// Takes what writes backtraces from GCC's archive, which lies beside its compiler: a start that has to load a shared
/// object for it takes a twentieth longer. Where there is no such archive, the shared one does.
fn link_unwinder() {
    if var("CARGO_CFG_TARGET_ENV") != "gnu" {
        return;
    }
    let Ok(answer) = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output() else { return };
    let answer = String::from_utf8_lossy(&answer.stdout);
    let archive = Path::new(answer.trim_end());
    // What it does not find it answers as it was asked.
    if let Some(folder) = archive.parent().filter(|_| archive.is_absolute()) {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}

fn var(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo did not set {name} for its build script"))
}

/// Compiles the guest in the folder `source` to the file `elf`. Panics with the compiler's words when
/// that fails, as a build script does; what it only warns of becomes warnings of cargo.
pub(crate) fn compile_guest(rustc: &OsStr, source: &Path, elf: &Path) {
    let script = joined("-Clink-arg=", source.join("link.ld"));
    let mut command = Command::new(rustc);
    command.arg(source.join("main.rs")).args(FLAGS).arg("--target").arg(TARGET).arg("-Clink-arg=-T").arg(script);
    command.args(remapped(rustc, source)).arg("-o").arg(elf);
    let output = run(&mut command);
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        println!("cargo::warning=demo guest: {line}");
    }
}

/// Panics name their file: ours by its place in the repository, `core`'s as a compiler without the
/// component `rust-src` knows it, so that neither folder nor component changes the bytes.
fn remapped(rustc: &OsStr, source: &Path) -> [OsString; 2] {
    let sysroot = run(Command::new(rustc).args(["--print", "sysroot"])).stdout;
    let version = run(Command::new(rustc).arg("-vV")).stdout;
    let sysroot = String::from_utf8_lossy(&sysroot);
    let version = String::from_utf8_lossy(&version);
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    let library = Path::new(sysroot.trim_end()).join("lib/rustlib/src/rust");
    let commit = commit.unwrap_or("unknown");
    [
        joined("--remap-path-prefix=", joined(source, "=src/guest")),
        joined("--remap-path-prefix=", joined(library, format!("=/rustc/{commit}"))),
    ]
}

fn joined(first: impl AsRef<OsStr>, second: impl AsRef<OsStr>) -> OsString {
    let mut text = first.as_ref().to_owned();
    text.push(second);
    text
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed\n{words}");
    output
}
