//! Objects of JSON from a stream: QMP clients need not end them with a line feed.

use serde_json::{Deserializer, Value};

/// Longest request in bytes; QEMU itself takes 64 MiB, and no command needs that.
const LONGEST: usize = 1 << 20;

/// Bytes that came and are no whole object yet.
#[derive(Default)]
pub(super) struct Requests {
    open: Vec<u8>,
}

impl Requests {
    /// More bytes came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    /// The next value, or why there is none in what came; `None` when more must come. After an error the rest of the line
    /// is left out.
    pub(super) fn next(&mut self) -> Option<Result<Value, String>> {
        let blank = self.open.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.open.drain(..blank);
        let mut values = Deserializer::from_slice(&self.open).into_iter::<Value>();
        let next = values.next()?;
        let taken = values.byte_offset();
        match next {
            Ok(value) => {
                self.open.drain(..taken);
                Some(Ok(value))
            }
            Err(error) if error.is_eof() && self.open.len() <= LONGEST => None,
            Err(error) => {
                let end = self.open.iter().position(|byte| *byte == b'\n').map_or(self.open.len(), |at| at + 1);
                self.open.drain(..end);
                Some(Err(format!("JSON parse error, {error}")))
            }
        }
    }
}

#[cfg(test)]
mod test {
    use super::Requests;
    use serde_json::json;

    #[test]
    fn objects_come_in_pieces_and_several_at_once() {
        let mut requests = Requests::default();
        requests.push(b" {\"execute\":");
        assert!(requests.next().is_none());
        requests.push(b"\"a\"}{\"execute\":\"b\"}\n{");
        assert_eq!(requests.next().unwrap().unwrap(), json!({"execute": "a"}));
        assert_eq!(requests.next().unwrap().unwrap(), json!({"execute": "b"}));
        assert!(requests.next().is_none());
    }

    #[test]
    fn nonsense_costs_its_line_only() {
        let mut requests = Requests::default();
        requests.push(b"stop it\n{\"execute\":\"a\"}");
        assert!(requests.next().unwrap().is_err());
        assert_eq!(requests.next().unwrap().unwrap(), json!({"execute": "a"}));
        requests.push(&vec![b'['; (1 << 20) + 1]);
        assert!(requests.next().unwrap().is_err());
        assert!(requests.next().is_none());
    }
}
