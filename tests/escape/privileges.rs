//! Privileges of a jailed process: none, as root too, and no way to get any.

use std::ffi::OsString;

use crate::support::attack::{Attack, report, say};
use crate::support::os::{addr, call};
use crate::support::{both_modes, is_root};

pub const ATTACKS: &[Attack] = &[("privileges", gain)];

fn gain(_: &[OsString]) {
    let status = std::fs::read_to_string("/proc/self/status").expect("read the status");
    for line in status.lines() {
        if let Some((name, value)) = line.split_once(":\t")
            && (name.starts_with("Cap") || ["NoNewPrivs", "Seccomp", "Uid", "Gid"].contains(&name))
        {
            say(name, value);
        }
    }
    let other = i64::from(nix::unistd::geteuid().as_raw()) + 1;
    report("setuid", call(libc::SYS_setuid, &[other]));
    report("setgid", call(libc::SYS_setgid, &[i64::from(nix::unistd::getegid().as_raw()) + 1]));
    report("setgroups", call(libc::SYS_setgroups, &[1, addr(&12_345_u32)]));
    report("setresuid", call(libc::SYS_setresuid, &[other, other, other]));
    // header: version 3, this process; data: everything
    let (header, data) = ([0x2008_0522_u32, 0], [u32::MAX; 6]);
    report("capset", call(libc::SYS_capset, &[addr(&header), addr(&data)]));
    report("ambient", call(libc::SYS_prctl, &[47, 2, 21, 0, 0]));
    report("securebits", call(libc::SYS_prctl, &[28, 1, 0, 0, 0]));
    say("no_new_privs off", if call(libc::SYS_prctl, &[38, 0, 0, 0, 0]) == 0 { "ok" } else { "refused" });
    say("seccomp off", if call(libc::SYS_prctl, &[22, 0, 0, 0, 0]) == 0 { "ok" } else { "refused" });
}

#[test]
fn a_jailed_process_has_no_privilege() {
    both_modes(|jail| {
        let out = jail.attack::<&str>("privileges", &[]);
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(out.result(set), "0000000000000000", "{set}");
        }
        if is_root() {
            assert_eq!(out.result("CapBnd"), "0000000000000000", "the bounding set too");
        }
        assert_eq!(out.result("NoNewPrivs"), "1");
        assert_eq!(out.result("Seccomp"), "2");
        for step in ["setuid", "setgid", "setgroups", "setresuid", "capset", "ambient", "securebits"] {
            assert_eq!(out.result(step), "EPERM", "{step}");
        }
        assert_eq!(out.result("no_new_privs off"), "refused");
        assert_eq!(out.result("seccomp off"), "refused");
    });
}

#[test]
fn children_have_none_either() {
    both_modes(|jail| {
        let text = jail.sh("sh -c 'sh -c \"cat /proc/self/status\"'").expect(0);
        assert!(text.contains("CapEff:\t0000000000000000"), "{text}");
        assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    });
}
