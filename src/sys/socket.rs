//! Sockets of other processes: taking a descriptor, and binding, connecting
//! and listening on it in their stead.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::stat::{Mode, fstat};
use nix::unistd::Pid;

use super::check;
use super::process::{owned, pidfd_open};

/// `pidfd_getfd` on x86_64 and aarch64 alike (Linux 5.6).
const SYS_PIDFD_GETFD: libc::c_long = 438;
/// A `pidfd_open` flag for a thread that leads no group (Linux 6.9).
const PIDFD_THREAD: libc::c_int = libc::O_EXCL;

/// The longest address of a socket in bytes (`struct sockaddr_storage`).
pub const ADDRESS_MAX: usize = 128;

/// Another holder of a thread's descriptor (`pidfd_getfd(2)`). Needs the right
/// to trace the thread. `leader` is the leader of its group, whose table is
/// asked where the kernel knows no pidfd of threads; as good as always it is
/// the same one.
pub fn take_descriptor(
    thread: Pid,
    leader: impl FnOnce() -> Result<Pid, Errno>,
    fd: RawFd,
) -> Result<OwnedFd, Errno> {
    let pidfd = match pidfd_open(thread, PIDFD_THREAD) {
        Err(Errno::EINVAL) => pidfd_open(leader()?, 0)?,
        other => other?,
    };
    // SAFETY: three integers; the new descriptor is nobody else's.
    let result = unsafe { libc::syscall(SYS_PIDFD_GETFD, pidfd.as_raw_fd(), fd, 0) };
    check(result).map(owned)
}

/// Whether descriptors of other processes can be taken: the filter of a
/// container may forbid it also where reading memory is allowed.
pub fn can_take_descriptors() -> bool {
    let me = nix::unistd::getpid();
    pidfd_open(me, 0).is_ok_and(|pidfd| take_descriptor(me, || Ok(me), pidfd.as_raw_fd()).is_ok())
}

/// A socket's family (`AF_UNIX` and so on). `ENOTSOCK`: it is none.
pub fn family(socket: BorrowedFd<'_>) -> Result<i32, Errno> {
    option(socket, libc::SO_DOMAIN)
}

/// Whether a socket is of a kind that has connections, so that connecting may wait.
pub fn has_connections(socket: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(matches!(option(socket, libc::SO_TYPE)?, libc::SOCK_STREAM | libc::SOCK_SEQPACKET))
}

fn option(socket: BorrowedFd<'_>, name: libc::c_int) -> Result<i32, Errno> {
    let mut value: libc::c_int = 0;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    let fd = socket.as_raw_fd();
    // SAFETY: the kernel writes at most `size` bytes.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut size) };
    check(result.into()).map(|_| value)
}

/// `bind(2)` with an address as its bytes.
pub fn bind(socket: BorrowedFd<'_>, address: &[u8]) -> Result<(), Errno> {
    let size = address.len() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes and checks them.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), size) }.into()).map(drop)
}

/// `connect(2)` with an address as its bytes. May block if the socket does.
pub fn connect(socket: BorrowedFd<'_>, address: &[u8]) -> Result<(), Errno> {
    let size = address.len() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes and checks them.
    check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), size) }.into()).map(drop)
}

/// `listen(2)`.
pub fn listen(socket: BorrowedFd<'_>, backlog: i32) -> Result<(), Errno> {
    // SAFETY: two integers.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }.into()).map(drop)
}

/// The address that a socket is bound to, as its bytes.
pub fn bound_to(socket: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    let mut address = vec![0_u8; ADDRESS_MAX];
    let mut size = ADDRESS_MAX as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes.
    let result = unsafe { libc::getsockname(socket.as_raw_fd(), address.as_mut_ptr().cast(), &raw mut size) };
    check(result.into())?;
    address.truncate(size as usize);
    Ok(address)
}

/// Binds a Unix socket in a process of its own, which has `dir` for its working
/// directory and this umask, and is held by a Landlock ruleset: none of these
/// can be had by one thread alone without `unshare(2)`, which containers forbid.
///
/// The process is a plain copy of this one that only makes the system calls
/// below. Nobody is told of its end (it has no exit signal), so no other wait
/// of this process reaps it.
pub fn bind_apart(
    socket: BorrowedFd<'_>,
    address: &[u8],
    dir: BorrowedFd<'_>,
    ruleset: BorrowedFd<'_>,
    umask: Mode,
) -> Result<(), Errno> {
    let (socket, dir, ruleset) = (socket.as_raw_fd(), dir.as_raw_fd(), ruleset.as_raw_fd());
    let size = address.len() as libc::socklen_t;
    // SAFETY: like fork(2), with a copy of the memory and of the stack.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) })?;
    if pid == 0 {
        // SAFETY: system calls alone, with values from before the copy; what
        // other threads held locked is not touched.
        unsafe {
            libc::umask(umask.bits());
            let is_done = libc::fchdir(dir) == 0
                && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) == 0
                && libc::bind(socket, address.as_ptr().cast(), size) == 0;
            let errno = if is_done { 0 } else { *libc::__errno_location() };
            libc::syscall(libc::SYS_exit_group, errno);
        }
        super::process::exit_now(libc::EIO);
    }
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes the status.
        let waited = unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, libc::__WCLONE) };
        match check(waited.into()) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 => return Ok(()),
            Ok(_) if libc::WIFEXITED(status) => return Err(Errno::from_raw(libc::WEXITSTATUS(status))),
            Ok(_) => return Err(Errno::EIO),
        }
    }
}

