//! What QEMU inherits has the numbers that the plan dealt, and nothing else is inherited.

use super::harness::{Run, for_each_qemu, origin};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, read_link};
use std::os::fd::OwnedFd;
use tokio::io::AsyncReadExt;
use vmrun::plan::Descriptor;
use vmrun::qemu::spawn;
use vmrun::unit::CpuSet;

for_each_qemu! {
    the_serial_port_arrives_under_its_number
    a_lock_lives_exactly_as_long_as_qemu
    qemu_is_detached_from_the_terminal_and_the_environment
}

/// A guest that writes to its first serial port and halts: `mov dx,0x3f8; mov al,'k'; out dx,al; cli; hlt`.
const WRITER: &[u8] = &[0xba, 0xf8, 0x03, 0xb0, b'k', 0xee, 0xfa, 0xf4];

fn boot_sector(run: Run) -> Run {
    // SeaBIOS boots from no AHCI disk of one sector.
    let mut sectors = vec![0; 1 << 20];
    sectors[..WRITER.len()].copy_from_slice(WRITER);
    sectors[510..512].copy_from_slice(&[0x55, 0xaa]);
    let path = run.folder.path().join("disk");
    std::fs::write(&path, sectors).unwrap();
    run.with("-drive", &format!("file={},format=raw,if=ide", path.display()))
}

async fn the_serial_port_arrives_under_its_number(qemu: (&str, &str)) {
    let mut run = boot_sector(Run::new(qemu).tcg());
    let fd = run.draft.pass(Descriptor::Serial);
    let run =
        run.with("-chardev", &format!("socket,id=serial,fd={fd},server=on,wait=off")).with("-serial", "chardev:serial");
    let paused = run.paused().await.unwrap();
    let target = |number: u32| read_link(format!("/proc/{}/fd/{number}", paused.pid())).unwrap();
    assert_eq!(fd, 4);
    assert!(target(3).to_string_lossy().starts_with("socket:") && target(4).to_string_lossy().starts_with("socket:"));

    let mut guest = paused.cont().await.unwrap();
    let mut byte = [0];
    guest.serial.as_mut().unwrap().read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"k");
    guest.kill().unwrap();
}

async fn a_lock_lives_exactly_as_long_as_qemu(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg();
    let path = run.folder.path().join("alive.lock");
    let file = File::create(&path).unwrap();
    file.lock().unwrap();
    let mut booting = spawn(&run.plan(), run.log(), vec![OwnedFd::from(file)]).unwrap();
    let told = booting.told().await.unwrap();
    assert_eq!(read_link(format!("/proc/{}/fd/4", booting.pid())).unwrap(), path);
    let mut guest = booting.pin(&run.plan().pins, &told, CpuSet::default()).await.unwrap().cont().await.unwrap();

    let ours = || Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock);
    assert!(ours().is_err());
    guest.quit().await.unwrap();
    guest.wait().await.unwrap();
    assert!(ours().is_ok());
}

async fn qemu_is_detached_from_the_terminal_and_the_environment(qemu: (&str, &str)) {
    let mut run = Run::new(qemu).tcg();
    run.draft.contents.env.insert("FROM_PLAN".into(), "yes".into());
    run.draft.contents.argv.setting("-name", "test", origin());
    // A descriptor as a careless shell leaves it: not closed on exec.
    let leak = File::open("/etc/hostname").unwrap();
    nix::fcntl::fcntl(&leak, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let paused = run.paused().await.unwrap();
    let of = |file: &str| format!("/proc/{}/{file}", paused.pid());

    let environment = String::from_utf8(std::fs::read(of("environ")).unwrap()).unwrap();
    let names: Vec<&str> = environment.split('\0').filter_map(|entry| Some(entry.split_once('=')?.0)).collect();
    assert!(names.contains(&"FROM_PLAN") && names.contains(&"PATH"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");

    let stat = std::fs::read_to_string(of("stat")).unwrap();
    let session = stat[stat.rfind(')').unwrap()..].split_whitespace().nth(4).unwrap().to_owned();
    assert_eq!(session, paused.pid().to_string());
    assert_eq!(read_link(of("fd/0")).unwrap().to_str(), Some("/dev/null"));
    assert_eq!(read_link(of("fd/1")).unwrap(), run.folder.path().join("qemu.log"));
    assert_eq!(std::fs::read_to_string(of("oom_score_adj")).unwrap().trim(), "0");
    assert_eq!(super::harness::status(paused.pid(), i32::try_from(paused.pid()).unwrap(), "Umask"), "0077");
    let open = std::fs::read_dir(of("fd")).unwrap().map(|entry| read_link(entry.unwrap().path()).unwrap());
    assert!(!open.collect::<Vec<_>>().contains(&"/etc/hostname".into()));
    drop(leak);
}
