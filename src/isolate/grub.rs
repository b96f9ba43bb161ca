//! GRUB's arguments of the kernel.

use super::Draft;
use super::assignment::Assignment;
use crate::host::Boot;
use crate::plan::{Class, Problem};

/// Where they stand.
pub(super) const PATH: &str = "/etc/default/grub";

const NAME: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

pub(super) fn write(arguments: &[&str], boot: &Boot, draft: &mut Draft) {
    let text = boot.text(PATH);
    match Assignment::find(text, NAME) {
        Ok(None) => {
            let whole = format!("{}\n{NAME}=\"{}\"\n", text.trim_end_matches('\n'), arguments.join(" "));
            draft.write(boot, PATH, whole);
        }
        Ok(Some(found)) => {
            let missing: Vec<_> =
                arguments.iter().copied().filter(|it| !found.words().any(|word| word == *it)).collect();
            if !missing.is_empty() {
                draft.write(boot, PATH, found.append(&missing));
            }
        }
        Err(why) => {
            let by_hand = format!("add by hand to {NAME}: {}", arguments.join(" "));
            draft.refuse(Problem::new(Class::Invalid, "", format!("{PATH} {why}")).fix(by_hand));
        }
    }
    draft.command(match () {
        () if boot.runs("update-grub") => "update-grub",
        () if boot.runs("grub2-mkconfig") => "grub2-mkconfig -o /boot/grub2/grub.cfg",
        () => "grub-mkconfig -o /boot/grub/grub.cfg",
    });
}
