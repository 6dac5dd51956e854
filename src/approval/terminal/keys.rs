//! What is typed, byte by byte: pure. Only what a person types on purpose counts;
//! what a terminal reports by itself (`console_codes(4)`), and what is pasted, does not.

use std::time::Instant;

use crate::approval::view::QUIET;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A character.
    Char(char),
    /// The end of a line.
    Enter,
    /// Takes the last character back.
    Backspace,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Anything else.
    Other,
}

const ESCAPE: u8 = 0x1b;

/// Makes keys of bytes.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The beginning of something.
    pending: Vec<u8>,
    is_pasting: bool,
}

impl Keys {
    /// The keys that bytes stand for. Where none come (`bytes` is empty), what was
    /// begun is over.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Vec<Key> {
        if bytes.is_empty() {
            let lost = !std::mem::take(&mut self.pending).is_empty();
            return if lost { vec![Key::Other] } else { Vec::new() };
        }
        self.pending.extend(bytes);
        let mut keys = Vec::new();
        while let Some((key, length)) = self.first() {
            let sequence: Vec<u8> = self.pending.drain(..length).collect();
            let was_pasting = self.is_pasting;
            match sequence.as_slice() {
                b"\x1b[200~" => self.is_pasting = true,
                b"\x1b[201~" => self.is_pasting = false,
                _ => {}
            }
            keys.push(if was_pasting || self.is_pasting { Key::Other } else { key });
        }
        keys
    }

    /// The first key and how many bytes it takes; none where it is not complete.
    fn first(&self) -> Option<(Key, usize)> {
        let (first, rest) = self.pending.split_first()?;
        match first {
            &ESCAPE => sequence(rest).map(|length| (Key::Other, 1 + length)),
            b'\r' | b'\n' => Some((Key::Enter, 1)),
            0x08 | 0x7f => Some((Key::Backspace, 1)),
            0x03 => Some((Key::Interrupt, 1)),
            0x1a => Some((Key::Suspend, 1)),
            0x20..=0x7e => Some((Key::Char(char::from(*first)), 1)),
            0xc2..=0xf4 => {
                let length = first.leading_ones() as usize;
                let bytes = self.pending.get(..length)?;
                let char = std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next());
                Some(char.map_or((Key::Other, 1), |char| (Key::Char(char), length)))
            }
            _ => Some((Key::Other, 1)),
        }
    }
}

/// How long a sequence is, behind its escape; none where it is not complete.
fn sequence(rest: &[u8]) -> Option<usize> {
    match rest.first()? {
        // A report of a mouse in the oldest way: three more bytes.
        b'[' if rest.get(1) == Some(&b'M') => (rest.len() >= 5).then_some(5),
        b'[' => Some(rest[1..].iter().position(|byte| (0x40..=0x7e).contains(byte))? + 2),
        b'O' => (rest.len() >= 2).then_some(2),
        // Strings: up to their terminator.
        b']' | b'P' | b'_' | b'^' => {
            let end = rest.windows(2).position(|pair| pair == b"\x1b\\").map(|at| at + 2);
            rest.iter().position(|byte| *byte == 0x07).map(|at| at + 1).or(end)
        }
        _ => Some(1),
    }
}

/// Whether keys count already.
#[derive(Debug)]
pub(super) struct Quiet {
    since: Instant,
    is_over: bool,
}

impl Quiet {
    pub(super) fn new(now: Instant) -> Quiet {
        Quiet { since: now, is_over: false }
    }

    /// Whether keys count: `typed` says whether any were, just now.
    pub(super) fn is_over(&mut self, typed: bool, now: Instant) -> bool {
        if !self.is_over && typed {
            self.since = now;
        }
        self.is_over |= now.duration_since(self.since) >= QUIET;
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_types_is_a_key() {
        let cases: [(&[u8], &[Key]); 9] = [
            (b"no\r", &[Key::Char('n'), Key::Char('o'), Key::Enter]),
            ("é".as_bytes(), &[Key::Char('é')]),
            (b"\x03\x1a\x7f", &[Key::Interrupt, Key::Suspend, Key::Backspace]),
            (b"\x1b[Ao", &[Key::Other, Key::Char('o')]),
            (b"\x1bOPo", &[Key::Other, Key::Char('o')]),
            (b"\x1b[M oooo", &[Key::Other, Key::Char('o'), Key::Char('o')]),
            (b"\x1b[<0;1;1Mo", &[Key::Other, Key::Char('o')]),
            (b"\x1b]11;o\x07o", &[Key::Other, Key::Char('o')]),
            (b"\xff\xc3o", &[Key::Other, Key::Other, Key::Char('o')]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Keys::default().of(bytes), expected, "{bytes:?}");
            // In whichever pieces it comes.
            let mut keys = Keys::default();
            let pieces: Vec<Key> = bytes.iter().flat_map(|byte| keys.of(&[*byte])).collect();
            assert_eq!(pieces, expected, "{bytes:?} in pieces");
        }
        let mut keys = Keys::default();
        assert_eq!(keys.of(b"\x1b"), []);
        assert_eq!(keys.of(b""), [Key::Other], "the key alone");
        assert_eq!(keys.of(b"o"), [Key::Char('o')]);
    }

    #[test]
    fn what_is_pasted_is_no_answer() {
        let keys = Keys::default().of(b"\x1b[200~o\rn\x1b[201~p");
        let (last, pasted) = keys.split_last().expect("keys");
        assert_eq!(*last, Key::Char('p'));
        assert!(pasted.iter().all(|key| *key == Key::Other), "{pasted:?}");
    }

    #[test]
    fn keys_count_after_a_moment_in_which_nobody_typed() {
        let start = Instant::now();
        let mut quiet = Quiet::new(start);
        let at = |part: u32| start + QUIET * part / 4;
        assert!(!quiet.is_over(true, at(3)));
        assert!(!quiet.is_over(false, at(6)));
        assert!(quiet.is_over(false, at(7)));
        assert!(quiet.is_over(true, at(8)), "once it is over it stays so");
    }
}
