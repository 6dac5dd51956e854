//! Shared memory, semaphores and message queues: common to all processes of a user, and no files.

use std::ffi::OsString;

use crate::support::attack::{Attack, report};
use crate::support::os::{addr, at, c, call};
use crate::support::{Jail, REFUSALS, both_modes};

pub const ATTACKS: &[Attack] = &[("ipc", use_ipc)];

const SIZE: i64 = 4096;

/// A segment and a message queue of this process, removed on drop.
struct Shared {
    key: i64,
    segment: i64,
    queue: i64,
}

impl Shared {
    fn new(key: i64) -> Shared {
        let create = i64::from(libc::IPC_CREAT | libc::IPC_EXCL | 0o666);
        let segment = call(libc::SYS_shmget, &[key, SIZE, create]);
        let queue = call(libc::SYS_msgget, &[key, create]);
        assert!(segment >= 0 && queue >= 0, "{}", std::io::Error::last_os_error());
        Shared { key, segment, queue }
    }

    /// The arguments of the attack.
    fn args(&self) -> [String; 3] {
        [self.key, self.segment, self.queue].map(|n| n.to_string())
    }

    /// Whether the segment still is empty, and no message waits.
    fn is_untouched(&self) -> bool {
        let address = call(libc::SYS_shmat, &[self.segment, 0, 0]);
        assert!(address != -1, "the segment is there");
        // SAFETY: the segment was just attached.
        let first = unsafe { std::ptr::read_volatile(address as *const u8) };
        call(libc::SYS_shmdt, &[address]);
        let buffer = [0_u64; 4];
        let received =
            call(libc::SYS_msgrcv, &[self.queue, addr(&buffer), 8, 0, i64::from(libc::IPC_NOWAIT)]);
        first == 0 && received == -1
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        call(libc::SYS_shmctl, &[self.segment, i64::from(libc::IPC_RMID), 0]);
        call(libc::SYS_msgctl, &[self.queue, i64::from(libc::IPC_RMID), 0]);
    }
}

/// Arguments: a key, a segment and a queue of another process.
fn use_ipc(args: &[OsString]) {
    let number = |i: usize| args[i].to_str().and_then(|s| s.parse::<i64>().ok()).expect("a number");
    let (key, segment, queue) = (number(0), number(1), number(2));
    report("shmget", call(libc::SYS_shmget, &[key, SIZE, 0]));
    let address = call(libc::SYS_shmat, &[segment, 0, 0]);
    report("shmat", address);
    if address != -1 {
        // SAFETY: the segment was just attached.
        unsafe { std::ptr::write_volatile(address as *mut u8, 1) };
    }
    report("shmctl", call(libc::SYS_shmctl, &[segment, 2, addr(&[0_u64; 32])]));
    report("semget", call(libc::SYS_semget, &[key, 1, 0o600]));
    report("msgget", call(libc::SYS_msgget, &[key, 0]));
    let message = [1_u64, 2];
    report("msgsnd", call(libc::SYS_msgsnd, &[queue, addr(&message), 8, i64::from(libc::IPC_NOWAIT)]));
    let name = c("stockade-test-no-such-queue");
    report("mq_open", call(libc::SYS_mq_open, &[at(&name), 0, 0, 0]));
    report("mq_unlink", call(libc::SYS_mq_unlink, &[at(&name)]));
}

#[test]
fn nothing_is_shared_with_outsiders() {
    both_modes(|jail| {
        let shared = Shared::new(0x5700_0000 | i64::from(std::process::id() & 0xff_ffff));
        let errors: Vec<&str> = REFUSALS.iter().copied().filter(|e| *e != "ENOENT").collect();
        jail.attack("ipc", &shared.args()).all_refused(&errors);
        assert!(shared.is_untouched());
    });
}

#[test]
fn outside_the_jail_it_is_shared() {
    let shared = Shared::new(0x5800_0000 | i64::from(std::process::id() & 0xff_ffff));
    let out = Jail::new("ci").control("ipc", &shared.args());
    assert_eq!(out.result("shmat"), "ok");
    assert_eq!(out.result("msgsnd"), "ok");
    assert!(!shared.is_untouched());
}
