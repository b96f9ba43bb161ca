//! The list in which one line is marked, without the terminal.

use super::key::Key;

/// Lines above and below the list, with the one that the cursor rests on.
const AROUND: usize = 5;

/// A list of so many lines, one of them marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Menu {
    length: usize,
    at: usize,
    /// Digits of a number that may go on.
    typed: String,
}

/// What follows from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    Choose(usize),
    Leave,
}

impl Menu {
    /// The first of `length` lines is marked; there is at least one.
    pub(super) fn new(length: usize) -> Self {
        Self { length, at: 0, typed: String::new() }
    }

    /// What `key` leads to.
    pub(super) fn press(&mut self, key: Key) -> Step {
        if let Key::Digit(digit) = key {
            return self.digit(digit);
        }
        let typed = std::mem::take(&mut self.typed);
        match key {
            Key::Up => self.at = self.at.checked_sub(1).unwrap_or(self.length - 1),
            Key::Down => self.at = (self.at + 1) % self.length,
            Key::First => self.at = 0,
            Key::Last => self.at = self.length - 1,
            Key::Erase => self.retype(&typed[..typed.len().saturating_sub(1)]),
            Key::Enter => return Step::Choose(self.at),
            Key::Leave => return Step::Leave,
            Key::Digit(_) => {}
        }
        Step::Stay
    }

    /// A number counts at once when no longer one begins with it.
    fn digit(&mut self, digit: u8) -> Step {
        let longer = format!("{}{digit}", self.typed);
        let number = |text: &str| text.parse().ok().filter(|number| (1..=self.length).contains(number));
        let typed = if number(&longer).is_some() { longer } else { digit.to_string() };
        let Some(chosen) = number(&typed) else { return Step::Stay };
        self.retype(&typed);
        if chosen * 10 > self.length { Step::Choose(chosen - 1) } else { Step::Stay }
    }

    fn retype(&mut self, typed: &str) {
        typed.clone_into(&mut self.typed);
        if let Ok(number) = typed.parse::<usize>() {
            self.at = number - 1;
        }
    }

    /// The lines to show for `texts` on a terminal of `width` by `height`; the list moves when it is too long.
    pub(super) fn lines(&self, texts: &[&str], width: usize, height: usize) -> Vec<String> {
        let room = height.saturating_sub(AROUND).max(1);
        let first = self.at.saturating_sub(room / 2).min(texts.len().saturating_sub(room));
        let shown = texts.iter().enumerate().skip(first).take(room);
        let mut lines = vec!["Which guest?".to_owned(), String::new()];
        lines.extend(shown.map(|(number, text)| {
            let mark = if number == self.at { '>' } else { ' ' };
            cut(&format!("{mark}{:3}  {text}", number + 1), width)
        }));
        lines.push(String::new());
        lines.push(cut("up, down or a number; Enter starts it, q leaves", width));
        lines
    }
}

/// The text, as much as fits into a line of `width`; signs that would move the cursor are left out.
pub(super) fn cut(text: &str, width: usize) -> String {
    // The last column stays free: some consoles go to the next line when it is written to.
    text.chars().filter(|c| !c.is_control()).take(width.saturating_sub(1)).collect()
}

#[cfg(test)]
mod test {
    use super::{Menu, Step};
    use crate::cli::pick::key::Key;

    fn pressed(length: usize, keys: &[Key]) -> (Menu, Step) {
        let mut menu = Menu::new(length);
        let mut step = Step::Stay;
        for key in keys {
            assert_eq!(step, Step::Stay);
            step = menu.press(*key);
        }
        (menu, step)
    }

    #[test]
    fn arrows_go_round_and_enter_chooses() {
        assert_eq!(pressed(3, &[Key::Down, Key::Enter]).1, Step::Choose(1));
        assert_eq!(pressed(3, &[Key::Up, Key::Enter]).1, Step::Choose(2));
        assert_eq!(pressed(3, &[Key::Last, Key::Down, Key::Enter]).1, Step::Choose(0));
        assert_eq!(pressed(3, &[Key::Leave]).1, Step::Leave);
    }

    #[test]
    fn a_number_chooses_when_no_longer_one_is_meant() {
        assert_eq!(pressed(3, &[Key::Digit(2)]).1, Step::Choose(1));
        assert_eq!(pressed(3, &[Key::Digit(4)]).1, Step::Stay);
        assert_eq!(pressed(12, &[Key::Digit(2)]).1, Step::Choose(1));
        assert_eq!(pressed(12, &[Key::Digit(1), Key::Digit(1)]).1, Step::Choose(10));
        assert_eq!(pressed(12, &[Key::Digit(1), Key::Enter]).1, Step::Choose(0));
        assert_eq!(pressed(12, &[Key::Digit(0)]).1, Step::Stay);
    }

    #[test]
    fn a_long_list_moves_and_every_line_fits() {
        let names: Vec<_> = (0..60).map(|number| format!("guest {number} {}", "x".repeat(100))).collect();
        let texts: Vec<_> = names.iter().map(String::as_str).collect();
        for presses in 0..60 {
            let (menu, _) = pressed(60, &vec![Key::Down; presses]);
            let lines = menu.lines(&texts, 80, 24);
            assert!(lines.len() <= 23 && lines.iter().all(|line| line.chars().count() < 80));
            assert!(lines.iter().any(|line| line.starts_with('>') && line.contains(&format!("guest {presses} "))));
        }
    }
}
