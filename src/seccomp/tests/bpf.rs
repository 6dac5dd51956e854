//! An interpreter of classic BPF as `seccomp(2)` uses it, small enough to be
//! read beside the kernel's `seccomp_run_filters`. What no filter of ours
//! needs makes it panic.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET,
    BPF_W,
};

use crate::sys::seccomp::Instruction;

/// `SECCOMP_RET_ACTION_FULL` and `SECCOMP_RET_DATA`.
const ACTION: u32 = 0xffff_0000;
const DATA: u32 = 0x0000_ffff;
/// `BPF_MAXINSNS`: the kernel takes no longer program.
pub(super) const LONGEST: usize = 4096;

/// What a filter sees of a call (`struct seccomp_data`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) arch: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

/// What the kernel then does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Run,
    Fail(i32),
    Notify,
}

impl Call {
    /// The word at an offset, little-endian; the instruction pointer is 0.
    fn word(&self, offset: u32) -> u32 {
        assert!(offset.is_multiple_of(4) && offset < 64, "the kernel refuses a load from {offset}");
        let half = |value: u64, high: bool| (value >> if high { 32 } else { 0 }) as u32;
        match offset {
            0 => self.number,
            4 => self.arch,
            8 | 12 => 0,
            _ => half(self.args[(offset as usize - 16) / 8], offset % 8 == 4),
        }
    }
}

/// Runs a filter.
pub(super) fn run(program: &[Instruction], call: &Call) -> Answer {
    let value = run_one(program, call);
    match value & ACTION {
        libc::SECCOMP_RET_ALLOW => Answer::Run,
        libc::SECCOMP_RET_ERRNO => Answer::Fail((value & DATA).cast_signed()),
        libc::SECCOMP_RET_USER_NOTIF => Answer::Notify,
        other => panic!("no filter may give {other:#x} ({call:x?})"),
    }
}

fn run_one(program: &[Instruction], call: &Call) -> u32 {
    const LOAD: u32 = BPF_LD | BPF_W | BPF_ABS;
    const ALU_AND: u32 = BPF_ALU | BPF_AND | BPF_K;
    const ALWAYS: u32 = BPF_JMP | BPF_JA;
    const EQUAL: u32 = BPF_JMP | BPF_JEQ | BPF_K;
    const GREATER: u32 = BPF_JMP | BPF_JGT | BPF_K;
    const NOT_LESS: u32 = BPF_JMP | BPF_JGE | BPF_K;
    const COMMON: u32 = BPF_JMP | BPF_JSET | BPF_K;
    const GIVE: u32 = BPF_RET | BPF_K;
    let (mut accumulator, mut at) = (0_u32, 0_usize);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let mut choose = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match u32::from(code) {
            LOAD => accumulator = call.word(k),
            ALU_AND => accumulator &= k,
            EQUAL => choose(accumulator == k),
            GREATER => choose(accumulator > k),
            NOT_LESS => choose(accumulator >= k),
            COMMON => choose(accumulator & k != 0),
            ALWAYS => at += k as usize,
            GIVE => return k,
            other => panic!("instruction {other:#x} at {}", at - 1),
        }
    }
}
