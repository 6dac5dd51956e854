//! The table and a jail's settings as BPF programs.
//!
//! A seccompiler program has two actions, so the filters are stacked: a gate
//! by hand, one program for each error, and one for what the broker serves. Of
//! all verdicts the kernel takes the strictest: an error beats a notification
//! beats running.

use std::collections::{BTreeMap, HashMap};

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::arch::Arch;
use super::inspect::{Case, Condition, Test, cases};
use super::table::{Row, Treatment, rows};
use crate::policy::plan::{Mode, Plan};
use crate::policy::{Network, SyscallRules, UnixSockets};
use crate::sys::Errno;
use crate::sys::seccomp::Instruction;

const RET_ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const RET_ERRNO: u32 = libc::SECCOMP_RET_ERRNO;
const RET_NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
const RET_TRACE: u32 = libc::SECCOMP_RET_TRACE;
const RET_KILL_PROCESS: u32 = libc::SECCOMP_RET_KILL_PROCESS;
/// Set in the numbers of x32 calls.
const X32_BIT: u32 = 0x4000_0000;

/// Filters that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// `syscalls` names a call that no architecture has.
    #[error("syscalls: unknown system call `{0}`")]
    UnknownCall(String),
    /// `syscalls: allow` names a call that is not open to choice.
    #[error("syscalls: allow: `{0}` cannot be allowed: {1}")]
    NotOptional(String, &'static str),
    /// The compiler of filters refuses the rules.
    #[error("the system-call filter cannot be compiled")]
    Backend(#[from] BackendError),
}

/// What decides about treatments, beside the table.
#[derive(Debug, Clone, Copy)]
pub struct Config<'a> {
    /// The architecture.
    pub arch: Arch,
    /// Whether a broker serves calls.
    pub mode: Mode,
    /// Landlock's ABI: what it does not govern is refused.
    pub abi: u32,
    /// Internet sockets.
    pub network: Network,
    /// Unix sockets.
    pub unix_sockets: UnixSockets,
    /// Exceptions by name.
    pub syscalls: &'a SyscallRules,
}

impl<'a> Config<'a> {
    /// The filters of a plan on this machine.
    pub fn of(plan: &'a Plan, abi: u32) -> Config<'a> {
        let settings = &plan.policy.settings;
        Config {
            arch: Arch::NATIVE,
            mode: plan.mode,
            abi,
            network: settings.network,
            unix_sockets: settings.unix_sockets,
            syscalls: &settings.syscalls,
        }
    }
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs.
    Run,
    /// It fails.
    Fail(Errno),
    /// It fails in these cases, else it runs.
    FailIf(Vec<Case>),
    /// The broker gets it.
    Notify,
}

/// Programs, to be installed in this order.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Without a listener.
    pub plain: Vec<Vec<Instruction>>,
    /// The one whose listener the broker holds; none in static mode.
    pub notify: Option<Vec<Instruction>>,
}

/// The verdict about a row.
pub fn verdict(row: &Row, config: &Config<'_>) -> Verdict {
    let named = |names: &[String]| names.iter().any(|name| name == row.name);
    if named(&config.syscalls.deny) {
        return Verdict::Fail(Errno::EPERM);
    }
    match row.treatment {
        Treatment::Allow => Verdict::Run,
        Treatment::Refuse(errno) => Verdict::Fail(errno),
        Treatment::OptIn(_) if named(&config.syscalls.allow) => Verdict::Run,
        Treatment::OptIn(errno) => Verdict::Fail(errno),
        Treatment::Absent => Verdict::Fail(Errno::ENOSYS),
        Treatment::Broker(_, errno) => match config.mode {
            Mode::Brokered => Verdict::Notify,
            Mode::Static => Verdict::Fail(errno),
        },
        Treatment::Inspect(inspection) => match cases(inspection, config) {
            none if none.is_empty() => Verdict::Run,
            always if always.iter().any(|case| case.conditions.is_empty()) => Verdict::Fail(always[0].errno),
            cases => Verdict::FailIf(cases),
        },
    }
}

