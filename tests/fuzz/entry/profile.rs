//! Any text as a profile, planned on two captured machines.

use std::sync::LazyLock;
use vmrun::host::Host;
use vmrun::plan::Kept;
use vmrun::profile::source::{self, Sheets};
use vmrun::profile::{Profile, Setting};

static HOSTS: LazyLock<[Host; 2]> = LazyLock::new(|| {
    [include_str!("../../hosts/zen3.json"), include_str!("../../hosts/two-nodes.json")]
        .map(|text| serde_json::from_str(text).expect("a captured host"))
});

/// Whether it is text.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(text) = source::decode(bytes) else { return false };
    let sheets = Sheets::new("fuzz.toml", "/home/alice/vm", text);
    let setting = Setting {
        dir: "/home/alice/vm".into(),
        home: Some("/home/alice".into()),
        run_dir: "/run/vmrun/fuzz".into(),
        state_dir: "/var/lib/vmrun".into(),
        kept: Kept::default(),
    };
    match source::read::<Profile>(&sheets) {
        Ok((profile, keys)) => {
            let _ = profile.wants(&setting);
            for host in HOSTS.iter() {
                // Every problem is at a key of the text, or at none.
                if let Err(refusal) = profile.plan(host, &setting) {
                    assert!(!refusal.problems.is_empty(), "a refusal says why");
                    refusal.problems.iter().for_each(|problem| drop(keys.span_of(&problem.at)));
                }
            }
        }
        Err(rejection) => {
            assert!(!rejection.mistakes.is_empty(), "a rejection says why");
            for mistake in &rejection.mistakes {
                let _ = sheets.shown(&mistake.span);
            }
        }
    }
    true
}
