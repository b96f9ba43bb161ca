//! A QEMU that does not start says why.

use super::harness::{QEMU_7_2, QEMU_10_0, Run, for_each_qemu};
use vmrun::plan::{Descriptor, Tap};
use vmrun::qemu::QemuError;

for_each_qemu! {
    a_bad_option_is_shown_in_its_own_words
}

async fn a_bad_option_is_shown_in_its_own_words(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg().with("-device", "nosuch");
    std::fs::write(run.folder.path().join("qemu.log"), "what an earlier run said\n").unwrap();
    let error = run.paused().await.unwrap_err();
    let QemuError::Died { status, log } = &error else { panic!("{error}") };
    assert_eq!(status.unwrap().code(), Some(1));
    assert!(log.iter().any(|line| line.contains("nosuch")), "{log:?}");
    assert!(error.to_string().contains("nosuch") && !error.to_string().contains("earlier"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Run::new(("VMRUN_TEST_NO_SUCH", "/nonexistent/qemu")).spawn().unwrap_err();
    assert!(matches!(&error, QemuError::Start { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
    assert!(error.to_string().contains("/nonexistent/qemu"), "{error}");
}

/// The clock stands, and goes on by itself whenever there is nothing left to do.
#[tokio::test(start_paused = true)]
async fn row_022_a_qemu_that_neither_answers_nor_does_anything_is_given_up() {
    for qemu in [QEMU_7_2, QEMU_10_0] {
        let run = Run::new(qemu);
        let nobody_comes = run.folder.path().join("nobody.sock");
        let wait = format!("socket,id=nobody,path={},server=on,wait=on", nobody_comes.display());
        let run = run.tcg().with("-chardev", &wait);
        let mut booting = run.spawn().unwrap();
        let pid = booting.pid();
        let error = booting.told().await.unwrap_err();
        assert!(matches!(error, QemuError::Silent { pid: silent } if silent == pid), "{error}");
        booting.kill().await.unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[tokio::test]
async fn a_bridge_that_is_not_there_is_named_and_nothing_starts() {
    let mut run = Run::new(QEMU_7_2);
    run.draft.pass(Descriptor::Tap(Tap::on_bridge("nosuchbr")));
    let error = run.spawn().unwrap_err();
    assert!(matches!(&error, QemuError::Descriptor { what, .. } if what.contains("nosuchbr")), "{error}");
}
