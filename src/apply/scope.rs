//! A scope of systemd for QEMU, beside the slices of the host's processes.

use super::ApplyError;
use super::step::run_to_end;
use crate::plan::Command;

/// Moves process `pid` into a new scope at the root of all slices, so that no slice confines it.
///
/// A QEMU that was started from a login shell is below `user.slice`, and would be cut off from its host CPUs with it. The
/// scope ends with the process: there is nothing to undo. Its name ends in the number of the process, since systemd may not
/// have forgotten yet the one that the same guest had before a cold reboot. systemd: `StartTransientUnit`, org.freedesktop.systemd1(5).
///
/// # Errors
/// When systemd refuses; the process is where it was then.
pub async fn enter_scope(name: &str, pid: u32) -> Result<(), ApplyError> {
    let pid = pid.to_string();
    let unit = format!("{name}-{pid}.scope");
    let call = [
        "busctl",
        "--quiet",
        "--",
        "call",
        "org.freedesktop.systemd1",
        "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager",
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        &unit,
        "fail",
        "3",
        "PIDs",
        "au",
        "1",
        &pid,
        "Slice",
        "s",
        "-.slice",
        "CollectMode",
        "s",
        "inactive-or-failed",
        "0",
    ];
    run_to_end(&command(&call)).await?;
    // Joins the job that the call has begun, and ends with it.
    run_to_end(&command(&["systemctl", "--quiet", "start", "--", &unit])).await
}

fn command(words: &[&str]) -> Command {
    Command { argv: words.iter().map(|word| (*word).to_owned()).collect(), user: None, env: [].into(), timeout: None }
}
