//! The programs do what the table says, for every call, architecture and setting.

use super::bpf::{self, Answer, Call, LONGEST};
use super::{ask, configs, number, program};
use crate::policy::SyscallRules;
use crate::seccomp::filter::{Verdict, verdict};
use crate::seccomp::inspect::{Condition, Test};
use crate::seccomp::table::rows;
use crate::sys::Errno;

const GARBAGE: [u64; 3] = [0, 0xffff_ffff, 0x8000_0001];

fn errno(errno: Errno) -> Answer {
    Answer::Fail(errno as i32)
}

/// Arguments that all have the same high halves.
fn with_high(low: [u32; 6], high: u64) -> [u64; 6] {
    low.map(|low| high << 32 | u64::from(low))
}

#[test]
fn every_row_is_answered_as_the_table_says() {
    let none = SyscallRules::default();
    for config in configs(&none) {
        let program = program(&config);
        for row in rows() {
            let Some(number) = number(config.arch, row.name) else {
                continue;
            };
            let expected = match verdict(&row, &config) {
                Verdict::Run => Answer::Run,
                Verdict::Fail(refused) => errno(refused),
                Verdict::Notify => Answer::Notify,
                Verdict::FailIf(cases) => {
                    let sets: Vec<_> =
                        cases.into_iter().map(|case| (case.conditions, errno(case.errno))).collect();
                    check_sets(&sets, &|args| ask(&program, config.arch, number, args), row.name);
                    continue;
                }
                Verdict::FailOrNotifyIf(cases, sets) => {
                    let cases = cases.into_iter().map(|case| (case.conditions, errno(case.errno)));
                    let sets: Vec<_> =
                        cases.chain(sets.into_iter().map(|set| (set, Answer::Notify))).collect();
                    check_sets(&sets, &|args| ask(&program, config.arch, number, args), row.name);
                    continue;
                }
                Verdict::NotifyIf(sets) => {
                    let sets: Vec<_> = sets.into_iter().map(|set| (set, Answer::Notify)).collect();
                    check_sets(&sets, &|args| ask(&program, config.arch, number, args), row.name);
                    continue;
                }
            };
            for args in [[0; 6], [u64::MAX; 6], with_high([1, 2, 3, 4, 5, 6], 7)] {
                let answer = ask(&program, config.arch, number, args);
                assert_eq!(answer, expected, "{} {args:x?} under {config:?}", row.name);
            }
        }
    }
}

/// Conditions that must all hold, and what is answered then.
type Set = (Vec<Condition>, Answer);

/// Argument vectors around every value that a condition tests.
fn check_sets(sets: &[Set], ask: &dyn Fn([u64; 6]) -> Answer, name: &str) {
    let mut reached = vec![false; sets.len()];
    let mut runs = false;
    for low in vectors(sets) {
        let holding: Vec<usize> = (0..sets.len()).filter(|set| holds(&sets[*set].0, low)).collect();
        holding.iter().for_each(|set| reached[*set] = true);
        runs |= holding.is_empty();
        for high in GARBAGE {
            let args = with_high(low, high);
            let answer = ask(args);
            if holding.is_empty() {
                assert_eq!(answer, Answer::Run, "{name} {args:x?}");
            } else {
                let expected = holding.iter().any(|set| answer == sets[*set].1);
                assert!(expected, "{name} {args:x?}: {answer:?}");
            }
        }
    }
    assert!(reached.iter().all(|reached| *reached), "{name}: conditions that nothing meets");
    assert!(runs, "{name}: nothing runs");
}

fn holds(conditions: &[Condition], args: [u32; 6]) -> bool {
    conditions.iter().all(|condition| {
        let argument = args[usize::from(condition.argument)];
        match condition.test {
            Test::Is(value) => argument == value,
            Test::IsNot(value) => argument != value,
            Test::Masked(mask, value) => argument & mask == value,
        }
    })
}

/// The product of interesting values for every argument that is tested; the
/// others hold garbage.
fn vectors(sets: &[Set]) -> Vec<[u32; 6]> {
    let mut all = vec![[0xdead_beef; 6]];
    for index in 0..6 {
        let tests = sets.iter().flat_map(|(set, _)| set).filter(|condition| condition.argument == index);
        let mut values: Vec<u32> = tests
            .flat_map(|condition| match condition.test {
                Test::Is(value) | Test::IsNot(value) => [value, value ^ 1, value.wrapping_add(0x100), !value],
                Test::Masked(mask, value) => {
                    [value, value | !mask, value ^ (mask & mask.wrapping_neg()), !mask]
                }
            })
            .collect();
        if values.is_empty() {
            continue;
        }
        values.extend([0, 1, 17, u32::MAX]);
        values.sort_unstable();
        values.dedup();
        let place = usize::from(index);
        let with = |args: [u32; 6], value: u32| {
            let mut args = args;
            args[place] = value;
            args
        };
        all = all.iter().flat_map(|args| values.iter().map(|value| with(*args, *value))).collect();
    }
    all
}

#[test]
fn numbers_without_a_row_do_not_exist() {
    let none = SyscallRules::default();
    for config in configs(&none) {
        let program = program(&config);
        let known = |number: u32| config.arch.numbers().iter().any(|(_, known)| *known == number);
        let unknown = (0..1024).filter(|number| !known(*number));
        let x32 = (0..1024).map(|number| 0x4000_0000 | number);
        let ends = [0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
        for number in unknown.chain(x32).chain(ends) {
            let answer = ask(&program, config.arch, number, [0; 6]);
            assert_eq!(answer, errno(Errno::ENOSYS), "{number:#x} under {config:?}");
        }
    }
}

#[test]
fn other_architectures_do_not_exist() {
    /// `AUDIT_ARCH_*`: i386, ARM, both 64-bit ones, their big-endian or 32-bit twins, none.
    const OTHERS: [u32; 7] =
        [0x4000_0003, 0x4000_0028, 0xc000_003e, 0xc000_00b7, 0x8000_00b7, 0x4000_003e, 0];
    let none = SyscallRules::default();
    for config in configs(&none) {
        let program = program(&config);
        for arch in OTHERS.into_iter().filter(|arch| *arch != config.arch.audit_arch()) {
            for number in (0..512).chain([0x4000_0000, 0x4000_0208, u32::MAX]) {
                let answer = bpf::run(&program.instructions, &Call { arch, number, args: [0; 6] });
                assert_eq!(answer, errno(Errno::ENOSYS), "{number:#x} of {arch:#x} under {config:?}");
            }
        }
    }
}

#[test]
fn the_kernel_takes_every_program() {
    let none = SyscallRules::default();
    for config in configs(&none) {
        let length = program(&config).instructions.len();
        assert!(length > 0 && length < LONGEST, "{length} under {config:?}");
    }
}
