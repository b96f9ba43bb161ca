//! Kernel modules of the set-up, in an order in which they load without `modprobe`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Files of `modules` and all they need, below `dir`, each once and after its needs.
pub(crate) fn load_order(dir: &Path, modules: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(dir.join("modules.dep")).expect("modules.dep, made by depmod");
    let needs: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
    let mut order: Vec<String> = Vec::new();
    for module in modules {
        let file = format!("/{module}.ko");
        let (file, needs) = needs
            .iter()
            .find(|(name, _)| name.ends_with(&file))
            .unwrap_or_else(|| panic!("modules.dep does not hold {module}"));
        // modules.dep(5): what is needed is listed so that the last has to be loaded first.
        for file in needs.split_whitespace().rev().chain([*file]) {
            if !order.iter().any(|loaded| loaded == file) {
                order.push(file.to_owned());
            }
        }
    }
    order
}
