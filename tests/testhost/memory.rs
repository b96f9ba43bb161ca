//! Memory of the guest, as the host's kernel sees it.

use super::scene::VMRUN;
use crate::host::{self, Layout};
use crate::support::setup;

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
