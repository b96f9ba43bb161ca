//! Starting the QEMU that is the emulated host, and making sure that it ends.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::image;
use super::kernel::Kernel;
use super::layout::Layout;
use crate::support::setup;

/// The emulated processor.
///
/// `vendor`, `svm`, `npt`: the kernel's `kvm_amd` takes it. `topoext`, which QEMU would filter without
/// `x-force-features`: sibling threads show. `invtsc`: the clock stays the TSC. Without `avx`, `erms`, `fsrm`: the
/// kernel would choose instructions that are slow under emulation.
const CPU: &str = "max,x-force-features=on,+topoext,+svm,+npt,+invtsc,-la57,-avx,-avx2,-xsave,-erms,-fsrm,\
                   family=25,model=1,stepping=1,xlevel=0x8000001e,vendor=AuthenticAMD";

/// What the kernel is told. `panic=-1` restarts at once after a panic, which `-no-reboot` makes the end of QEMU.
const PARAMETERS: &str = "console=ttyS0 quiet panic=-1 intel_iommu=on mitigations=off nokaslr tsc=reliable no_timer_check \
                          audit=0 lsm=yama random.trust_cpu=on";

/// Where kernels and initial file systems of the emulated host are kept: the test folder of cargo's target folder.
const CACHE: &str = env!("CARGO_TARGET_TMPDIR");

/// A running emulated host: its QEMU, the channel to its agent and what its console said. Ends when dropped.
pub(crate) struct Machine {
    qemu: Child,
    /// Bytes to the agent.
    pub(crate) requests: ChildStdin,
    /// Bytes from the agent, in pieces of any size; disconnected when QEMU has ended.
    pub(crate) replies: Receiver<Vec<u8>>,
    console: Arc<Mutex<Vec<u8>>>,
}

impl Machine {
    /// Starts QEMU for `layout`; the kernel is still to boot.
    ///
    /// QEMU is started by the thread that reads its replies: the death signal that `setpriv` asks for comes when the
    /// *thread* that started a process ends, and tests end theirs long before the host is to go. So the host ends with
    /// the test process whatever ends that: a return, a panic, a signal.
    pub(crate) fn start(layout: &Layout) -> Self {
        let mut command = command(layout);
        let (started, child) = mpsc::channel();
        let (send, replies) = mpsc::channel();
        thread::spawn(move || {
            let mut qemu = command.spawn().expect("setpriv, of Debian's util-linux, starts");
            let stdout = qemu.stdout.take().expect("piped");
            if started.send(qemu).is_ok() {
                pump(stdout, &send);
            }
        });
        let mut qemu: Child = child.recv().expect("the thread above sends it or panics with the reason");
        let requests = qemu.stdin.take().expect("piped");
        let console = collect(qemu.stderr.take().expect("piped"));
        Self { qemu, requests, replies, console }
    }

    /// What the kernel and QEMU itself have said so far.
    pub(crate) fn console(&self) -> String {
        String::from_utf8_lossy(&self.console.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// The command line of the emulated host. The channel is QEMU's standard input and output, the console its standard error.
fn command(layout: &Layout) -> Command {
    let Kernel { elf, modules } = Kernel::find(Path::new(CACHE));
    let initial: PathBuf = image::build(Path::new(CACHE), layout.name, &modules, layout.modules);
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(setup::path("VMRUN_TEST_QEMU_7_2"))
        .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", CPU])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .arg("-kernel")
        .arg(elf)
        .arg("-initrd")
        .arg(initial)
        .args(["-append", PARAMETERS])
        // Before all other devices: it translates for those that come after it.
        .args(["-device", "intel-iommu,intremap=on"])
        .args(["-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"])
        .args(["-device", "virtio-9p-pci,fsdev=root,mount_tag=root"])
        .args(["-chardev", "stdio,id=agent,signal=off"])
        .args(["-device", "virtio-serial-pci,max_ports=2", "-device", "virtserialport,chardev=agent,name=agent"])
        .args(["-chardev", "file,id=console,path=/dev/stderr", "-serial", "chardev:console"])
        .args(layout.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Sends on what `source` yields until it ends or nobody listens.
fn pump(mut source: impl Read, send: &Sender<Vec<u8>>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = source.read(&mut piece) {
        if send.send(piece[..length].to_vec()).is_err() {
            return;
        }
    }
}

/// Gathers what `source` yields, in a thread that ends with it.
fn collect(mut source: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let gather = Arc::clone(&gathered);
    thread::spawn(move || {
        let mut piece = vec![0; 4096];
        while let Ok(length @ 1..) = source.read(&mut piece) {
            let mut all = gather.lock().unwrap_or_else(PoisonError::into_inner);
            all.write_all(&piece[..length]).expect("a Vec takes all");
        }
    });
    gathered
}
