//! Other system-call interfaces of the same processor: i386 through `int 0x80`, and x32 numbers.

use std::ffi::OsString;

use crate::support::attack::{Attack, report, say};
use crate::support::os::{at, c, call};
use crate::support::{Entry, both_modes};

pub const ATTACKS: &[Attack] = &[("i386", i386), ("x32", x32)];

/// Makes an i386 system call; a child does it, since the kernel may lack the interface.
#[cfg(target_arch = "x86_64")]
fn int80(number: i32, args: [u32; 3]) -> Option<i32> {
    // SAFETY: the child only makes one system call and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let result: i32;
        // SAFETY: int 0x80 keeps all registers but those named; rbx is the
        // compiler's and is put back.
        unsafe {
            std::arch::asm!(
                "xchg rbx, {b:r}", "int 0x80", "xchg rbx, {b:r}",
                b = inout(reg) u64::from(args[0]) => _,
                inout("eax") number => result, in("ecx") args[1], in("edx") args[2],
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
            libc::_exit(-result & 0xff);
        }
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
}

/// Argument: the victim. Tries chmod and getpid by their i386 numbers.
fn i386(args: &[OsString]) {
    #[cfg(target_arch = "x86_64")]
    {
        let path = c(&args[0]);
        let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT);
        let low = call(libc::SYS_mmap, &[0, 4096, 3, flags, -1, 0]);
        assert!(low > 0, "memory below 4 GiB");
        let bytes = path.as_bytes_with_nul();
        // SAFETY: the page was just mapped, and the path is shorter.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), low as *mut u8, bytes.len().min(4095)) };
        for (name, number, mode) in [("chmod", 15, 0o777), ("umask", 60, 0), ("mkdir", 39, 0o700)] {
            let result = int80(number, [if number == 60 { 0o22 } else { low as u32 }, mode, 0]);
            match result {
                None => say(name, "killed"),
                Some(0) => say(name, "ok"),
                Some(errno) => say(name, &format!("{:?}", nix::errno::Errno::from_raw(errno))),
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (args, at, call, report);
        say("chmod", "killed");
    }
}

/// Argument: the victim. Tries calls by their x32 numbers.
fn x32(args: &[OsString]) {
    const X32: i64 = 0x4000_0000;
    let path = c(&args[0]);
    report("getpid", call(X32 | 39, &[]));
    report("chmod", call(X32 | 90, &[at(&path), 0o777]));
    report("ioctl", call(X32 | 514, &[0, 0x5412, 0]));
    report("execve", call(X32 | 520, &[-1, 0, 0]));
    report("read", call(X32, &[-1, 0, 0]));
}

#[test]
fn i386_calls_do_not_exist() {
    both_modes(|jail| {
        let victim = jail.outside.join("victim");
        let before = Entry::of(&victim);
        jail.attack("i386", &[&victim]).all_refused(&["ENOSYS", "killed"]);
        assert_eq!(before, Entry::of(&victim));
    });
}

#[test]
fn outside_the_jail_i386_calls_may_work() {
    let jail = crate::support::Jail::new("ci");
    let victim = jail.outside.join("victim");
    let result = jail.control("i386", &[&victim]).result("chmod");
    assert!(["ok", "killed", "ENOSYS"].contains(&result.as_str()), "{result}");
    assert_eq!(result == "ok", Entry::of(&victim).mode & 0o777 == 0o777);
}

#[test]
fn x32_calls_do_not_exist() {
    both_modes(|jail| {
        let victim = jail.outside.join("victim");
        let before = Entry::of(&victim);
        jail.attack("x32", &[&victim]).all_refused(&["ENOSYS"]);
        assert_eq!(before, Entry::of(&victim));
    });
}
