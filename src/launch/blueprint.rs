//! What the parent tells the waiting child, as bytes: the child was forked
//! before the plan was made.

use std::ffi::CString;

use crate::policy::Limits;
use crate::sys::seccomp::Instruction;

/// All that a child needs to become the command, but for the ruleset, which
/// is a descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blueprint {
    /// Resource limits.
    pub(super) limits: Limits,
    /// The filter.
    pub(super) instructions: Vec<Instruction>,
    /// Whether the filter needs a listener.
    pub(super) notifies: bool,
    /// The command's arguments.
    pub(super) argv: Vec<CString>,
    /// Its environment.
    pub(super) environment: Vec<CString>,
    /// Where to look for it, in order.
    pub(super) candidates: Vec<CString>,
}

impl Blueprint {
    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 << 10);
        for limit in self.limits.values() {
            out.push(limit.is_some().into());
            out.extend(limit.unwrap_or(0).to_ne_bytes());
        }
        out.push(self.notifies.into());
        write_length(&mut out, self.instructions.len());
        for Instruction { code, jt, jf, k } in &self.instructions {
            out.extend(code.to_ne_bytes());
            out.extend([*jt, *jf]);
            out.extend(k.to_ne_bytes());
        }
        for list in [&self.argv, &self.environment, &self.candidates] {
            write_length(&mut out, list.len());
            for text in list {
                write_length(&mut out, text.as_bytes().len());
                out.extend(text.as_bytes());
            }
        }
        out
    }

    /// From bytes; none where they are not what [`Blueprint::encode`] gave.
    pub(super) fn decode(bytes: &[u8]) -> Option<Blueprint> {
        let mut rest = Reader { bytes };
        let mut limits = Limits::default();
        for limit in limits.values_mut() {
            let [is_set] = rest.array()?;
            let value = u64::from_ne_bytes(rest.array()?);
            *limit = (is_set != 0).then_some(value);
        }
        let [notifies] = rest.array()?;
        let instructions = rest.list(|rest| {
            let [a, b, jt, jf, c, d, e, f] = rest.array()?;
            let (code, k) = (u16::from_ne_bytes([a, b]), u32::from_ne_bytes([c, d, e, f]));
            Some(Instruction { code, jt, jf, k })
        })?;
        let mut texts = || {
            rest.list(|rest| {
                let length = rest.length()?;
                CString::new(rest.take(length)?).ok()
            })
        };
        let (argv, environment, candidates) = (texts()?, texts()?, texts()?);
        let is_all = rest.bytes.is_empty();
        let notifies = notifies != 0;
        is_all.then_some(Blueprint { limits, instructions, notifies, argv, environment, candidates })
    }
}

/// Lengths take four bytes; what is longer than that cannot be executed anyway.
fn write_length(out: &mut Vec<u8>, length: usize) {
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        let (taken, rest) = self.bytes.split_first_chunk::<SIZE>()?;
        self.bytes = rest;
        Some(*taken)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_ne_bytes(self.array()?)).ok()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.length()?).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint() -> Blueprint {
        let texts =
            |texts: &[&str]| texts.iter().map(|text| CString::new(*text).unwrap_or_default()).collect();
        Blueprint {
            limits: Limits { memory: Some(1 << 40), core: Some(0), ..Limits::default() },
            instructions: vec![
                Instruction { code: 0x20, jt: 0, jf: 0, k: 4 },
                Instruction { code: 6, jt: 1, jf: 2, k: u32::MAX },
            ],
            notifies: true,
            argv: texts(&["sh", "-c", "", "a\nb"]),
            environment: texts(&["A=1", "B="]),
            candidates: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Blueprint::decode(&blueprint().encode()), Some(blueprint()));
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_not_read() {
        let bytes = blueprint().encode();
        for end in 0..bytes.len() {
            assert_eq!(Blueprint::decode(&bytes[..end]), None, "{end}");
        }
        assert_eq!(Blueprint::decode(&[bytes, vec![0]].concat()), None);
    }
}
