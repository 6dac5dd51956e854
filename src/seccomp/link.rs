//! A dispatch and the programs behind it as one short filter.
//!
//! The kernel checks, translates and compiles every instruction when it takes a
//! filter, and runs the filter once for every system-call number to build its
//! allow cache. Both are part of the start-up time. So the dispatch is a search
//! tree, and the programs, which say much twice (each one looks at the
//! architecture and the number again, and each rule loads its argument again),
//! are followed from each of its leaves with what is known there. What remains
//! is a graph in which equal ends stand once, written down anew.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use libc::{BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};

use super::filter::ABSENT;
use crate::sys::seccomp::Instruction;

const LOAD: u16 = (BPF_LD | BPF_W | BPF_ABS) as u16;
const ALWAYS: u16 = (BPF_JMP | BPF_JA) as u16;
const EQUAL: u16 = (BPF_JMP | BPF_JEQ | BPF_K) as u16;
const AT_LEAST: u16 = (BPF_JMP | BPF_JGE | BPF_K) as u16;
const RETURN: u16 = (BPF_RET | BPF_K) as u16;
/// The class of an instruction is in its lowest bits.
const CLASS: u16 = 7;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// What the number alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// The filter's answer.
    Give(u32),
    /// Up to the programs.
    GoOn,
}

/// Links intervals of numbers (where each one starts) for one architecture and
/// the programs for those that go on. Other architectures do not exist. None
/// where a program jumps out of itself.
pub(super) fn link(
    architecture: u32,
    intervals: &[(u32, Decision)],
    programs: &[Instruction],
) -> Option<Vec<Instruction>> {
    let mut graph = Graph { programs, ..Graph::default() };
    let known = Known { loaded: Some(NUMBER), architecture, low: 0, high: u32::MAX };
    let tree = graph.search(intervals, known)?;
    let number = graph.node(Node::Then(LOAD, NUMBER, tree));
    let absent = graph.node(Node::Return(ABSENT));
    let test = graph.node(Node::Test(EQUAL, architecture, number, absent));
    let start = graph.node(Node::Then(LOAD, ARCHITECTURE, test));
    let mut written = Written { reversed: Vec::new(), places: vec![None; graph.nodes.len()] };
    written.place(&graph.nodes, start);
    written.reversed.reverse();
    Some(written.reversed)
}

/// What is known at an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Known {
    /// The accumulator holds what is at this offset.
    loaded: Option<u32>,
    /// The architecture.
    architecture: u32,
    /// The number is not below this …
    low: u32,
    /// … and not above this.
    high: u32,
}

impl Known {
    /// What is known where a test holds, and where it does not; none for a way
    /// that nothing takes.
    fn after(self, code: u16, value: u32) -> (Option<Known>, Option<Known>) {
        let number = |low: u32, high: u32| (low <= high).then_some(Known { low, high, ..self });
        match (self.loaded, code) {
            (Some(NUMBER), AT_LEAST) => {
                let below = value.checked_sub(1).and_then(|below| number(self.low, self.high.min(below)));
                (number(self.low.max(value), self.high), below)
            }
            (Some(NUMBER), EQUAL) if value < self.low || value > self.high => (None, Some(self)),
            (Some(NUMBER), EQUAL) => {
                let others = match (value == self.low, value == self.high) {
                    (true, true) => None,
                    (true, false) => number(value + 1, self.high),
                    (false, true) => number(self.low, value - 1),
                    (false, false) => Some(self),
                };
                (number(value, value), others)
            }
            (Some(ARCHITECTURE), EQUAL) if value == self.architecture => (Some(self), None),
            (Some(ARCHITECTURE), EQUAL) => (None, Some(self)),
            _ => (Some(self), Some(self)),
        }
    }
}

/// What is left of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    Return(u32),
    /// An instruction and what comes next.
    Then(u16, u32, usize),
    /// A test, and what comes next where it holds and where it does not.
    Test(u16, u32, usize, usize),
}

impl Node {
    /// Whether it matters what the accumulator holds.
    fn needs_accumulator(self) -> bool {
        !matches!(self, Node::Return(_) | Node::Then(LOAD, ..))
    }
}

/// What is left of the programs. Every node stands behind those it leads to.
#[derive(Default)]
struct Graph<'a> {
    programs: &'a [Instruction],
    nodes: Vec<Node>,
    known: Table<Node>,
    /// What is left from an instruction on that loads something.
    followed: Table<(usize, Known)>,
}

type Table<K> = HashMap<K, usize, BuildHasherDefault<Mixer>>;

