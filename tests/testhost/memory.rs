//! Memory of the guest, as the host's kernel sees it.

use super::scene::{Steps, VMRUN, kill_at_each_moment, profile};
use crate::host::{self, Layout};
use crate::support::setup::{self, Qemu};

#[test]
fn qemu_may_lock_the_guests_memory_and_a_user_who_may_not_is_told_the_bytes() {
    let [qemu, _newer] = setup::qemus();
    let binary = qemu.binary.display();
    let (limits, denied) = host::on(&Layout::KVM, |host| {
        let profile = format!(
            "cd $(mktemp -d) && chmod 755 . && cat >profile.toml <<'PROFILE'
schema = 1
name = \"locked\"
[memory]
size = \"64M\"
locked = true
[qemu]
binary = \"{binary}\"
PROFILE
",
        );
        let limits = host.ask(&format!(
            "{profile} {VMRUN} run profile.toml 2>log & vmrun=$!
             until grep -q 'guest running' log; do sleep 0.2; kill -0 $vmrun || {{ cat log; exit 1; }}; done
             grep 'locked memory' /proc/$(pgrep -f guest=locked)/limits
             {VMRUN} stop --force locked >/dev/null 2>&1; wait $vmrun; true"
        ))?;
        let denied = host.run(&format!(
            "{profile} prlimit --memlock=8388608:8388608 setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
             env HOME=/nonexistent {VMRUN} check profile.toml"
        ))?;
        Ok((limits, denied))
    });
    assert_eq!(limits.split_whitespace().skip(3).collect::<Vec<_>>(), ["1140850688", "1140850688", "bytes"]);
    assert_eq!(denied.status, 13, "{denied}");
    let said = denied.to_string();
    assert!(said.contains("QEMU must lock 1140850688 bytes of memory, and user 65534 may lock 8388608"), "{said}");
    assert!(said.contains("nobody - memlock 1114112"), "{said}");
}

#[test]
fn two_guests_that_start_at_once_take_no_page_of_each_other_and_leave_the_pool_as_it_was() {
    let [qemu, _newer] = setup::qemus();
    let levels = host::on(&Layout::KVM, |host| {
        host.ask(&format!(
            "{setting}
             echo 20 >$pool/nr_hugepages
             level() {{ echo $(cat $pool/nr_hugepages $pool/free_hugepages); }}
             $vmrun run one.toml 2>one.log & one=$!
             $vmrun run two.toml 2>two.log & two=$!
             runs one $one; runs two $two; level
             $vmrun stop --force one >/dev/null 2>&1; wait $one; level
             $vmrun stop --force two >/dev/null 2>&1; wait $two; level
             $vmrun run one.toml 2>one.log & one=$!
             runs one $one; level
             qemu=$(pgrep -f guest=one)
             kill -KILL $one; kill -KILL $qemu; while kill -0 $qemu 2>/dev/null; do sleep 0.1; done; level
             $vmrun recover one >/dev/null 2>&1 || exit 1; level
             echo 0 >$pool/nr_hugepages",
            setting = guests(&qemu, "size = \"64M\"\nhugepages = \"2M\""),
        ))
    });
    let levels: Vec<_> = levels.lines().collect();
    assert_eq!(levels[0], "64 0", "{levels:?}");
    assert!(["32 0", "52 20"].contains(&levels[1]), "{levels:?}");
    assert_eq!(levels[2..], ["20 20", "32 0", "32 32", "20 20"]);
}

#[test]
#[ignore = "takes long; `cargo test --test testhost -- --ignored` runs all that do"]
fn pages_that_cannot_be_made_are_counted_and_all_given_back_or_the_fallback_is_used() {
    let [qemu, _newer] = setup::qemus();
    // The plan finds memory enough; a hook before the pages takes it away.
    let hook = "size = \"1200M\"\nhugepages = \"2M\"\n#fallback\n[[hook]]\nat = \"pre\"\n\
                run = [\"/bin/dd\", \"if=/dev/zero\", \"of=/dev/shm/fill\", \"bs=1M\", \"count=800\"]\n\
                undo = [\"/bin/rm\", \"/dev/shm/fill\"]";
    let (failed, fallen) = host::on(&Layout::KVM, |host| {
        let setting = guests(&qemu, hook);
        let failed = host.run(&format!("{setting} $vmrun run one.toml; echo $?; cat $pool/nr_hugepages"))?;
        let fallen = host.run(&format!(
            "{setting} sed -i 's/#fallback/fallback = false/' one.toml
             $vmrun run one.toml 2>one.log & one=$!
             runs one $one; cat $pool/nr_hugepages
             $vmrun stop --force one >/dev/null 2>&1; wait $one; cat one.log >&2"
        ))?;
        Ok((failed, fallen))
    });
    assert_eq!(failed.text(), "22\n0", "{failed}");
    let said = failed.to_string();
    assert!(said.contains("600 huge pages of 2M are needed on node 0: 0 were free, and "), "{said}");
    assert!(said.contains("of the 600 others could be made"), "{said}");
    assert_eq!(fallen.text(), "0", "{fallen}");
    assert!(fallen.to_string().contains("memory.fallback is used"), "{fallen}");
}

#[test]
fn the_share_of_transparent_huge_pages_is_told() {
    let [qemu, _newer] = setup::qemus();
    let said = host::on(&Layout::KVM, |host| {
        host.ask(&format!(
            "{setting} echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
             $vmrun run one.toml 2>one.log & one=$!
             runs one $one
             until grep 'transparent huge pages' one.log; do sleep 0.2; kill -0 $one || exit 1; done
             $vmrun stop --force one >/dev/null 2>&1; wait $one; true",
            setting = guests(&qemu, "size = \"64M\"\nhugepages = \"thp\"\nprealloc = true"),
        ))
    });
    assert!(said.contains("transparent huge pages: 64M of 64M, 100 %"), "{said}");
}

/// Writes the profiles `one` and `two` of guests with these keys of `[memory]` and tables after it, in a folder of their
/// own. `runs NAME PID` waits until a guest runs.
fn guests(qemu: &Qemu, memory: &str) -> String {
    format!(
        "cd $(mktemp -d) && mkdir runtime state
         export VMRUN_RUNTIME_DIR=$PWD/runtime VMRUN_STATE_DIR=$PWD/state
         vmrun={VMRUN}
         pool=/sys/kernel/mm/hugepages/hugepages-2048kB
         runs() {{ until grep -q 'guest running' $1.log; do sleep 0.2; kill -0 $2 || {{ cat $1.log; exit 1; }}; done; }}
         for name in one two; do cat >$name.toml <<PROFILE
schema = 1
name = \"$name\"
[qemu]
binary = \"{binary}\"
[memory]
{memory}
PROFILE
done
",
        binary = qemu.binary.display(),
    )
}

#[test]
fn huge_pages_are_given_back_once_at_whatever_moment_vmrun_is_killed() {
    let [_older, qemu] = setup::qemus();
    let profile = profile(&qemu, "report=brief", "hugepages = \"2M\"\n");
    let moments = host::on(&Layout::KVM, |host| {
        // Some that are nobody's, which stay.
        host.ask("echo 8 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")?;
        let moments = kill_at_each_moment(host, &profile, Steps::Some)?;
        host.ask("echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")?;
        Ok(moments)
    });
    assert!(moments > 10, "{moments}");
}
