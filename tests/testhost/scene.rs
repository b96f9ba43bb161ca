//! vmrun at work in the emulated host: a profile, a run, and what it leaves.

use super::script::GUEST;
use crate::host::{Host, Lost, Reply};
use crate::support::setup::{Qemu, qemus};

/// The program under test; the host sees it at this path too.
pub(crate) const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");

/// Prints the state of the host, by the shell that has its commands in itself.
pub(crate) const STATE: &str =
    concat!("/run/vmrun-test/busybox sh ", env!("CARGO_MANIFEST_DIR"), "/tests/testhost/state.sh 2>/dev/null");

/// Where a scene's profile lies in the host.
const FOLDER: &str = "/run/profile";

/// The status of a script whose run met no fault any more.
const GOOD_END: i32 = 99;

/// Ends a run of many that does not end by itself; the host is lost then, as a script is that does not end.
const LIMITED: &str = "timeout -k 20 150";

/// What a run of vmrun left.
pub(crate) struct Ran {
    /// Its exit status and what it said.
    pub(crate) reply: Reply,
    /// What the hook of [`look`] saw while the guest ran.
    pub(crate) seen: String,
}

/// A profile of the demo guest under KVM in `qemu`, which reports to vmrun. `append` is its command line; `tables` are
/// the tables besides, after further keys of `[memory]`.
pub(crate) fn profile(qemu: &Qemu, append: &str, tables: &str) -> String {
    format!(
        "schema = 1
name = \"windows\"
[machine]
accel = \"kvm\"
[kernel]
image = \"{GUEST}\"
append = \"{append}\"
[[serial]]
to = \"capture\"
[qemu]
binary = \"{}\"
[memory]
size = \"64M\"
{tables}",
        qemu.binary.display()
    )
}

/// What makes of a profile of [`profile`] one whose QEMU runs as [`USER`], who finds the guest's program too.
pub(crate) fn as_user(profile: &str) -> String {
    let user = format!("[qemu]\nuser = \"{USER}\"\n");
    profile.replace("[qemu]\n", &user).replace(GUEST, "/run/guest.elf")
}

/// An account that every system has; its number is [`USER_ID`].
const USER: &str = "nobody";

/// The number of that account.
pub(crate) const USER_ID: &str = "65534";

/// Does `work` while the host's nodes are as udev leaves them, where KVM belongs to a group.
pub(crate) fn with_kvm_group<T>(host: &mut Host, work: impl FnOnce(&mut Host) -> Result<T, Lost>) -> Result<T, Lost> {
    host.ask(&format!("cp {GUEST} /run/guest.elf; chown 0:36 /dev/kvm; chmod 660 /dev/kvm"))?;
    let done = work(host)?;
    host.ask("chown 0:0 /dev/kvm; chmod 600 /dev/kvm; rm /run/guest.elf")?;
    Ok(done)
}

/// The table of a hook that runs `script` while the guest runs; [`Ran::seen`] is what it prints.
pub(crate) fn look(script: &str) -> String {
    format!("[[hook]]\nat = \"started\"\nrun = [\"sh\", \"-c\", '''({script}) >/run/seen 2>&1''']\n")
}

/// Runs vmrun on `profile` to the end of its guest.
pub(crate) fn run(host: &mut Host, profile: &str) -> Result<Ran, Lost> {
    let reply = host.run(&format!("{}rm -f /run/seen; {VMRUN} run profile.toml", write(profile)))?;
    Ok(Ran { reply, seen: host.run("cat /run/seen")?.text() })
}

/// What `work` leaves changed of the host, as lines of `diff`, and what it found.
pub(crate) fn trace<T>(host: &mut Host, work: impl FnOnce(&mut Host) -> Result<T, Lost>) -> Result<(T, String), Lost> {
    host.ask(&format!("{STATE} >/run/before"))?;
    let found = work(host)?;
    let difference = host.run(&format!("{STATE} >/run/after; diff /run/before /run/after"))?;
    Ok((found, difference.text()))
}

/// Runs vmrun on `profile` so often, one run after the other, as long as all end well; returns how many did, and what
/// the one said that did not.
pub(crate) fn run_often(host: &mut Host, profile: &str, times: u32) -> Result<(u32, String), Lost> {
    host.ask(&write(profile))?;
    for start in 0..times {
        let reply = host.run(&format!("cd {FOLDER} && {LIMITED} {VMRUN} run profile.toml"))?;
        if reply.status != 0 {
            return Ok((start, reply.to_string()));
        }
    }
    Ok((times, String::new()))
}

