//! A guest whose memory is touched before it starts, while QEMU's own threads are kept to one host CPU.

use super::figures::table;
use super::ground::{Ground, real_qemu};
use super::real::{HEAD, Life, ending, fork_exec};
use std::fs;
use std::os::unix::net::UnixListener;

const MEMORY: &str = "4G";

pub(crate) fn run(rounds: usize) {
    for version in ["7.2", "10.0"] {
        let ground = Ground::new(version);
        let profile = ground.profile(&real_qemu(version), 8, "");
        let text = fs::read_to_string(&profile).expect("the profile");
        let whole = text.replace("size = \"256M\"", &format!("size = \"{MEMORY}\"\nprealloc = true"));
        fs::write(&profile, whole).expect("the profile");
        let argv = unplaced(&ground.argv(&profile));
        // Where `cpu.pinning.emulator` has it.
        let kept: Vec<_> = ["taskset", "-c", "0"].map(str::to_owned).into_iter().chain(argv.clone()).collect();
        let listener = UnixListener::bind(ground.first()).expect("a socket");
        let (mut bare, mut in_place, mut vmrun) = <(Life, Life, Life)>::default();
        for _ in 0..rounds {
            bare.add(&listener, || ending(fork_exec(&argv)));
            in_place.add(&listener, || ending(fork_exec(&kept)));
            vmrun.add(&listener, || ending(ground.vmrun(&["run"]).arg(&profile).spawn().expect("vmrun")));
        }
        let rows = [bare.row("bare QEMU", &bare), in_place.row("on one host CPU", &bare), vmrun.row("vmrun", &bare)];
        table(&format!("First instruction: QEMU {version}, {MEMORY} touched before, {rounds} rounds"), &HEAD, &rows);
    }
}

/// `argv` without what says where the threads run that touch the memory.
fn unplaced(argv: &[String]) -> Vec<String> {
    let is_context = |word: Option<&String>| word.is_some_and(|word| word.contains("thread-context"));
    let kept = (0..argv.len()).filter(|&at| !is_context(argv.get(at)) && !is_context(argv.get(at + 1)));
    kept.map(|at| argv[at].replace(",\"prealloc-context\":\"tc0\"", "")).collect()
}
