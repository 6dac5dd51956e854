//! A broker as it must not be: it looks at the path, finds it harmless, and lets
//! the call go on. Races that win against it within some number of turns are
//! races that Stockade's broker was really exposed to.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use nix::errno::Errno;
use nix::unistd::Pid;
use stockade::sys::process::read_memory;
use stockade::sys::seccomp::{Instruction, Listener, Notification, install_with_listener};

use super::os::call;

/// Which arguments are a directory (none: the working directory) and a path.
type Paths = &'static [(Option<usize>, usize)];

/// The calls that it is asked about.
const CALLS: &[(i64, Paths)] = &[
    (libc::SYS_openat, &[(Some(0), 1)]),
    (libc::SYS_openat2, &[(Some(0), 1)]),
    (libc::SYS_truncate, &[(None, 0)]),
    (libc::SYS_unlinkat, &[(Some(0), 1)]),
    (libc::SYS_renameat2, &[(Some(0), 1), (Some(2), 3)]),
    (libc::SYS_linkat, &[(Some(0), 1), (Some(2), 3)]),
    (libc::SYS_symlinkat, &[(Some(1), 2)]),
    (libc::SYS_mkdirat, &[(Some(0), 1)]),
    (libc::SYS_mknodat, &[(Some(0), 1)]),
    (libc::SYS_fchmodat, &[(Some(0), 1)]),
];

/// Puts the calling thread, and those that it starts later, under a naive
/// broker that lets calls change what `is_harmless` says yes to.
pub fn watch(is_harmless: impl Fn(&Path) -> bool + Send + 'static) {
    let (send, receive) = mpsc::channel::<Listener>();
    std::thread::spawn(move || {
        let listener = receive.recv().expect("get the listener");
        serve(&listener, &is_harmless);
    });
    assert_eq!(call(libc::SYS_prctl, &[libc::PR_SET_NO_NEW_PRIVS.into(), 1]), 0);
    let listener = install_with_listener(&filter()).expect("install a filter");
    send.send(Listener::new(listener)).expect("hand over the listener");
}

fn serve(listener: &Listener, is_harmless: &impl Fn(&Path) -> bool) {
    loop {
        match listener.receive() {
            Ok(notification) => answer(listener, &notification, is_harmless),
            Err(Errno::EINTR | Errno::ENOENT) => {}
            Err(errno) => panic!("the naive broker cannot receive: {errno}"),
        }
    }
}

/// Notifies of all calls above, but for a rename between two paths without
/// descriptors: so does who swaps, and it must not wait.
fn filter() -> Vec<Instruction> {
    let statement = |code: u32, k: u32| Instruction { code: code as u16, jt: 0, jf: 0, k };
    let load = |offset: u32| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let skip_unless = |k: u32, skipped: u8| {
        let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        Instruction { code, jt: 0, jf: skipped, k }
    };
    let give = |value: u32| statement(libc::BPF_RET | libc::BPF_K, value);
    let number = |number: i64| u32::try_from(number).expect("a number");
    // Offsets in struct seccomp_data: the number 0, low halves of arguments 16, 24, 32.
    let mut program = vec![load(0), skip_unless(number(libc::SYS_renameat2), 5)];
    program.extend([load(16), skip_unless(libc::AT_FDCWD.cast_unsigned(), 3)]);
    program.extend([load(32), skip_unless(libc::AT_FDCWD.cast_unsigned(), 1), give(libc::SECCOMP_RET_ALLOW)]);
    program.push(load(0));
    for (call, _) in CALLS {
        program.extend([skip_unless(number(*call), 1), give(libc::SECCOMP_RET_USER_NOTIF)]);
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    program
}

fn answer(listener: &Listener, asked: &Notification, is_harmless: &impl Fn(&Path) -> bool) {
    let known = CALLS.iter().find(|(number, _)| *number == i64::from(asked.data.nr));
    let mut paths = known.expect("a known call").1.iter();
    let harmless = paths.all(|(dir, path)| {
        let dir = dir.map_or(libc::AT_FDCWD, |index| asked.data.args[index] as i32);
        real(asked.pid, dir, asked.data.args[*path]).is_some_and(|path| is_harmless(&path))
    });
    // Whoever asked may be gone.
    let _ = if harmless { listener.proceed(asked.id) } else { listener.reply(asked.id, Err(Errno::EACCES)) };
}

/// The real path of what is named, as it is just now.
fn real(thread: u32, dir: i32, address: u64) -> Option<PathBuf> {
    let mut text = [0; 512];
    let read = read_memory(Pid::from_raw(thread.cast_signed()), address, &mut text).ok()?;
    let end = text[..read].iter().position(|byte| *byte == 0)?;
    let start = match dir {
        libc::AT_FDCWD => format!("/proc/{thread}/cwd"),
        dir => format!("/proc/{thread}/fd/{dir}"),
    };
    let path = Path::new(&start).join(OsStr::from_bytes(&text[..end]));
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}
