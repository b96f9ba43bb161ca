//! What the emulated test host promises the tests that run in it, and what vmrun does there.

mod host;

use host::Layout;

#[test]
fn a_host_runs_several_commands_and_hands_back_status_output_and_errors() {
    let (first, second) = host::on(&Layout::KVM, |host| {
        let first = host.run("printf 'a\\0b\\377'; echo broken >&2; exit 3")?;
        let second = host.run("cat /proc/uptime; dmesg | tail -30; ls /dev; cat /proc/cmdline; lsmod")?;
        Ok((first, second))
    });
    assert_eq!((first.status, first.stdout.as_slice(), first.stderr.as_slice()), (3, &b"a\0b\xff"[..], &b"broken\n"[..]));
    assert_eq!(second.status, 0, "{second}");
    println!("{second}");
}