/// Compiles the filters.
pub fn compile(config: &Config<'_>) -> Result<Programs, FilterError> {
    check_names(config.syscalls)?;
    let by_name: HashMap<&str, u32> = config.arch.numbers().iter().copied().collect();
    let mut known = Vec::with_capacity(by_name.len());
    let mut failing: BTreeMap<i32, Rules> = BTreeMap::new();
    let mut notified = Rules::new();
    for row in rows() {
        let Some(number) = by_name.get(row.name).copied() else {
            continue;
        };
        match verdict(&row, config) {
            Verdict::Run => {}
            Verdict::Fail(Errno::ENOSYS) => continue,
            Verdict::Fail(errno) => {
                failing.entry(errno as i32).or_default().insert(number.into(), Vec::new());
            }
            Verdict::FailIf(cases) => {
                for case in cases {
                    let rules = failing.entry(case.errno as i32).or_default();
                    rules.entry(number.into()).or_default().push(rule(&case)?);
                }
            }
            Verdict::Notify => {
                notified.insert(number.into(), Vec::new());
            }
        }
        known.push(number);
    }
    known.sort_unstable();
    let mut plain = vec![gate(config.arch, &known)];
    for (errno, rules) in failing {
        plain.push(program(rules, SeccompAction::Errno(errno.unsigned_abs()), config.arch)?);
    }
    let notify = if notified.is_empty() {
        None
    } else {
        Some(program(notified, SeccompAction::Trace(0), config.arch)?)
    };
    Ok(Programs { plain, notify })
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn check_names(syscalls: &SyscallRules) -> Result<(), FilterError> {
    for name in syscalls.allow.iter().chain(&syscalls.deny) {
        if !rows().any(|row| row.name == name) {
            return Err(FilterError::UnknownCall(name.clone()));
        }
    }
    for name in &syscalls.allow {
        let row = rows().find(|row| row.name == name);
        if let Some(row) = row.filter(|row| !matches!(row.treatment, Treatment::OptIn(_) | Treatment::Allow))
        {
            return Err(FilterError::NotOptional(name.clone(), row.why));
        }
    }
    Ok(())
}

fn rule(case: &Case) -> Result<SeccompRule, BackendError> {
    let condition = |Condition { argument, test }: &Condition| {
        let (operator, value) = match *test {
            Test::Is(value) => (SeccompCmpOp::Eq, value),
            Test::IsNot(value) => (SeccompCmpOp::Ne, value),
            Test::Masked(mask, value) => (SeccompCmpOp::MaskedEq(mask.into()), value),
        };
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator, value.into())
    };
    SeccompRule::new(case.conditions.iter().map(condition).collect::<Result<_, _>>()?)
}

/// A seccompiler program with two of its return values changed: it kills on
/// other architectures, which the gate answers better, and it knows no
/// notification, for which `SECCOMP_RET_TRACE` stands in.
fn program(rules: Rules, action: SeccompAction, arch: Arch) -> Result<Vec<Instruction>, FilterError> {
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch.target())?;
    let program: BpfProgram = filter.try_into()?;
    let returns = (BPF_RET | BPF_K) as u16;
    let rewritten = program.iter().map(|instruction| {
        let k = match instruction.k {
            RET_KILL_PROCESS if instruction.code == returns => RET_ALLOW,
            RET_TRACE if instruction.code == returns => RET_NOTIFY,
            other => other,
        };
        Instruction { code: instruction.code, jt: instruction.jt, jf: instruction.jf, k }
    });
    Ok(rewritten.collect())
}

fn statement(code: u32, k: u32) -> Instruction {
    Instruction { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code: (BPF_JMP | code | BPF_K) as u16, jt, jf, k }
}

/// `ENOSYS` for other architectures, x32, and numbers that are not known.
fn gate(arch: Arch, known: &[u32]) -> Vec<Instruction> {
    const ABSENT: u32 = RET_ERRNO | Errno::ENOSYS as u32;
    let load = |offset| statement(BPF_LD | BPF_W | BPF_ABS, offset);
    let give = |value| statement(BPF_RET | BPF_K, value);
    // Offsets in struct seccomp_data: nr 0, arch 4.
    let mut program = vec![load(4), jump(BPF_JEQ, arch.audit_arch(), 1, 0), give(ABSENT), load(0)];
    program.extend([jump(BPF_JGE, X32_BIT, 0, 1), give(ABSENT)]);
    for (first, last) in ranges(known) {
        // Below the range: absent. Above it: on to the next one.
        program.extend([
            jump(BPF_JGE, first, 1, 0),
            give(ABSENT),
            jump(BPF_JGT, last, 1, 0),
            give(RET_ALLOW),
        ]);
    }
    program.push(give(ABSENT));
    program
}

/// Sorted numbers as ranges without gaps.
fn ranges(numbers: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            Some((_, last)) if *last == *number => {}
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}
