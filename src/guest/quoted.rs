//! How words that the machine made up are shown in the report.

use core::fmt::{Display, Formatter, Result, Write};

/// Bytes of unknown content in double quotes; what is not printable ASCII becomes `\xNN`.
pub struct Quoted<'a>(pub &'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_char('"')?;
        for &byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_char('"')
    }
}

/// Words with commas between; `none` when there is no word.
pub struct List<I>(pub I);

impl<I> Display for List<I>
where
    I: Iterator<Item: Display> + Clone,
{
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut words = self.0.clone();
        let Some(first) = words.next() else {
            return f.write_str("none");
        };
        write!(f, "{first}")?;
        words.try_for_each(|word| write!(f, ",{word}"))
    }
}

/// `bytes` without the zeros at its end.
pub fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}
