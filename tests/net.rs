//! Guests on real networks, each test in a network namespace of its own, which takes root: a bridge and a macvtap device
//! that pass packets, ports that lead into the guest, passt beside it, and nothing left behind.

mod support;

use nix::sched::{CloneFlags, unshare};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::linux_guest::{Report, net};
use support::setup::{self, Qemu};
use support::vmrun::{Bench, Run};

/// Longest wait for a guest that boots where every instruction is translated; only a broken one reaches it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Puts this thread, and what it starts, into a network namespace with a view of sysfs that fits.
fn namespace() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("a network namespace needs root");
    tool("mount --make-rprivate /");
    tool("mount -t sysfs sysfs /sys");
    tool("ip link set lo up");
}

/// Runs a tool to its good end and returns what it says.
fn tool(line: &str) -> String {
    let mut words = line.split(' ');
    setup::run(Command::new(words.next().expect("a program")).args(words))
}

fn links() -> String {
    tool("ip -o link show")
}

fn bench(qemu: &Qemu) -> Bench {
    Bench::new(&qemu.binary)
}

/// Starts the Linux guest with `addresses` on `nets` and waits for its report.
fn boot(bench: &Bench, qemu: &Qemu, addresses: &str, nets: &str) -> (Run, Report) {
    let tables = net::tables(addresses);
    let binary = qemu.binary.display();
    let text = format!("schema = 1\nname = \"guest\"\n{tables}[qemu]\nbinary = \"{binary}\"\n{nets}");
    let profile = bench.write("guest.toml", &text);
    let mut run = bench.start(&[profile.to_str().expect("a path of text")]);
    run.until("running");
    let since = Instant::now();
    while !bench.serial().contains("linux-guest: ready") {
        assert!(since.elapsed() < PATIENCE, "the guest does not come up:\n{}", bench.serial());
        sleep(Duration::from_millis(50));
    }
    let report = Report::parse(&bench.serial());
    (run, report)
}

fn fetch(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port is open");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit for a guest that hangs");
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("a request");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}

