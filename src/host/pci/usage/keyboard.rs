//! Keyboards behind functions.

use super::super::super::keyboard::Keyboard;
use super::{Found, Use};

/// The keyboards behind each function.
pub(super) fn uses(keyboards: &[Keyboard]) -> Found {
    let behind = keyboards.iter().filter_map(|keyboard| Some((keyboard.function?, keyboard.name.clone())));
    behind.map(|(bdf, name)| (bdf, Use::Keyboard { name })).collect()
}

#[cfg(test)]
mod test {
    use super::uses;
    use crate::host::{Keyboard, Use};

    #[test]
    fn a_keyboard_counts_for_the_function_it_is_behind() {
        let controller = "0000:00:14.0".parse().unwrap();
        let keyboard = |function| Keyboard { name: "Keys".to_owned(), function, port: None };
        let expected = [(controller, Use::Keyboard { name: "Keys".to_owned() })];
        assert_eq!(uses(&[keyboard(Some(controller)), keyboard(None)]), expected);
    }
}
