//! Changing a value that nobody else has changed meanwhile.

use super::Ground;
use crate::apply::ApplyError;

/// What the kernel shows for a text that is not set, like `driver_override`.
const NULL: &str = "(null)";

pub(super) async fn write(ground: &Ground, path: &str, was: &str, value: &str) -> Result<(), ApplyError> {
    let found = read(ground, path)?;
    if found == value {
        return Ok(());
    }
    if found != was {
        let (was, found) = (shown(was), shown(&found));
        return Err(ApplyError::Refused(format!("{path} holds {found}, not {was}: somebody else changed it")));
    }
    // An empty write never reaches the kernel; a bare end of line clears.
    let text = if value.is_empty() { "\n" } else { value };
    ground.tell(path, text).await.map_err(|fault| fault.of(&format!("{path} did not take {}", shown(value))))?;
    match read(ground, path)? {
        now if now == value => Ok(()),
        now => {
            // Half a change would be nobody's to undo.
            let _ = ground.tell(path, if was.is_empty() { "\n" } else { was }).await;
            Err(ApplyError::Refused(format!("{path} was told {} and holds {}", shown(value), shown(&now))))
        }
    }
}

fn read(ground: &Ground, path: &str) -> Result<String, ApplyError> {
    let file = ground.root.resolve(path);
    let text = std::fs::read_to_string(&file).map_err(ApplyError::io("read", &file))?;
    let text = text.trim_end();
    Ok(if text == NULL { String::new() } else { chosen(text).to_owned() })
}

/// What a file holds that shows all it could hold, with what it does in brackets, as those of transparent huge pages do;
/// of any other file all of it.
pub(in crate::apply) fn chosen(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(text, |(word, _)| word)
}

fn shown(value: &str) -> String {
    if value.is_empty() { "nothing".to_owned() } else { format!("`{value}`") }
}