#[test]
fn packets_pass_by_bridge_and_forwarded_port_and_the_tap_is_gone_after() {
    let [_, qemu] = setup::qemus();
    namespace();
    tool("ip link add br0 type bridge");
    tool("ip addr add 192.168.77.1/24 dev br0");
    tool("ip link set br0 mtu 1400 up");
    let before = links().lines().count();
    let bench = bench(&qemu);
    let nets = "[[net]]\nmode = \"bridge\"\nbridge = \"br0\"\nqueues = 2\nmac = \"52:54:00:00:00:01\"\n\
                [[net]]\nmode = \"user\"\nnet = \"192.168.76.0/24\"\nhostfwd = [\"tcp:127.0.0.1:8080:80\"]\n\
                [[net]]\nmode = \"user\"\nlink = \"down\"\n";
    let (run, report) = boot(&bench, &qemu, "eth0=192.168.77.2 eth1=dhcp eth2=10.0.2.15", nets);

    let seen = report.all("net");
    assert_eq!(seen[0], "eth0 52:54:00:00:00:01 mtu 1400 queues 2 carrier 1 address 192.168.77.2");
    assert!(seen[1].ends_with("queues 1 carrier 1 address 192.168.76.15"), "{seen:?}");
    assert!(seen[2].contains("carrier 0"), "{seen:?}");
    assert_eq!(tool("ip -o link show master br0").lines().count(), 1);
    tool("busybox ping -c 1 -W 30 192.168.77.2");
    assert!(fetch("192.168.77.2:80").contains(net::PAGE));
    let status = String::from_utf8(bench.output(&["status", "guest"]).stdout).expect("text");
    for address in ["192.168.77.2 (nic0; /proc/net/arp)", "192.168.76.15 (nic1; QEMU's own network"] {
        assert!(status.contains(address), "{address}\n{status}");
    }
    assert!(fetch("127.0.0.1:8080").contains(net::PAGE));

    run.signal("TERM");
    let ended = run.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert_eq!(links().lines().count(), before, "{}", links());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_bridge_is_made_for_two_guests_passes_packets_and_goes_with_the_last() {
    let [qemu, _] = setup::qemus();
    namespace();
    let before = tool("ip -o address show");
    let bench = bench(&qemu);
    let net =
        "[[net]]\nmode = \"bridge\"\nbridge = \"guests\"\ncreate_bridge = true\nbridge_address = \"192.168.79.1/24\"\n";
    let (first, report) = boot(&bench, &qemu, "eth0=192.168.79.2", net);
    assert!(report.all("net")[0].ends_with("carrier 1 address 192.168.79.2"), "{:?}", report.all("net"));
    assert!(tool("ip -o address show guests").contains("192.168.79.1/24"));
    tool("busybox ping -c 1 -W 30 192.168.79.2");
    assert!(fetch("192.168.79.2:80").contains(net::PAGE));

    let text = std::fs::read_to_string(bench.profile("then=wait", net)).expect("a profile");
    let second = bench.write("second.toml", &text.replace("name = \"guest\"", "name = \"second\""));
    let mut second = bench.start(&[second.to_str().expect("a path of text")]);
    second.until("running");
    assert_eq!(tool("ip -o link show master guests").lines().count(), 2);
    // The one that made it goes first; the other has it still.
    first.signal("TERM");
    assert_eq!(first.end().code, Some(0));
    assert_eq!(tool("ip -o link show master guests").lines().count(), 1);
    assert!(tool("ip -o address show guests").contains("192.168.79.1/24"));

    // Whatever becomes of vmrun, the journal knows of it.
    second.signal("KILL");
    second.end();
    let left = bench.leftovers();
    let qemu = left.iter().find(|process| process.contains("guest=second")).expect("the guest lives");
    let pid = qemu.split(' ').next().expect("a process id");
    tool(&format!("kill -9 {pid}"));
    while std::path::Path::new(&format!("/proc/{pid}/status")).exists() {
        sleep(Duration::from_millis(20));
    }
    let recover = bench.output(&["recover", "second"]);
    assert!(recover.status.success(), "{recover:?}");
    assert_eq!(tool("ip -o address show"), before);
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_bridge_that_somebody_uses_by_then_stays() {
    let [_, qemu] = setup::qemus();
    namespace();
    let bench = bench(&qemu);
    let net = "[[net]]\nmode = \"bridge\"\nbridge = \"guests\"\ncreate_bridge = true\n";
    let profile = bench.profile("then=wait", net);
    let mut run = bench.start(&[profile.to_str().expect("a path of text")]);
    run.until("running");
    tool("ip tuntap add dev theirs mode tap");
    tool("ip link set theirs master guests");
    bench.wait_for_serial("waiting");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
    assert!(tool("ip -o link show master guests").contains("theirs"));
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn macvtap_and_passt_serve_a_guest_and_are_recovered_when_vmrun_is_killed() {
    let [qemu, _] = setup::qemus();
    namespace();
    tool("ip link add v0 type veth peer name v1");
    tool("ip link set v0 up");
    tool("ip addr add 192.168.78.1/24 dev v1");
    tool("ip link set v1 up");
    // What passt copies for the guest: an interface with the default route.
    tool("ip link add p0 type veth peer name p1");
    tool("ip addr add 10.9.0.2/24 dev p0");
    tool("ip link set p0 up");
    tool("ip link set p1 up");
    tool("ip route add default via 10.9.0.1");
    let bench = bench(&qemu);
    let nets = "[[net]]\nmode = \"macvtap\"\nparent = \"v0\"\nqueues = 2\n\
                [[net]]\nmode = \"passt\"\nhostfwd = [\"tcp:127.0.0.1:8080:80\"]\n";
    let (run, report) = boot(&bench, &qemu, "eth0=192.168.78.2 eth1=dhcp", nets);

    let seen = report.all("net");
    assert!(seen[0].ends_with("mtu 1500 queues 2 carrier 1 address 192.168.78.2"), "{seen:?}");
    assert!(seen[1].ends_with("address 10.9.0.2"), "{seen:?}");
    tool("busybox ping -c 1 -W 30 192.168.78.2");
    assert!(fetch("127.0.0.1:8080").contains(net::PAGE));
    assert!(links().contains("vmrun-"), "{}", links());

    run.signal("KILL");
    run.end();
    let processes = bench.leftovers();
    assert!(processes.iter().any(|process| process.contains("passt")), "{processes:?}");
    let qemu = processes.into_iter().find(|process| process.contains("guest=guest")).expect("the guest lives");
    let pid = qemu.split(' ').next().expect("a process id").to_owned();
    tool(&format!("kill -9 {pid}"));
    while std::path::Path::new(&format!("/proc/{pid}/status")).exists() {
        sleep(Duration::from_millis(20));
    }
    assert!(links().contains("vmrun-"), "nothing has taken it away yet");
    let recover = bench.output(&["recover", "guest"]);
    assert!(recover.status.success(), "{recover:?}");
    assert!(!links().contains("vmrun-"), "{}", links());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_macvtap_device_is_there_while_the_guest_runs() {
    let [_, qemu] = setup::qemus();
    namespace();
    tool("ip link add v0 type veth peer name v1");
    tool("ip link set v0 up");
    tool("ip link set v1 up");
    let bench = bench(&qemu);
    let profile = bench.profile(
        "then=wait",
        "[[net]]\nmode = \"macvtap\"\nparent = \"v0\"\nmacvtap_mode = \"private\"\nmtu = 1300\nmac = \"52:54:00:00:00:07\"\n",
    );
    let mut run = bench.start(&[profile.to_str().expect("a path of text")]);
    run.until("running");
    let made = tool("ip -o -d link show type macvtap");
    let facts = ["@v0", "mtu 1300", ",UP", "link/ether 52:54:00:00:00:07", "macvtap mode private"];
    assert!(facts.iter().all(|fact| made.contains(fact)), "{made}");
    bench.wait_for_serial("waiting");
    run.signal("TERM");
    let ended = run.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert_eq!(tool("ip -o link show type macvtap"), "");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_tap_that_was_there_stays_and_a_new_one_goes() {
    let [qemu, _] = setup::qemus();
    namespace();
    tool("ip tuntap add dev mine mode tap multi_queue");
    tool("ip link set mine up");
    let bench = bench(&qemu);
    let profile = bench.profile(
        "then=wait",
        "[[net]]\nmode = \"tap\"\ntap = \"mine\"\nqueues = 2\n[[net]]\nmode = \"tap\"\ntap = \"fresh\"\nmtu = 9000\n",
    );
    let mut run = bench.start(&[profile.to_str().expect("a path of text")]);
    run.until("running");
    let there = tool("ip -o link show type tun");
    assert!(there.contains("fresh: ") && there.contains("mtu 9000"), "{there}");
    assert!(there.lines().filter(|line| line.contains("LOWER_UP")).count() == 2, "both are held: {there}");

    let second =
        bench.write("second.toml", "schema = 1\nname = \"second\"\n[[net]]\nmode = \"tap\"\ntap = \"fresh\"\n");
    let refused = bench.output(&["check", second.to_str().expect("a path of text")]);
    assert_eq!(refused.status.code(), Some(14), "{refused:?}");

    bench.wait_for_serial("waiting");
    run.signal("TERM");
    let ended = run.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    let left = tool("ip -o link show type tun");
    assert!(left.contains("mine: ") && !left.contains("fresh"), "{left}");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}
