//! `syscalls: allow` and `syscalls: deny`.

use super::bpf::Answer;
use super::{ARCHES, answer, configs, number, program, strict};
use crate::policy::SyscallRules;
use crate::seccomp::table::{Treatment, rows};
use crate::seccomp::{FilterError, compile};

const EPERM: i32 = 1;

fn allow(name: &str) -> SyscallRules {
    SyscallRules { allow: vec![name.into()], ..SyscallRules::default() }
}

fn deny(name: &str) -> SyscallRules {
    SyscallRules { deny: vec![name.into()], ..SyscallRules::default() }
}

#[test]
fn unknown_names_are_errors() {
    for arch in ARCHES {
        for rules in [allow("opne"), deny("opne"), deny(""), allow("READ")] {
            let error = compile(&strict(arch, &rules)).expect_err("no such call");
            assert!(matches!(error, FilterError::UnknownCall(_)), "{error}");
        }
    }
    let error = compile(&strict(ARCHES[0], &allow("opne"))).expect_err("no such call");
    assert_eq!(error.to_string(), "syscalls: unknown system call `opne`");
}

#[test]
fn names_of_the_other_architecture_are_known() {
    // aarch64 has no open.
    for arch in ARCHES {
        compile(&strict(arch, &deny("open"))).expect("a known name");
    }
}

#[test]
fn what_the_table_refuses_cannot_be_allowed() {
    let optional = |treatment| matches!(treatment, Treatment::Allow | Treatment::OptIn(_));
    for row in rows() {
        let rules = allow(row.name);
        match compile(&strict(ARCHES[0], &rules)) {
            Ok(_) => assert!(optional(row.treatment), "{}", row.name),
            Err(FilterError::NotOptional(name, why)) => {
                assert!(!optional(row.treatment), "{name}");
                assert_eq!((name.as_str(), why), (row.name, row.why));
            }
            Err(other) => panic!("{}: {other}", row.name),
        }
    }
    for name in ["mount", "bpf", "io_uring_setup", "clone3", "chmod", "ioctl", "socket", "clone"] {
        compile(&strict(ARCHES[0], &allow(name))).expect_err(name);
    }
}

#[test]
fn optional_calls_fail_until_they_are_allowed() {
    const EACCES: i32 = 13;
    let none = SyscallRules::default();
    for arch in ARCHES {
        for name in ["shmget", "semget", "msgget", "mq_open"] {
            assert_eq!(answer(&strict(arch, &none), name, [0; 6]), Answer::Fail(EACCES), "{name}");
            let rules = allow(name);
            assert_eq!(answer(&strict(arch, &rules), name, [0; 6]), Answer::Run, "{name}");
        }
    }
}

#[test]
fn allowing_one_call_changes_no_other() {
    let (none, rules) = (SyscallRules::default(), allow("shmget"));
    for (before, after) in configs(&none).iter().zip(configs(&rules)) {
        let programs = (program(before), program(&after));
        for (name, number) in before.arch.numbers().iter().filter(|(name, _)| *name != "shmget") {
            let ask = |program| super::ask(program, before.arch, *number, [0; 6]);
            assert_eq!(ask(&programs.0), ask(&programs.1), "{name} under {after:?}");
        }
    }
}

#[test]
fn any_call_can_be_denied() {
    for row in rows() {
        let rules = deny(row.name);
        for arch in ARCHES {
            if number(arch, row.name).is_some() {
                let answer = answer(&strict(arch, &rules), row.name, [0; 6]);
                assert_eq!(answer, Answer::Fail(EPERM), "{} on {arch:?}", row.name);
            }
        }
    }
}

#[test]
fn denying_beats_allowing() {
    let rules = SyscallRules { allow: vec!["shmget".into()], deny: vec!["shmget".into()] };
    assert_eq!(answer(&strict(ARCHES[0], &rules), "shmget", [0; 6]), Answer::Fail(EPERM));
}