/// Whether somebody asks for everything, however long it takes.
pub(crate) fn all_steps() -> bool {
    std::env::var_os("VMRUN_TEST_ALL_STEPS").is_some()
}

/// The QEMUs that a scene is played with whose like is played with both anyway: both of them where everything is asked for.
pub(crate) fn newer_or_both() -> Vec<Qemu> {
    let [older, newer] = qemus();
    if all_steps() { vec![older, newer] } else { vec![newer] }
}

/// After which steps a fault happens.
#[derive(Clone, Copy)]
pub(crate) enum Steps {
    /// After each.
    All,
    /// After each third, in a scene whose steps others have too; after each with `VMRUN_TEST_ALL_STEPS` in the environment.
    Some,
}

impl Steps {
    fn stride(self) -> usize {
        match self {
            Self::Some if !all_steps() => 3,
            Self::Some | Self::All => 1,
        }
    }
}

/// Runs vmrun on `profile` with a fault at the first step that it makes on the host, then at the second, and so on until
/// a run comes to its good end; after each the host must be as before. Returns the number of steps.
pub(crate) fn fail_each_step(host: &mut Host, profile: &str, steps: Steps) -> Result<u32, Lost> {
    each_step(host, (profile, steps), "fail:", 22, "grep -q 'VMRUN_FAULT' said")
}

/// The same with a vmrun that is killed after the step, and `vmrun recover` after it.
pub(crate) fn kill_at_each_step(host: &mut Host, profile: &str, steps: Steps) -> Result<u32, Lost> {
    each_step(host, (profile, steps), "kill:", 137, &format!("{VMRUN} recover windows >>said 2>&1"))
}

/// The same at each moment at which something was written, or is about to be; a guest that runs then comes to its end first.
pub(crate) fn kill_at_each_moment(host: &mut Host, profile: &str, steps: Steps) -> Result<u32, Lost> {
    let recover = format!("{VMRUN} recover windows >>said 2>&1");
    let then = format!("{{ until {recover}; do [ $? = 14 ] || {{ false; break; }}; sleep 0.2; done; }}");
    each_step(host, (profile, steps), "kill:any#", 137, &then)
}

fn each_step(
    host: &mut Host,
    (profile, steps): (&str, Steps),
    fate: &str,
    status: i32,
    then: &str,
) -> Result<u32, Lost> {
    host.ask(&format!("{STATE} >/run/before\n{}", write(profile)))?;
    // One script for each, so that a host that is lost is soon known to be.
    for step in (1..).step_by(steps.stride()) {
        let script = format!(
            "cd {FOLDER}
             VMRUN_FAULT={fate}{step} {LIMITED} {VMRUN} run profile.toml >said 2>&1; said=$?
             [ $said != 0 ] || exit {GOOD_END}
             [ $said = {status} ] && {then} || {{ echo \"status $said, $?\"; cat said; exit 1; }}
             {STATE} >/run/after
             diff /run/before /run/after || {{ cat said; exit 1; }}"
        );
        match host.run(&script)? {
            Reply { status: 0, .. } => {}
            Reply { status: GOOD_END, .. } => return Ok(step - 1),
            reply => panic!("step {step}: {reply}"),
        }
    }
    unreachable!("no run has as many steps as there are numbers")
}

/// A script that writes `profile` to `profile.toml` in [`FOLDER`] and goes there.
pub(crate) fn write(profile: &str) -> String {
    format!("mkdir -p {FOLDER} && cd {FOLDER} && cat >profile.toml <<'PROFILE'\n{profile}\nPROFILE\n")
}

/// Asserts that a run ended well and that its guest said each of `lines`, in their order.
pub(crate) fn assert_said(reply: &Reply, lines: &[&str]) {
    assert_eq!(reply.status, 0, "{reply}");
    assert_holds(reply, lines);
}

/// Asserts that vmrun refused with `status` and wrote each of `parts`, in their order.
pub(crate) fn assert_refused(reply: &Reply, status: i32, parts: &[&str]) {
    assert_eq!(reply.status, status, "{reply}");
    assert_holds(reply, parts);
}

fn assert_holds(reply: &Reply, parts: &[&str]) {
    let all = reply.to_string();
    parts.iter().fold(all.as_str(), |rest, part| {
        rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is not where it should be\n{all}")).1
    });
}
