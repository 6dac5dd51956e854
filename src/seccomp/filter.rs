//! The table and a jail's settings as BPF programs.
//!
//! A seccompiler program has two actions, so there is one for each error that
//! arguments decide about, and one for what the broker serves then. They are
//! chained: where a program would let a call run, it goes on to the next
//! instead. In front of them stands a dispatch, which decides at once where the
//! number alone is enough. `link` makes a single filter of it all.

use std::collections::BTreeMap;

use libc::{BPF_JA, BPF_JMP, BPF_K, BPF_RET};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::arch::Arch;
use super::inspect::{Case, Condition, Test, cases, internet_sockets, opens_for_change};
use super::link::{Decision, link};
use super::table::{Addresses, Inspection, Role, Row, Treatment, numbered, rows};
use crate::landlock::rights::RESOLVE_UNIX;
use crate::policy::plan::{Mode, Plan};
use crate::policy::{Network, SyscallRules, UnixSockets};
use crate::sys::Errno;
use crate::sys::seccomp::Instruction;
use crate::sys::socket::can_take_descriptors;

const RET_ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const RET_ERRNO: u32 = libc::SECCOMP_RET_ERRNO;
const RET_NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
const RET_TRACE: u32 = libc::SECCOMP_RET_TRACE;
const RET_KILL_PROCESS: u32 = libc::SECCOMP_RET_KILL_PROCESS;
/// As if the kernel did not know the call.
pub(super) const ABSENT: u32 = RET_ERRNO | Errno::ENOSYS as u32;

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
    /// A program of the compiler jumps out of itself.
    #[error("the system-call filter leads nowhere")]
    Nowhere,
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
    /// Whether rules name Unix sockets of others.
    pub names_sockets: bool,
    /// Whether a broker could take the caller's sockets.
    pub takes_sockets: bool,
    /// Whether opening for reading visits the broker too.
    pub mediates_reads: bool,
    /// Whether the broker is told of what is refused without it.
    pub learning: bool,
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
            names_sockets: plan.policy.names_sockets(),
            takes_sockets: plan.mode == Mode::Brokered && can_take_descriptors(),
            mediates_reads: plan.mediates_reads,
            learning: plan.learning,
            syscalls: &settings.syscalls,
        }
    }

    /// What is left of the network's setting: loopback takes a broker that
    /// serves sockets.
    pub fn internet(&self) -> Network {
        match self.network {
            Network::Loopback if !self.serves_sockets() => Network::None,
            network => network,
        }
    }

    /// Whether a broker is there, and can act on the caller's sockets.
    pub fn serves_sockets(&self) -> bool {
        self.mode == Mode::Brokered && self.takes_sockets
    }

    /// Whether Landlock decides which Unix sockets can be reached, or the
    /// profile opened them all.
    pub fn governs_unix_sockets(&self) -> bool {
        self.unix_sockets == UnixSockets::Open || self.abi >= RESOLVE_UNIX
    }

    /// Whether the broker refuses internet sockets, to have seen who wants them.
    pub fn learns_internet(&self) -> bool {
        self.mode == Mode::Brokered && self.learning && self.internet() == Network::None
    }

    /// Whether the broker performs what is about addresses. It serves rules for
    /// sockets also where Landlock governs them, since Landlock knows only
    /// what exists at the start.
    fn serves(&self, addresses: Addresses) -> bool {
        let is_learnt = self.learning && self.unix_sockets == UnixSockets::Own;
        let unix = !self.governs_unix_sockets() || self.names_sockets || is_learnt;
        let internet = self.internet() == Network::Loopback;
        self.serves_sockets() && (internet || (unix && addresses == Addresses::Any))
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
    /// The broker gets it where all conditions of one of these sets hold, else it runs.
    NotifyIf(Vec<Vec<Condition>>),
    /// It fails in these cases; else as above.
    FailOrNotifyIf(Vec<Case>, Vec<Vec<Condition>>),
}

/// A jail's filter.
#[derive(Debug, Clone)]
pub struct Program {
    /// To be installed.
    pub instructions: Vec<Instruction>,
    /// Whether it notifies, so that it needs a listener.
    pub notifies: bool,
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
        Treatment::Mediate(roles, _) if config.mode == Mode::Brokered => match Role::open_flags(roles) {
            Some(flags) if !config.mediates_reads => Verdict::NotifyIf(opens_for_change(flags)),
            _ => Verdict::Notify,
        },
        Treatment::Address(_, addresses) if config.serves(addresses) => Verdict::Notify,
        Treatment::Watch(_) if config.mode == Mode::Brokered && config.learning => Verdict::Notify,
        Treatment::Mediate(_, None) | Treatment::Address(..) | Treatment::Watch(_) => Verdict::Run,
        Treatment::Inspect(Inspection::Socket) if config.learns_internet() => {
            Verdict::FailOrNotifyIf(cases(Inspection::Socket, config), internet_sockets())
        }
        Treatment::Mediate(_, Some(inspection)) | Treatment::Inspect(inspection) => {
            inspected(inspection, config)
        }
    }
}

fn inspected(inspection: Inspection, config: &Config<'_>) -> Verdict {
    match cases(inspection, config) {
        none if none.is_empty() => Verdict::Run,
        always if always.iter().any(|case| case.conditions.is_empty()) => Verdict::Fail(always[0].errno),
        cases => Verdict::FailIf(cases),
    }
}

