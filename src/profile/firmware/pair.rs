//! Code and variables apart: the host's code, which no guest writes to, and a variable store of the guest's own.

use super::flash::{self, Access, Format};
use super::search::{self, Wanted};
use super::{Firmware, secure};
use crate::host::{self, PathFact};
use crate::plan::{Class, Draft, NewFile, Origin, Problem};
use crate::profile::machine::Machine;
use crate::profile::scene::Scene;
use crate::profile::setting::Setting;
use std::path::{Path, PathBuf};

/// Where the store of guest `name` is kept when the profile does not say.
pub(super) fn own_store(name: &str, format: Format, setting: &Setting) -> PathBuf {
    setting.state_dir.join(format!("{name}_VARS.{}", format.extension()))
}

impl Firmware {
    pub(super) fn draft_pair(&self, machine: &Machine, scene: &Scene, draft: &mut Draft) {
        let wanted = self.wanted(draft);
        if self.secure_boot && !secure::judge(machine, draft) {
            return;
        }
        let found = match &self.code {
            Some(code) => search::of_code(&scene.setting.resolve(code), wanted, scene.host),
            None => search::first(wanted, machine.kind(), scene.host),
        };
        let (code, origin) = match (&self.code, found) {
            (Some(code), _) => {
                (scene.read_file(code, "firmware.code", Class::Missing, draft), Origin::given("firmware.code"))
            }
            (None, Some(found)) => (found.code.clone(), self.origin_of_code(found)),
            (None, None) => return draft.refuse(search::none(wanted, machine.kind())),
        };
        self.draft_guard(found, &code, machine, draft);
        let format = self.format_of(found);
        flash::draft((0, "fw-code"), (&code, format), Access::ReadOnly, &origin, scene, draft);
        let template = match &self.vars {
            Some(vars) => Some(scene.file(vars, "firmware.vars", Class::Missing, draft)),
            None => found.and_then(|found| found.vars.clone()),
        };
        let Some(template) = template else { return self.draft_kept(&code, format, scene, draft) };
        if format == Format::Raw {
            flash::judge(&[&code, &template], "firmware", scene, draft);
        }
        self.draft_store(template, format, scene, draft);
    }

    fn wanted(&self, draft: &mut Draft) -> Wanted {
        match (self.secure_boot, self.enrolled_keys) {
            (true, keys) => Wanted::Secure { keys: keys.unwrap_or(true) },
            (false, None | Some(false)) => Wanted::Plain,
            (false, Some(true)) => {
                draft.refuse(
                    Problem::new(
                        Class::Invalid,
                        "firmware.enrolled_keys",
                        "enrolled keys say nothing without Secure Boot",
                    )
                    .fix("secure_boot = true"),
                );
                Wanted::Plain
            }
        }
    }

    fn origin_of_code(&self, found: &host::Firmware) -> Origin {
        let Some(descriptor) = &found.descriptor else {
            return Origin::derived("firmware.kind", "the first that stands where distributions put it");
        };
        let origin = if self.secure_boot {
            Origin::derived("firmware.secure_boot", "the first of the host's firmware descriptors with it")
        } else {
            Origin::derived("firmware.kind", "the first of the host's firmware descriptors that fits")
        };
        origin.read_in(descriptor.display().to_string())
    }

    /// Drafts what guards the variables, when they are to be guarded or the code cannot do without.
    fn draft_guard(&self, found: Option<&host::Firmware>, code: &Path, machine: &Machine, draft: &mut Draft) {
        let can = found.is_none_or(|found| search::has(found, "secure-boot"));
        if self.secure_boot && !can {
            let what = format!("{} has no Secure Boot, says its descriptor", code.display());
            draft.refuse(
                Problem::new(Class::Impossible, "firmware.code", what).fix("leave code out to have one chosen"),
            );
        }
        if self.secure_boot {
            secure::draft(machine, "firmware.secure_boot", draft);
        } else if found.is_some_and(|found| search::has(found, "requires-smm")) {
            secure::draft(machine, "firmware.code", draft);
        }
    }

    fn format_of(&self, found: Option<&host::Firmware>) -> Format {
        self.format.or_else(|| Format::named(&found?.format)).unwrap_or_default()
    }

    /// Without a template, a store that the profile names is taken as it is; there is nothing to make one of.
    fn draft_kept(&self, code: &Path, format: Format, scene: &Scene, draft: &mut Draft) {
        let Some(nvram) = &self.nvram else { return draft.warn(forgetful(code)) };
        let path = scene.setting.resolve(nvram);
        let nvram = if scene.host.path(&path) == &PathFact::Missing {
            draft.refuse(unmade(&path, code));
            path
        } else {
            scene.file(nvram, "firmware.nvram", Class::Missing, draft)
        };
        if format == Format::Raw {
            flash::judge(&[code, &nvram], "firmware", scene, draft);
        }
        let origin = Origin::given("firmware.nvram");
        flash::draft((1, "fw-vars"), (&nvram, format), Access::Written, &origin, scene, draft);
    }

    fn draft_store(&self, template: PathBuf, format: Format, scene: &Scene, draft: &mut Draft) {
        let (nvram, origin) = match &self.nvram {
            Some(nvram) => (scene.setting.resolve(nvram), Origin::given("firmware.nvram")),
            None => (
                own_store(scene.name.as_str(), format, scene.setting),
                Origin::derived("firmware", "the guest's own variable store"),
            ),
        };
        if nvram == template {
            draft.refuse(
                Problem::new(Class::Invalid, "firmware.nvram", "the guest's own variable store is its template")
                    .why("the guest writes to it, and other guests start with it")
                    .fix("leave nvram out"),
            );
        }
        if format == Format::Raw {
            flash::judge_store(&nvram, &template, scene, draft);
        }
        flash::draft((1, "fw-vars"), (&nvram, format), Access::Written, &origin, scene, draft);
        draft.contents.files.push(NewFile::Copy { path: nvram, copy_of: template });
    }
}

/// Why there is no template.
fn untold(code: &Path) -> String {
    format!("no firmware descriptor names a template that belongs to {}", code.display())
}

const TEMPLATE: &str = "vars = \"/usr/share/OVMF/OVMF_VARS_4M.fd\"";

fn unmade(nvram: &Path, code: &Path) -> Problem {
    let what = format!("{} does not exist, and there is nothing to make it of", nvram.display());
    Problem::new(Class::Missing, "firmware.nvram", what).why(untold(code)).fix(TEMPLATE)
}

fn forgetful(code: &Path) -> Problem {
    Problem::new(Class::Missing, "firmware.vars", "the guest has no variable store and forgets its boot entries")
        .why(untold(code))
        .fix(TEMPLATE)
}
