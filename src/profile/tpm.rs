//! `[tpm]`: a TPM 2.0 of the guest's own.

use super::program;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Class, Command, Draft, NewFile, Origin, Problem, Props, Ready, Restart, Service, Start, What};
use crate::unit::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A TPM 2.0, emulated by `swtpm`, which vmrun starts before QEMU and ends after it; Windows 11 asks for one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tpm {
    /// How the guest talks to it: `"tpm-crb"`, the default, or `"tpm-tis"` for guests that know only the older interface.
    /// QEMU: the device of that name.
    #[serde(default)]
    model: Model,
    /// Folder of its state, which is what the guest's disk encryption hangs on; in the state folder unless given. Only
    /// its owner can enter it.
    state: Option<PathBuf>,
    /// The emulator: a path, or a name to be looked for; `swtpm` unless given.
    swtpm: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Model {
    #[default]
    TpmCrb,
    TpmTis,
}

impl Model {
    fn driver(self) -> &'static str {
        match self {
            Self::TpmCrb => "tpm-crb",
            Self::TpmTis => "tpm-tis",
        }
    }
}

/// Name of the companion, for messages.
const NAME: &str = "swtpm";

/// How long it may take to write its state after SIGTERM.
const STOP: Period = Period::from_secs(5);

impl Tpm {
    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        program::candidates(&self.program(), setting)
    }

    fn program(&self) -> String {
        self.swtpm.as_ref().map_or_else(|| NAME.to_owned(), |path| path.display().to_string())
    }
}

pub(super) fn draft(tpm: Option<&Tpm>, scene: &Scene, draft: &mut Draft) {
    let Some(tpm) = tpm else { return };
    let Tpm { model, state, swtpm: _ } = tpm;
    let state = match state {
        Some(state) => scene.setting.resolve(state),
        None => scene.setting.state_dir.join(format!("{}_TPM", scene.name)),
    };
    let socket = scene.sockets().join("tpm.sock");
    for (path, key) in [(&state, "tpm.state"), (&socket, "name")] {
        judge_comma(path, key, draft);
    }
    if let Some(program) = tpm.found(scene, draft) {
        draft.contents.services.push(companion(&program, (&state, &socket), scene.login()));
    }
    draft.contents.files.push(NewFile::Folder { folder: state, owner: scene.user.map(|user| user.uid) });
    draft_device(*model, &socket, draft);
}

impl Tpm {
    /// The emulator's path; notes a problem when there is none.
    fn found(&self, scene: &Scene, draft: &mut Draft) -> Option<PathBuf> {
        let candidates = program::candidates(&self.program(), scene.setting);
        let runs = |path: &&PathBuf| matches!(scene.host.path(path), PathFact::File { executable: true, .. });
        let found = candidates.iter().find(runs).cloned();
        if found.is_none() {
            let (key, what) = match &self.swtpm {
                Some(given) => ("tpm.swtpm", format!("there is no program {}", given.display())),
                None => ("tpm", "there is no swtpm, which emulates the TPM".to_owned()),
            };
            draft.refuse(
                Problem::new(Class::Missing, key, what)
                    .why("QEMU has the device, not what is behind it")
                    .fix("apt install swtpm   # so it is called by Fedora, Arch and openSUSE too"),
            );
        }
        found
    }
}

/// The emulator. It is not started again: QEMU connects once, at its start (`tpm_emulator.c`), and what a guest of a TPM
/// that is gone would do with its keys nobody knows.
fn companion(program: &Path, (state, socket): (&Path, &Path), user: Option<String>) -> Service {
    let argv = [
        program.display().to_string(),
        "socket".to_owned(),
        "--tpm2".to_owned(),
        "--tpmstate".to_owned(),
        format!("dir={},mode=0600", state.display()),
        "--ctrl".to_owned(),
        format!("type=unixio,path={},mode=0600", socket.display()),
    ];
    Service {
        key: "tpm".into(),
        name: NAME.into(),
        what: What::Command {
            run: Command { argv: argv.to_vec(), user, ..Command::default() },
            restart: Restart::No,
            delay: Period::from_secs(1),
            burst: 1,
            ready: Ready::File(socket.to_owned()),
            stop_timeout: STOP,
        },
        start: Start::Before,
        required: true,
    }
}

fn draft_device(model: Model, socket: &Path, draft: &mut Draft) {
    let origin = || Origin::given("tpm");
    let mut chardev = Props::default();
    chardev.head("socket", origin());
    chardev.set("id", "tpm-socket", origin());
    chardev.set("path", socket.display().to_string(), origin());
    let mut backend = Props::default();
    backend.head("emulator", origin());
    backend.set("id", "tpm0", origin());
    backend.set("chardev", "tpm-socket", origin());
    let argv = &mut draft.contents.argv;
    argv.backend_props("-chardev", &chardev);
    argv.backend_props("-tpmdev", &backend);
    argv.device(&json!({"driver": model.driver(), "tpmdev": "tpm0"}), Origin::given("tpm.model"));
}

/// swtpm ends a path at a comma and has no way to quote one.
fn judge_comma(path: &Path, key: &str, draft: &mut Draft) {
    if path.as_os_str().as_encoded_bytes().contains(&b',') {
        let what = format!("{} has a comma, where swtpm would cut it", path.display());
        draft.refuse(Problem::new(Class::Invalid, key, what).fix("a path without a comma"));
    }
}