/// The low half of the inode number of the file that a Unix socket is bound
/// to, by the kernel's word alone (`sock_diag(7)`, `CONFIG_UNIX_DIAG`).
pub fn bound_inode(socket: BorrowedFd<'_>) -> Result<u32, Errno> {
    const SOCK_DIAG: libc::c_int = 4;
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: three integers; the new descriptor is nobody else's.
    let diag = owned(check(unsafe { libc::socket(libc::AF_NETLINK, kind, SOCK_DIAG) }.into())?);
    let request = diag_request(fstat(socket)?.st_ino as u32);
    let fd = diag.as_raw_fd();
    // SAFETY: the kernel reads the request.
    check(unsafe { libc::send(fd, request.as_ptr().cast(), request.len(), 0) } as libc::c_long)?;
    let mut answer = [0_u8; 512];
    // SAFETY: the kernel writes at most that many bytes.
    let size = check(unsafe { libc::recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0) } as libc::c_long)?;
    inode_of(&answer[..usize::try_from(size).unwrap_or(0).min(answer.len())])
}

/// Whether [`bound_inode`] works here.
pub fn can_tell_files() -> bool {
    let pair = std::os::unix::net::UnixStream::pair();
    pair.is_ok_and(|(one, _other)| bound_inode(one.as_fd()) == Err(Errno::ENOENT))
}

/// The type of both question and answer (`<linux/sock_diag.h>`).
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// `struct nlmsghdr` and `struct unix_diag_req`: the file behind one socket.
fn diag_request(socket: u32) -> Vec<u8> {
    const NLM_F_REQUEST: u16 = 1;
    const UDIAG_SHOW_VFS: u32 = 2;
    let mut request = 40_u32.to_ne_bytes().to_vec();
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    // Number and port; then family and protocol, states, inode, what is asked
    // for, and any cookie.
    request.extend([0; 8]);
    request.extend([libc::AF_UNIX as u8, 0, 0, 0]);
    let words = [u32::MAX, socket, UDIAG_SHOW_VFS, u32::MAX, u32::MAX];
    request.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    request
}

/// The inode in the answer: `struct nlmsghdr`, `struct unix_diag_msg`, then
/// attributes, of which `UNIX_DIAG_VFS` holds it in front. `ENOENT`: there is
/// none. `EOPNOTSUPP`: the kernel does not say.
fn inode_of(answer: &[u8]) -> Result<u32, Errno> {
    const UNIX_DIAG_VFS: u16 = 1;
    const HEADERS: usize = 16 + 16;
    let half = |at: usize| answer.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes);
    let word = |at: usize| answer.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    if half(4) != Some(SOCK_DIAG_BY_FAMILY) {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut at = HEADERS;
    while let (Some(length), Some(kind)) = (half(at), half(at + 2)) {
        if kind == UNIX_DIAG_VFS {
            return word(at + 4).ok_or(Errno::ENOENT);
        }
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    Err(Errno::ENOENT)
}

/// `struct sockaddr_un` for a path, as its bytes. `ENAMETOOLONG`: it does not
/// fit. (The last byte of a path need not be a NUL, `unix(7)`.)
pub fn unix_address(path: &CStr) -> Result<Vec<u8>, Errno> {
    const PATH_MAX: usize = 108;
    let text = path.to_bytes();
    if text.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut address = (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes().to_vec();
    address.extend_from_slice(text);
    if text.len() < PATH_MAX {
        address.push(0);
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_kernel_tells_which_file_a_socket_is_bound_to() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("s");
        let socket = UnixListener::bind(&path)?;
        let inode = std::fs::metadata(&path)?.ino() as u32;
        assert_eq!(bound_inode(socket.as_fd()), Ok(inode));
        // Wherever its name goes.
        std::fs::rename(&path, dir.path().join("t"))?;
        std::fs::write(&path, "")?;
        assert_eq!(bound_inode(socket.as_fd()), Ok(inode));
        Ok(())
    }

    #[test]
    fn without_a_file_there_is_no_inode() -> std::io::Result<()> {
        let (one, _other) = std::os::unix::net::UnixStream::pair()?;
        assert_eq!(bound_inode(one.as_fd()), Err(Errno::ENOENT));
        Ok(())
    }

    #[test]
    fn the_longest_path_has_no_nul() {
        let path = |length: usize| std::ffi::CString::new(vec![b'x'; length]).unwrap_or_default();
        assert_eq!(unix_address(&path(107)).map(|address| address.len()), Ok(110));
        assert_eq!(unix_address(&path(108)).map(|address| address.len()), Ok(110));
        assert_eq!(unix_address(&path(109)), Err(Errno::ENAMETOOLONG));
    }
}
