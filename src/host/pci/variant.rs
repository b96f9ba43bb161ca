//! VFIO drivers that know more of a device than vfio-pci does, like how to move a network card's state.
//!
//! Source: Linux `drivers/vfio/pci`, `PCI_DRIVER_OVERRIDE_DEVICE_VFIO` in `include/linux/pci.h`; `modules.alias`, `depmod(8)`.

use super::super::Root;
use super::PciFunction;

/// What such a driver's aliases begin with, in the place of `pci:`.
const PREFIX: &str = "vfio_pci:";

/// The driver for all devices; its alias fits every function.
const PLAIN: &str = "vfio_pci";

/// Fills in the variant that the running kernel has for each of `functions`.
pub(super) fn read(root: &Root, functions: &mut [PciFunction]) {
    let release = root.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let text = root.text(format!("/lib/modules/{release}/modules.alias")).unwrap_or_default();
    let aliases: Vec<_> = text.lines().filter_map(alias).collect();
    for function in functions.iter_mut().filter(|_| !aliases.is_empty()) {
        function.variant = function.modalias.as_deref().and_then(|modalias| best(modalias, &aliases));
    }
}

/// Pattern and module of a line `alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci`.
fn alias(line: &str) -> Option<(&str, &str)> {
    let (pattern, module) = line.strip_prefix("alias ")?.strip_prefix(PREFIX)?.split_once(' ')?;
    (module != PLAIN).then_some((pattern, module))
}

/// The one that says most of the device. Such drivers have the names of their modules, `KBUILD_MODNAME`.
fn best(modalias: &str, aliases: &[(&str, &str)]) -> Option<String> {
    let device = modalias.strip_prefix("pci:")?;
    let fitting = aliases.iter().filter(|(pattern, _)| fits(pattern, device));
    fitting.min_by_key(|(pattern, _)| pattern.matches('*').count()).map(|(_, module)| (*module).to_owned())
}

/// Whether `text` is as `pattern`, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| fits(rest, text)))
}

#[cfg(test)]
mod test {
    use super::{fits, read};
    use crate::host::PciFunction;
    use crate::host::tree::lay_out;

    const ALIASES: &str = "alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n\
        alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n\
        alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n\
        alias vfio_pci:v000015B3d*sv*sd*bc*sc*i* other_vfio_pci\n";

    #[test]
    fn a_function_has_the_variant_that_says_most_of_it() {
        let tree =
            lay_out(&[("/proc/sys/kernel/osrelease", "6.12.0\n"), ("/lib/modules/6.12.0/modules.alias", ALIASES)]);
        let modalias = |text: &str| PciFunction { modalias: Some(text.to_owned()), ..PciFunction::default() };
        let mut functions = [
            modalias("pci:v000015B3d0000101Esv000015B3sd00000001bc02sc00i00"),
            modalias("pci:v000010DEd000013C2sv00001458sd0000366Abc03sc00i00"),
            PciFunction::default(),
        ];
        read(&tree.root, &mut functions);
        let variants = functions.map(|function| function.variant);
        assert_eq!(variants, [Some("mlx5_vfio_pci".to_owned()), None, None]);
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("v1d*i*", "v1d22i") && fits("*", "") && fits("a*b*c", "abbc"));
        assert!(!fits("v1d*i2", "v1d22i") && !fits("v1", "v12"));
    }
}
