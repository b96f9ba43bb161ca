//! A filter that the kernel runs over each message, so that nobody is woken for one that is of no use.
//! Linux: `Documentation/networking/filter.rst`, `include/uapi/linux/bpf_common.h`.

use nix::libc::{BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_LEN, BPF_RET, BPF_W};
use socket2::{SockFilter, SockRef};
use std::io;
use std::os::fd::AsFd;

/// Has the kernel drop messages that begin with none of `heads`.
///
/// # Errors
/// When the kernel does not take it, and for heads that are too long for its jumps: some 500 bytes.
pub(super) fn pass_only(socket: &impl AsFd, heads: &[&str]) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&program(heads)?)
}

/// One block for each head, which takes the message or goes on to the next block; after the last, nothing is taken.
fn program(heads: &[&str]) -> io::Result<Vec<SockFilter>> {
    let mut program = Vec::new();
    for head in heads {
        program.extend(block(head.as_bytes())?);
    }
    program.push(plain(BPF_RET | BPF_K, 0));
    Ok(program)
}

fn block(head: &[u8]) -> io::Result<Vec<SockFilter>> {
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "the head of a message is too long to be told");
    let parts = parts(head);
    // Each comparison has as many instructions behind it as are to be jumped over: two for each later part, and the return.
    let rest = |after: usize| u8::try_from(2 * after + 1).map_err(too_long);
    // A load from behind the end would drop the message, also for the blocks that follow.
    let length = u32::try_from(head.len()).map_err(too_long)?;
    let mut block = vec![
        plain(BPF_LD | BPF_W | BPF_LEN, 0),
        SockFilter::new(code(BPF_JMP | BPF_JGE | BPF_K), 0, rest(parts.len())?, length),
    ];
    for (number, (offset, size, value)) in parts.iter().enumerate() {
        let after = parts.len() - number - 1;
        block.push(plain(BPF_LD | BPF_ABS | size, *offset));
        block.push(SockFilter::new(code(BPF_JMP | BPF_JEQ | BPF_K), 0, rest(after)?, *value));
    }
    block.push(plain(BPF_RET | BPF_K, u32::MAX));
    Ok(block)
}

/// `head` in pieces that the kernel can load: where each is, its size, and its value, as in a network the greatest byte
/// first.
fn parts(head: &[u8]) -> Vec<(u32, u32, u32)> {
    let mut parts = Vec::new();
    let (mut offset, mut rest) = (0, head);
    while !rest.is_empty() {
        let (size, length) = match rest.len() {
            4.. => (BPF_W, 4_u8),
            2.. => (BPF_H, 2),
            _ => (BPF_B, 1),
        };
        let (part, after) = rest.split_at(length.into());
        parts.push((offset, size, part.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))));
        (offset, rest) = (offset + u32::from(length), after);
    }
    parts
}

fn plain(operation: u32, value: u32) -> SockFilter {
    SockFilter::new(code(operation), 0, 0, value)
}

/// Operations are small numbers.
#[allow(clippy::cast_possible_truncation, reason = "all of them are below 256")]
const fn code(operation: u32) -> u16 {
    operation as u16
}

#[cfg(test)]
mod test {
    use super::pass_only;
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

    /// Which of `messages` come through a filter for `heads`; the kernel's own.
    fn through<'a>(heads: &[&str], messages: &[&'a str]) -> Vec<&'a str> {
        let (flags, kind) = (SocketFlags::NONBLOCK, SocketType::DGRAM);
        let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, flags, None).unwrap();
        pass_only(&ours, heads).unwrap();
        let came = |message: &&&str| {
            send(&theirs, message.as_bytes(), SendFlags::empty()).unwrap();
            let mut buffer = [0; 200];
            match recv(&ours, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    assert_eq!(&buffer[..length], message.as_bytes(), "a message is not cut");
                    true
                }
                Err(Errno::AGAIN) => false,
                Err(error) => panic!("{error}"),
            }
        };
        messages.iter().filter(came).copied().collect()
    }

    #[test]
    fn only_messages_with_a_head_that_is_wanted_come_through() {
        let heads = ["offline@/devices/system/cpu/cpu", "online@/devices/system/cpu/cpu"];
        let wanted = ["offline@/devices/system/cpu/cpu12\0SUBSYSTEM=cpu\0", "online@/devices/system/cpu/cpu3\0"];
        let others = [
            "add@/devices/pci0000:00/0000:00:14.0/usb1/1-4\0SUBSYSTEM=usb\0",
            "offline@/devices/system/memory/memory3\0SUBSYSTEM=memory\0",
            "change@/devices/system/cpu/cpu3\0SUBSYSTEM=cpu\0",
            "online@/devices/system/cpu/cp",
            "online@/devices/system/cpu/cpX1",
            "o",
            "libudev\0\u{7e}\u{7f}",
        ];
        assert_eq!(through(&heads, &[&others[..], &wanted[..]].concat()), wanted);
    }

    #[test]
    fn heads_of_each_length_are_told_to_their_last_byte() {
        for head in ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"] {
            let (same, longer) = (head.to_owned(), format!("{head}!"));
            let other = format!("{}!", &head[..head.len() - 1]);
            let messages = [same.as_str(), longer.as_str(), other.as_str()];
            assert_eq!(through(&["zzzzzzzzz", head], &messages), messages[..2]);
        }
        let long = "a".repeat(600);
        assert!(super::program(&[&long]).is_err());
    }
}
