//! booster(1), of Arch Linux.

use super::initramfs::MODULES;
use super::modprobe::Form;
use super::{Draft, MARK};
use crate::host::Boot;
use crate::plan::{Class, Problem};

const PATH: &str = "/etc/booster.yaml";

/// The key whose modules are loaded before all that is found.
const KEY: &str = "modules_force_load:";

/// booster reads options from `modprobe.d`, and has no shell for `install` lines.
pub(super) fn write(form: Form, boot: &Boot, draft: &mut Draft) {
    if form == Form::Addresses {
        draft.refuse(
            Problem::new(Class::Impossible, "", "booster cannot run the script that binds by address")
                .why("its images have no shell")
                .fix("leave the binding to `vmrun run`, or make the image with mkinitcpio or dracut"),
        );
        return;
    }
    match edited(boot.text(PATH)) {
        Ok(text) => draft.write(boot, PATH, text),
        Err(why) => {
            let by_hand = format!("write by hand: {KEY} {},…", MODULES.join(","));
            draft.refuse(Problem::new(Class::Invalid, "", format!("{PATH} {why}")).fix(by_hand));
        }
    }
    draft.command("/usr/lib/booster/regenerate_images");
}

fn edited(text: &str) -> Result<String, String> {
    let modules = MODULES.join(",");
    let mut lines = text.split_inclusive('\n').filter(|line| line.starts_with(KEY));
    let (line, second) = (lines.next(), lines.next());
    let Some(line) = line else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{text}{gap}{MARK}\n{KEY} {modules}\n"));
    };
    let value = line[KEY.len()..].trim();
    if second.is_some() || value.is_empty() || value.contains(['[', '|', '>', '"', '\'', '#', '&']) {
        return Err(format!("has a {KEY} that is no plain list on one line"));
    }
    let have: Vec<_> = value.split(',').map(|module| module.trim().replace('-', "_")).collect();
    let missing: Vec<_> = MODULES.into_iter().filter(|module| !have.iter().any(|it| it == module)).collect();
    if missing.is_empty() {
        return Ok(text.to_owned());
    }
    Ok(text.replacen(line, &line.replacen(value, &format!("{},{value}", missing.join(",")), 1), 1))
}

#[cfg(test)]
mod test {
    use super::edited;

    #[test]
    fn modules_come_before_those_that_are_there() {
        assert_eq!(
            edited("universal: false\nmodules_force_load: amdgpu,nvme\n").unwrap(),
            "universal: false\nmodules_force_load: vfio_pci,vfio_iommu_type1,amdgpu,nvme\n"
        );
        assert!(edited("strip: true").unwrap().ends_with("strip: true\n# Written by `vmrun isolate`, which `vmrun isolate --remove` takes back.\nmodules_force_load: vfio_pci,vfio_iommu_type1\n"));
    }

    #[test]
    fn other_shapes_of_lists_are_refused() {
        for text in [
            "modules_force_load:\n  - amdgpu\n",
            "modules_force_load: [amdgpu]\n",
            "modules_force_load: a\nmodules_force_load: b\n",
        ] {
            assert!(edited(text).is_err(), "{text}");
        }
    }
}