/// Compiles the filter.
pub fn compile(config: &Config<'_>) -> Result<Program, FilterError> {
    check_names(config.syscalls)?;
    let mut decided: Vec<(u32, Decision)> = Vec::with_capacity(config.arch.numbers().len());
    let mut programs = Programs::default();
    for (row, number) in numbered(config.arch) {
        let decision = match verdict(&row, config) {
            Verdict::Run => Decision::Give(RET_ALLOW),
            Verdict::Fail(errno) => Decision::Give(RET_ERRNO | errno as u32),
            Verdict::FailIf(cases) => programs.add(number, cases, None)?,
            Verdict::NotifyIf(sets) => programs.add(number, Vec::new(), Some(sets))?,
            Verdict::FailOrNotifyIf(cases, sets) => programs.add(number, cases, Some(sets))?,
            Verdict::Notify => Decision::Give(RET_NOTIFY),
        };
        decided.push((number, decision));
    }
    decided.sort_unstable_by_key(|(number, _)| *number);
    let Programs { failing, notified } = programs;
    let is_notified = |(_, decision): &(u32, Decision)| matches!(decision, Decision::Give(RET_NOTIFY));
    let notifies = !notified.is_empty() || decided.iter().any(is_notified);
    let mut chain = Vec::new();
    for (errno, rules) in failing {
        chain.extend(program(rules, SeccompAction::Errno(errno.unsigned_abs()), config.arch)?);
    }
    if !notified.is_empty() {
        chain.extend(program(notified, SeccompAction::Trace(0), config.arch)?);
    }
    chain.push(give(RET_ALLOW));
    let instructions = link(config.arch.audit_arch(), &intervals(&decided), &chain);
    Ok(Program { instructions: instructions.ok_or(FilterError::Nowhere)?, notifies })
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What is decided behind the dispatch.
#[derive(Default)]
struct Programs {
    /// By the error that the caller gets.
    failing: BTreeMap<i32, Rules>,
    notified: Rules,
}

impl Programs {
    /// The cases in which a call fails, and the sets of conditions under which the
    /// broker gets it.
    fn add(
        &mut self,
        number: u32,
        cases: Vec<Case>,
        sets: Option<Vec<Vec<Condition>>>,
    ) -> Result<Decision, FilterError> {
        for case in cases {
            let rules = self.failing.entry(case.errno as i32).or_default();
            rules.entry(number.into()).or_default().push(rule(&case.conditions)?);
        }
        if let Some(sets) = sets {
            let rules = sets.iter().map(|conditions| rule(conditions)).collect::<Result<_, _>>()?;
            self.notified.insert(number.into(), rules);
        }
        Ok(Decision::GoOn)
    }
}

/// Checks the names in a profile's `syscalls`.
pub fn check_names(syscalls: &SyscallRules) -> Result<(), FilterError> {
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

fn rule(conditions: &[Condition]) -> Result<SeccompRule, BackendError> {
    let condition = |Condition { argument, test }: &Condition| {
        let (operator, value) = match *test {
            Test::Is(value) => (SeccompCmpOp::Eq, value),
            Test::IsNot(value) => (SeccompCmpOp::Ne, value),
            Test::Masked(mask, value) => (SeccompCmpOp::MaskedEq(mask.into()), value),
        };
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator, value.into())
    };
    SeccompRule::new(conditions.iter().map(condition).collect::<Result<_, _>>()?)
}

/// A seccompiler program, changed in three returns: where it would let a call
/// run, it goes on behind its end; it never meets another architecture, which
/// the dispatch refuses; and it knows no notification, for which
/// `SECCOMP_RET_TRACE` stands in.
fn program(rules: Rules, action: SeccompAction, arch: Arch) -> Result<Vec<Instruction>, FilterError> {
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch.target())?;
    let program: BpfProgram = filter.try_into()?;
    let returns = (BPF_RET | BPF_K) as u16;
    let length = program.len();
    let changed = program.iter().enumerate().map(|(index, instruction)| match instruction.k {
        RET_ALLOW if instruction.code == returns => go_on(length - index - 1),
        RET_KILL_PROCESS if instruction.code == returns => give(ABSENT),
        RET_TRACE if instruction.code == returns => give(RET_NOTIFY),
        k => Instruction { code: instruction.code, jt: instruction.jt, jf: instruction.jf, k },
    });
    Ok(changed.collect())
}

fn statement(code: u32, k: u32) -> Instruction {
    Instruction { code: code as u16, jt: 0, jf: 0, k }
}

fn give(value: u32) -> Instruction {
    statement(BPF_RET | BPF_K, value)
}

/// Skips so many instructions. (A filter has at most 4096.)
fn go_on(skipped: usize) -> Instruction {
    statement(BPF_JMP | BPF_JA, u32::try_from(skipped).unwrap_or(u32::MAX))
}

/// All numbers as intervals of one decision each: where each one starts.
fn intervals(decided: &[(u32, Decision)]) -> Vec<(u32, Decision)> {
    const UNKNOWN: Decision = Decision::Give(ABSENT);
    let mut intervals: Vec<(u32, Decision)> = Vec::new();
    let mut add = |start: u32, decision: Decision| {
        if intervals.last().is_none_or(|(_, last)| *last != decision) {
            intervals.push((start, decision));
        }
    };
    let mut next = 0;
    for (number, decision) in decided {
        if *number > next {
            add(next, UNKNOWN);
        }
        add(*number, *decision);
        next = number + 1;
    }
    add(next, UNKNOWN);
    intervals
}