impl Graph<'_> {
    /// A binary search for the interval that the number is in.
    fn search(&mut self, intervals: &[(u32, Decision)], known: Known) -> Option<usize> {
        if let [(_, decision)] = intervals {
            return match decision {
                Decision::Give(answer) => Some(self.node(Node::Return(*answer))),
                Decision::GoOn => self.follow(0, known),
            };
        }
        let (below, above) = intervals.split_at(intervals.len() / 2);
        let first = above.first()?.0;
        let yes = self.search(above, Known { low: first, ..known })?;
        let no = self.search(below, Known { high: first.checked_sub(1)?, ..known })?;
        Some(self.test(AT_LEAST, first, yes, no))
    }

    /// What is left of the programs from an instruction on. (They end, since
    /// jumps lead forward.)
    fn follow(&mut self, mut index: usize, mut known: Known) -> Option<usize> {
        loop {
            let Instruction { code, jt, jf, k } = *self.programs.get(index)?;
            index = match code {
                RETURN => return Some(self.node(Node::Return(k))),
                ALWAYS => index + 1 + k as usize,
                LOAD if known.loaded == Some(k) => index + 1,
                LOAD => return self.load(index, k, known),
                code if code & CLASS == BPF_JMP as u16 => {
                    let [yes, no] = [jt, jf].map(|skip| index + 1 + usize::from(skip));
                    match known.after(code, k) {
                        (Some(after), None) => {
                            known = after;
                            yes
                        }
                        (None, Some(after)) => {
                            known = after;
                            no
                        }
                        (holds, not) => {
                            let (yes, no) = (self.follow(yes, holds?)?, self.follow(no, not?)?);
                            return Some(self.test(code, k, yes, no));
                        }
                    }
                }
                _ => {
                    let next = self.follow(index + 1, Known { loaded: None, ..known })?;
                    return Some(self.node(Node::Then(code, k, next)));
                }
            };
        }
    }

    /// What is left from a load on, whatever was loaded before.
    fn load(&mut self, index: usize, offset: u32, known: Known) -> Option<usize> {
        let known = Known { loaded: Some(offset), ..known };
        if let Some(node) = self.followed.get(&(index, known)) {
            return Some(*node);
        }
        let next = self.follow(index + 1, known)?;
        let is_idle = !self.nodes[next].needs_accumulator();
        let node = if is_idle { next } else { self.node(Node::Then(LOAD, offset, next)) };
        self.followed.insert((index, known), node);
        Some(node)
    }

    fn test(&mut self, code: u16, value: u32, yes: usize, no: usize) -> usize {
        if yes == no { yes } else { self.node(Node::Test(code, value, yes, no)) }
    }

    fn node(&mut self, node: Node) -> usize {
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }
}

/// A program, written from its end to its start.
struct Written {
    reversed: Vec<Instruction>,
    /// Where each node stands.
    places: Vec<Option<usize>>,
}

impl Written {
    /// Writes a node and all behind it that is not there yet, and says where it stands.
    fn place(&mut self, nodes: &[Node], node: usize) -> usize {
        if let Some(place) = self.places[node] {
            return place;
        }
        let instruction = match nodes[node] {
            Node::Return(k) => Instruction { code: RETURN, jt: 0, jf: 0, k },
            Node::Then(code, k, next) => {
                let place = self.place(nodes, next);
                if self.distance(place) > 0 {
                    self.lead_to(nodes[next], place);
                }
                Instruction { code, jt: 0, jf: 0, k }
            }
            Node::Test(code, k, yes, no) => {
                let (mut place, mut other) = (self.place(nodes, yes), self.place(nodes, no));
                loop {
                    let [jt, jf] = [place, other].map(|place| u8::try_from(self.distance(place)));
                    match (jt, jf) {
                        (Ok(jt), Ok(jf)) => break Instruction { code, jt, jf, k },
                        (Err(_), _) => place = self.lead_to(nodes[yes], place),
                        (_, Err(_)) => other = self.lead_to(nodes[no], other),
                    }
                }
            }
        };
        let place = self.write(instruction);
        self.places[node] = Some(place);
        place
    }

    /// How many instructions are between the next one to be written and a place.
    fn distance(&self, place: usize) -> usize {
        self.reversed.len() - place - 1
    }

    /// Writes what does the same as the node in a place that is far away.
    fn lead_to(&mut self, node: Node, place: usize) -> usize {
        let skipped = u32::try_from(self.distance(place)).unwrap_or(u32::MAX);
        self.write(match node {
            Node::Return(k) => Instruction { code: RETURN, jt: 0, jf: 0, k },
            _ => Instruction { code: ALWAYS, jt: 0, jf: 0, k: skipped },
        })
    }

    fn write(&mut self, instruction: Instruction) -> usize {
        self.reversed.push(instruction);
        self.reversed.len() - 1
    }
}

/// Mixes numbers well enough for small tables of the program's own making.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        // An odd number without a pattern: 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}
