//! Somebody else who may write to what root obeys, or who stands where vmrun wants to.

use crate::among_mounts;
use crate::support::setup::qemus;
use crate::support::vmrun::{Bench, Ended};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// nobody, who is on every machine.
const STRANGER: u32 = 65534;

fn bench(more: &str) -> (Bench, PathBuf) {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=poweroff", more);
    (bench, profile)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn run(bench: &Bench, profile: &Path) -> Ended {
    bench.run(&["run", profile.to_str().unwrap()])
}

fn assert_denied(ended: &Ended, text: &str) {
    assert_eq!(ended.code, Some(13), "{}", ended.text());
    assert!(ended.text().contains(text), "{text:?} is not in:\n{}", ended.text());
}

#[test]
fn row_107_root_does_not_obey_a_profile_that_somebody_else_may_write_to() {
    let (bench, profile) = bench("");
    mode(&profile, 0o666);
    assert_denied(&run(&bench, &profile), "may be written to by anybody");
    mode(&profile, 0o644);
    chown(&profile, Some(STRANGER), None).unwrap();
    assert_denied(&run(&bench, &profile), "belongs to uid 65534");
    let check = bench.output(&["check", profile.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(13), "{check:?}");
    // By sudo it is the caller's own.
    let own = bench.command().env("SUDO_UID", STRANGER.to_string()).arg("run").arg(&profile).output().unwrap();
    assert_eq!(own.status.code(), Some(0), "{own:?}");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_107_nor_one_that_extends_such_a_file_or_lies_in_such_a_folder() {
    let (bench, profile) = bench("");
    fs::create_dir(bench.path("open")).unwrap();
    let base = bench.path("open/base.toml");
    fs::rename(&profile, &base).unwrap();
    let top = bench.write("top.toml", "extends = \"open/base.toml\"\n");
    let text = fs::read_to_string(&base).unwrap().replace("guest.elf", "../guest.elf");
    fs::write(&base, text).unwrap();
    assert_eq!(run(&bench, &top).code, Some(0));
    mode(&base, 0o606);
    assert_denied(&run(&bench, &top), "base.toml may be written to by anybody");
    mode(&base, 0o644);
    mode(&bench.path("open"), 0o777);
    assert_denied(&run(&bench, &top), "open may be written to by anybody");
}

#[test]
fn row_108_nor_a_hook_that_somebody_else_may_write_to() {
    let (bench, profile) = bench("[[hook]]\nat = \"pre\"\nrun = [\"sh\", \"hook.sh\"]\n");
    let hook = bench.write("hook.sh", "exit 0\n");
    assert_eq!(run(&bench, &profile).code, Some(0));
    mode(&hook, 0o666);
    let refused = run(&bench, &profile);
    assert_denied(&refused, "hook.sh may be written to by anybody");
    assert!(refused.text().contains("hook[0].run"), "{}", refused.text());
}

#[test]
fn row_075_what_somebody_left_in_the_place_of_looking_glass_is_made_anew_and_no_link_is_followed() {
    let memory = format!("/dev/shm/vmrun-test-{}", std::process::id());
    let (bench, profile) = bench("");
    let seen = bench.path("seen");
    let glass = format!(
        "[looking_glass]\nsize = \"2M\"\npath = \"{memory}\"\nowner = \"root\"\n\
         [[hook]]\nat = \"started\"\nrun = [\"sh\", \"-c\", \"stat -c '%s %u %a %F' {memory} >{}\"]\n",
        seen.display()
    );
    fs::write(&profile, fs::read_to_string(&profile).unwrap() + &glass).unwrap();
    let precious = bench.write("precious", "precious");
    let leave: [&dyn Fn(); 2] = [
        &|| {
            fs::write(&memory, "stale").unwrap();
            chown(&memory, Some(STRANGER), None).unwrap();
        },
        &|| symlink(&precious, &memory).unwrap(),
    ];
    for leave in leave {
        leave();
        let ended = run(&bench, &profile);
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        assert_eq!(fs::read_to_string(&seen).unwrap(), "2097152 0 660 regular file\n");
        assert!(!Path::new(&memory).exists());
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_074_a_runtime_folder_of_somebody_else_is_refused() {
    let (bench, profile) = bench("");
    chown(bench.path("runtime"), Some(STRANGER), None).unwrap();
    assert_denied(&run(&bench, &profile), "owned by uid 65534");
    chown(bench.path("runtime"), Some(0), None).unwrap();
    let elsewhere = bench.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, bench.path("runtime/guest")).unwrap();
    assert_denied(&run(&bench, &profile), "it is not a folder");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn row_074_a_runtime_folder_that_cannot_be_written_to_is_told() {
    let (bench, profile) = bench("");
    let script = "mount --bind \"$VMRUN_RUNTIME_DIR\" \"$VMRUN_RUNTIME_DIR\" &&
                  mount -o remount,bind,ro \"$VMRUN_RUNTIME_DIR\" && exec \"$0\" run \"$1\"";
    let ended = among_mounts(&bench, script, profile.to_str().unwrap());
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(13), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}
