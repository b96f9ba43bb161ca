//! Messages of D-Bus as bytes; D-Bus Specification, "Message Protocol". Calls of methods whose arguments are texts, and
//! whatever comes back.

/// Kinds of a message; the others say nothing to a client.
pub(super) const CALL: u8 = 1;
pub(super) const REPLY: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const SIGNAL: u8 = 4;

/// What is longer is not read: what logind says is a few hundred bytes.
const LONGEST: usize = 1 << 20;
/// Bytes before the fields of a header.
const FIXED: usize = 12;

/// A call of a method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) arguments: &'a [&'a str],
}

impl Call<'_> {
    /// Its bytes, as the message number `serial` of this connection.
    pub(super) fn encode(&self, serial: u32) -> Vec<u8> {
        let mut body = Writer::default();
        self.arguments.iter().for_each(|text| body.text(text));
        let types = "s".repeat(self.arguments.len());
        let mut fields = Writer::default();
        for (code, kind, value) in [
            (1, "o", self.path),
            (2, "s", self.interface),
            (3, "s", self.member),
            (6, "s", self.destination),
            (8, "g", types.as_str()),
        ] {
            fields.field(code, kind, value);
        }
        let mut message = Writer(vec![b'l', CALL, 0, 1]);
        message.number(body.len());
        message.0.extend(serial.to_le_bytes());
        message.number(fields.len());
        message.0.extend(fields.0);
        message.align(8);
        message.0.extend(body.0);
        message.0
    }
}

/// Bytes in the order of this machine's, which is that of every x86.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn len(&self) -> u32 {
        u32::try_from(self.0.len()).expect("what vmrun says is short")
    }

    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(u32::try_from(text.len()).expect("what vmrun says is short"));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).expect("a handful of types"));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn field(&mut self, code: u8, kind: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.align(8);
        self.0.push(code);
        self.signature(kind);
        match kind {
            "g" => self.signature(value),
            _ => self.text(value),
        }
    }
}

/// A message that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    /// The number of the call that it answers.
    pub(super) answers: Option<u32>,
    pub(super) member: String,
    /// The name of an error.
    pub(super) error: String,
    /// The unique name of who sent it, written by the bus.
    pub(super) sender: String,
    /// How many descriptors came with it.
    pub(super) descriptors: u32,
    /// Whether its numbers are big-endian.
    swapped: bool,
    body: Vec<u8>,
}

/// Bytes that are no message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("what came from the bus is no message")]
pub(super) struct Broken;

impl Message {
    /// The first message in `bytes` and how many of them it takes; `None` when it is not whole yet.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Broken> {
        let mut reader = match bytes.first() {
            Some(b'l') => Reader { bytes, at: FIXED, swapped: false },
            Some(b'B') => Reader { bytes, at: FIXED, swapped: true },
            Some(_) => return Err(Broken),
            None => return Ok(None),
        };
        if bytes.len() < FIXED + 4 {
            return Ok(None);
        }
        let fields = reader.number().ok_or(Broken)? as usize;
        let body_length = Reader { at: 4, ..reader }.number().ok_or(Broken)? as usize;
        if fields > LONGEST || body_length > LONGEST {
            return Err(Broken);
        }
        let end = reader.at + fields;
        let body = end.next_multiple_of(8);
        if bytes.len() < body + body_length {
            return Ok(None);
        }
        let body_bytes = bytes[body..body + body_length].to_vec();
        let mut message = Self { kind: bytes[1], swapped: reader.swapped, body: body_bytes, ..Self::default() };
        reader.bytes = &bytes[..end];
        while reader.at < end {
            message.take_field(&mut reader).ok_or(Broken)?;
        }
        Ok(Some((message, body + body_length)))
    }

    fn take_field(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        reader.align(8);
        let code = reader.byte()?;
        match reader.signature()? {
            "s" | "o" => {
                let text = reader.text()?.to_owned();
                match code {
                    3 => self.member = text,
                    4 => self.error = text,
                    7 => self.sender = text,
                    _ => {}
                }
            }
            "g" => _ = reader.signature()?,
            "u" => {
                let number = reader.number()?;
                match code {
                    5 => self.answers = Some(number),
                    9 => self.descriptors = number,
                    _ => {}
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn body(&self) -> Reader<'_> {
        Reader { bytes: &self.body, at: 0, swapped: self.swapped }
    }

    /// Its first argument, a truth value.
    pub(super) fn truth(&self) -> Option<bool> {
        Some(self.body().number()? == 1)
    }

    /// Its first argument, a text.
    pub(super) fn text(&self) -> Option<&str> {
        self.body().text()
    }

    /// Its first argument, a variant with a 64-bit number in it.
    pub(super) fn long(&self) -> Option<u64> {
        let mut body = self.body();
        if body.signature()? != "t" {
            return None;
        }
        body.align(8);
        let bytes = body.take(8)?.try_into().ok()?;
        Some(if self.swapped { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    swapped: bool,
}

impl<'a> Reader<'a> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.swapped { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()? as usize;
        let text = std::str::from_utf8(self.take(length)?).ok();
        self.byte()?;
        text
    }

    fn signature(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        let text = std::str::from_utf8(self.take(length)?).ok();
        self.byte()?;
        text
    }
}

#[cfg(test)]
mod test {
    use super::{Broken, Call, Message, SIGNAL};

    fn call() -> Vec<u8> {
        let arguments = ["sleep", "vmrun"];
        let destination = "org.freedesktop.login1";
        Call { destination, path: "/x", interface: "a.b", member: "Inhibit", arguments: &arguments }.encode(7)
    }

    #[test]
    fn what_is_said_is_read_back() {
        let bytes = call();
        let (message, length) = Message::decode(&bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!((message.member.as_str(), message.text()), ("Inhibit", Some("sleep")));
    }

    #[test]
    fn half_a_message_is_waited_for_and_two_are_told_apart() {
        let bytes = call();
        for length in 0..bytes.len() {
            assert_eq!(Message::decode(&bytes[..length]), Ok(None), "{length}");
        }
        let two = [bytes.clone(), bytes.clone()].concat();
        assert_eq!(Message::decode(&two).unwrap().unwrap().1, bytes.len());
    }

    #[test]
    fn a_signal_of_a_big_endian_sender_is_read() {
        let mut bytes = vec![b'B', SIGNAL, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0x0d];
        bytes.extend(b"\x03\x01s\0\0\0\0\x04Wake\0\0\0\0\0\0\0\x01");
        let (message, _) = Message::decode(&bytes).unwrap().unwrap();
        assert_eq!((message.kind, message.member.as_str(), message.truth()), (SIGNAL, "Wake", Some(true)));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        assert_eq!(Message::decode(b"HTTP/1.1 200 OK\r\n"), Err(Broken));
        let mut bytes = call();
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Message::decode(&bytes), Err(Broken));
        // A field that is longer than the header.
        let mut bytes = call();
        bytes[20..24].copy_from_slice(&900_u32.to_le_bytes());
        assert_eq!(Message::decode(&bytes), Err(Broken));
    }
}
