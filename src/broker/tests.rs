//! Decoding, with the test's own memory in place of a jailed thread's.

use std::ffi::CStr;
use std::os::fd::RawFd;

use nix::unistd::gettid;

use super::decode::{Address, Calls, Change, Operation, Subject, Unix};
use crate::seccomp::Arch;
use crate::sys::Errno;

const CWD: u64 = libc::AT_FDCWD as u64;
const NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;
const EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;
/// An address that nothing is mapped at.
const NOWHERE: u64 = 8;

/// A call that changes metadata.
#[derive(Debug)]
struct Request {
    call: &'static str,
    subject: Subject,
    change: Change,
}

fn request(call: &str, args: &[u64]) -> (Calls, libc::seccomp_data) {
    let found = Arch::NATIVE.numbers().iter().find(|(name, _)| *name == call);
    let (_, number) = found.unwrap_or_else(|| panic!("no {call} here"));
    let mut registers = [0xdead_beef_dead_beef; 6];
    registers[..args.len()].copy_from_slice(args);
    let data = libc::seccomp_data {
        nr: number.cast_signed(),
        arch: Arch::NATIVE.audit_arch(),
        instruction_pointer: 0,
        args: registers,
    };
    (Calls::native(), data)
}

fn decode(call: &str, args: &[u64]) -> Result<Request, Errno> {
    let (calls, data) = request(call, args);
    match calls.decode(gettid(), &data)? {
        Operation::Change { subject, change } => Ok(Request { call: calls.name(&data)?, subject, change }),
        other => panic!("{other:?}"),
    }
}

fn error(call: &str, args: &[u64]) -> Option<Errno> {
    decode(call, args).err()
}

fn address<T: ?Sized>(value: &T) -> u64 {
    std::ptr::from_ref(value).cast::<u8>().addr() as u64
}

fn string(text: &CStr) -> u64 {
    text.as_ptr().addr() as u64
}

/// Where a request's path starts, its text, and whether its end is followed.
fn path(request: &Request) -> (RawFd, &str, bool) {
    match &request.subject {
        Subject::Path { dir, path, follow } => (*dir, path.to_str().expect("UTF-8"), *follow),
        other => panic!("{other:?} is no path"),
    }
}

#[test]
fn paths_are_copied_with_directory_and_flags() -> Result<(), Errno> {
    let name = c"some/where";
    let plain = decode("fchmodat", &[7, string(name), 0o644])?;
    assert_eq!(path(&plain), (7, "some/where", true));
    assert!(matches!(plain.change, Change::Mode(0o644)));
    assert_eq!(plain.call, "fchmodat");
    let follow = decode("fchmodat2", &[CWD, string(name), 0o600, 0])?;
    assert_eq!(path(&follow), (libc::AT_FDCWD, "some/where", true));
    let link = decode("fchownat", &[CWD, string(name), 1, u64::MAX, NOFOLLOW])?;
    assert_eq!(path(&link), (libc::AT_FDCWD, "some/where", false));
    assert!(matches!(link.change, Change::Owner(1, u32::MAX)));
    assert!(path(&decode("setxattr", &[string(name), string(c"user.a"), 0, 0, 0])?).2);
    assert!(!path(&decode("lsetxattr", &[string(name), string(c"user.a"), 0, 0, 0])?).2);
    assert!(!path(&decode("lremovexattr", &[string(name), string(c"user.a")])?).2);
    Ok(())
}

#[test]
fn high_halves_of_registers_do_not_count() -> Result<(), Errno> {
    let garbage = 0xabcd_ef01_0000_0000;
    let request =
        decode("fchownat", &[garbage | 5, string(c"x"), garbage | 1, garbage | 2, garbage | NOFOLLOW])?;
    assert_eq!(path(&request), (5, "x", false));
    assert!(matches!(request.change, Change::Owner(1, 2)));
    let request = decode("fchmod", &[garbage | 3, garbage | 0o7777])?;
    assert!(matches!((request.subject, request.change), (Subject::Fd(3), Change::Mode(0o7777))));
    Ok(())
}

#[test]
fn an_empty_path_is_the_descriptor_where_a_flag_says_so() -> Result<(), Errno> {
    let at = decode("fchownat", &[9, string(c""), 1, 1, EMPTY_PATH])?;
    assert!(matches!(at.subject, Subject::AnyFd(9)));
    let named = decode("fchownat", &[9, string(c"x"), 1, 1, EMPTY_PATH])?;
    assert_eq!(path(&named), (9, "x", true));
    // Without the flag it stays an empty path, which pinning refuses.
    assert_eq!(path(&decode("fchmodat", &[9, string(c""), 0])?).1, "");
    Ok(())
}

#[test]
fn unknown_flags_and_bad_addresses_are_errors() {
    let name = string(c"x");
    assert_eq!(error("fchmodat2", &[CWD, name, 0, 1]), Some(Errno::EINVAL));
    assert_eq!(error("fchownat", &[CWD, name, 0, 0, 0x8000_0000]), Some(Errno::EINVAL));
    assert_eq!(error("fchmodat", &[CWD, NOWHERE, 0]), Some(Errno::EFAULT));
    assert_eq!(error("fchmodat", &[CWD, 0, 0]), Some(Errno::EFAULT));
    assert_eq!(error("fchmodat", &[CWD, u64::MAX, 0]), Some(Errno::EFAULT));
    assert_eq!(error("utimensat", &[CWD, name, NOWHERE, 0]), Some(Errno::EFAULT));
    // The kernel looks at flags before memory.
    assert_eq!(error("fchmodat2", &[CWD, NOWHERE, 0, 1]), Some(Errno::EINVAL));
}

#[test]
fn a_path_may_be_as_long_as_the_kernel_takes() -> Result<(), Errno> {
    let mut text = vec![b'x'; 4095];
    text.push(0);
    let longest = decode("fchmodat", &[CWD, address(text.as_slice()), 0])?;
    assert_eq!(path(&longest).1.len(), 4095);
    text[4095] = b'x';
    text.push(0);
    assert_eq!(error("fchmodat", &[CWD, address(text.as_slice()), 0]), Some(Errno::ENAMETOOLONG));
    Ok(())
}

#[test]
fn times_of_utimensat_are_taken_as_given() -> Result<(), Errno> {
    let times: [i64; 4] = [1, 2, 3, libc::UTIME_OMIT];
    let request = decode("utimensat", &[CWD, string(c"x"), address(&times), NOFOLLOW])?;
    assert!(!path(&request).2);
    let Change::Times(Some([accessed, modified])) = request.change else { panic!("{request:?}") };
    assert_eq!((accessed.tv_sec, accessed.tv_nsec), (1, 2));
    assert_eq!((modified.tv_sec, modified.tv_nsec), (3, libc::UTIME_OMIT));
    let now = decode("utimensat", &[CWD, string(c"x"), 0, 0])?;
    assert!(matches!(now.change, Change::Times(None)));
    let neither = [0, libc::UTIME_OMIT, 0, libc::UTIME_OMIT];
    let nothing = decode("utimensat", &[CWD, string(c"x"), address(&neither), 0])?;
    assert!(matches!(nothing.change, Change::Nothing));
    Ok(())
}

#[test]
fn utimensat_without_a_path_is_about_the_descriptor() -> Result<(), Errno> {
    let request = decode("utimensat", &[6, 0, 0, 0])?;
    assert!(matches!(request.subject, Subject::Fd(6)));
    assert_eq!(error("utimensat", &[6, 0, 0, NOFOLLOW]), Some(Errno::EINVAL));
    assert_eq!(error("utimensat", &[CWD, 0, 0, 0]), Some(Errno::EFAULT));
    Ok(())
}

#[cfg(target_arch = "x86_64")]
#[test]
fn older_forms_of_times_are_converted() -> Result<(), Errno> {
    let times = |request: Request| match request.change {
        Change::Times(Some([a, b])) => [(a.tv_sec, a.tv_nsec), (b.tv_sec, b.tv_nsec)],
        other => panic!("{other:?}"),
    };
    let name = string(c"x");
    assert_eq!(times(decode("utime", &[name, address(&[5_i64, 6])])?), [(5, 0), (6, 0)]);
    let micros: [i64; 4] = [1, 2, 3, 999_999];
    assert_eq!(times(decode("utimes", &[name, address(&micros)])?), [(1, 2000), (3, 999_999_000)]);
    assert_eq!(times(decode("futimesat", &[4, name, address(&micros)])?), [(1, 2000), (3, 999_999_000)]);
    for wrong in [[0_i64, -1, 0, 0], [0, 0, 0, 1_000_000]] {
        assert_eq!(error("utimes", &[name, address(&wrong)]), Some(Errno::EINVAL));
    }
    assert!(matches!(decode("utime", &[name, 0])?.change, Change::Times(None)));
    let descriptor = decode("futimesat", &[4, 0, 0])?;
    assert!(matches!(descriptor.subject, Subject::Fd(4)));
    assert_eq!(error("utimes", &[0, 0]), Some(Errno::EFAULT));
    assert!(!path(&decode("lchown", &[name, 1, 1])?).2);
    assert!(path(&decode("chown", &[name, 1, 1])?).2);
    Ok(())
}

#[test]
fn attributes_are_copied() -> Result<(), Errno> {
    let value = b"value";
    let request = decode("fsetxattr", &[3, string(c"user.a"), address(value), 5, 1])?;
    assert!(matches!(request.subject, Subject::Fd(3)));
    let Change::SetAttr { name, value, flags } = request.change else { panic!("{request:?}") };
    assert_eq!((name.to_str(), value.as_slice(), flags), (Ok("user.a"), &b"value"[..], 1));
    let empty = decode("fsetxattr", &[3, string(c"user.a"), 0, 0, 0])?;
    assert!(matches!(empty.change, Change::SetAttr { value, .. } if value.is_empty()));
    let removed = decode("fremovexattr", &[3, string(c"user.a")])?;
    assert!(matches!(removed.change, Change::RemoveAttr(name) if name.as_c_str() == c"user.a"));
    Ok(())
}

#[test]
fn attributes_have_the_kernels_limits() -> Result<(), Errno> {
    let name = string(c"user.a");
    let long = |length: usize| [vec![b'n'; length], vec![0]].concat();
    decode("fremovexattr", &[3, address(long(255).as_slice())])?;
    assert_eq!(error("fremovexattr", &[3, address(long(256).as_slice())]), Some(Errno::ERANGE));
    assert_eq!(error("fremovexattr", &[3, string(c"")]), Some(Errno::ERANGE));
    let value = vec![0_u8; 65536];
    decode("fsetxattr", &[3, name, address(value.as_slice()), 65536, 0])?;
    assert_eq!(error("fsetxattr", &[3, name, address(value.as_slice()), 65537, 0]), Some(Errno::E2BIG));
    assert_eq!(error("fsetxattr", &[3, name, address(value.as_slice()), u64::MAX, 0]), Some(Errno::E2BIG));
    assert_eq!(error("fsetxattr", &[3, name, NOWHERE, 5, 0]), Some(Errno::EFAULT));
    assert_eq!(error("fsetxattr", &[3, name, 0, 0, 4]), Some(Errno::EINVAL));
    assert_eq!(error("fsetxattr", &[3, NOWHERE, 0, 0, 0]), Some(Errno::EFAULT));
    Ok(())
}

/// `struct xattr_args` with room for what a later kernel may append.
#[repr(C)]
struct AttrArgs {
    value: u64,
    size: u32,
    flags: u32,
    more: u64,
}

#[test]
fn arguments_in_structs_are_read() -> Result<(), Errno> {
    let mut args = AttrArgs { value: address(b"abc"), size: 3, flags: 2, more: 0 };
    let set = |args: &AttrArgs, size: u64, flags: u64, path: u64| {
        decode("setxattrat", &[4, path, flags, string(c"user.a"), address(args), size])
    };
    let request = set(&args, 16, NOFOLLOW, string(c"x"))?;
    assert_eq!(path(&request), (4, "x", false));
    let Change::SetAttr { value, flags, .. } = request.change else { panic!("{request:?}") };
    assert_eq!((value.as_slice(), flags), (&b"abc"[..], 2));
    for path in [0, string(c"")] {
        let request = set(&args, 24, EMPTY_PATH, path)?;
        assert!(matches!(request.subject, Subject::Fd(4)));
    }
    assert_eq!(set(&args, 15, 0, string(c"x")).err(), Some(Errno::EINVAL));
    assert_eq!(set(&args, 4097, 0, string(c"x")).err(), Some(Errno::E2BIG));
    args.more = 1;
    assert_eq!(set(&args, 24, 0, string(c"x")).err(), Some(Errno::E2BIG));
    Ok(())
}

#[test]
fn file_attributes_are_passed_on_whole() -> Result<(), Errno> {
    let attributes = [7_u8; 32];
    let set = |size: u64| decode("file_setattr", &[CWD, string(c"x"), address(&attributes), size, 0]);
    let request = set(24)?;
    assert!(matches!(request.change, Change::FileAttr(bytes) if bytes == [7; 24]));
    assert_eq!(set(23).err(), Some(Errno::EINVAL));
    assert_eq!(set(1 << 40).err(), Some(Errno::E2BIG));
    Ok(())
}

/// What a call about a socket asks for, with an address of these bytes.
fn named(call: &str, bytes: &[u8], size: u64) -> Result<Address, Errno> {
    let (calls, data) = request(call, &[5, address(bytes), size]);
    match calls.decode(gettid(), &data)? {
        Operation::Bind { fd: 5, address } | Operation::Connect { fd: 5, address } => address,
        other => panic!("{other:?}"),
    }
}

fn address_of(family: i32, rest: &[u8]) -> Address {
    let bytes = [&(family as u16).to_ne_bytes()[..], rest].concat();
    let size = bytes.len() as u64;
    named("connect", &bytes, size).expect("an address")
}

#[test]
fn addresses_are_copied_as_far_as_the_kernel_would() {
    let bytes = [1_u8; 200];
    for call in ["bind", "connect"] {
        for size in [0, 1, 2, 110, 128] {
            let copied = named(call, &bytes, size).map(|address| address.bytes().len() as u64);
            assert_eq!(copied, Ok(size));
        }
        for size in [129, 1 << 31, u64::from(u32::MAX)] {
            assert_eq!(named(call, &bytes, size), Err(Errno::EINVAL), "{size}");
        }
        let (calls, data) = request(call, &[5, NOWHERE, 16]);
        let decoded = calls.decode(gettid(), &data);
        let is_kept = |address: &Result<Address, Errno>| *address == Err(Errno::EFAULT);
        assert!(matches!(
            decoded,
            Ok(Operation::Bind { address, .. } | Operation::Connect { address, .. }) if is_kept(&address)
        ));
    }
}

#[test]
fn what_a_unix_address_says() {
    let unix = |rest: &[u8]| address_of(libc::AF_UNIX, rest).unix();
    assert_eq!(unix(b""), Unix::Unnamed);
    assert_eq!(unix(b"\0"), Unix::Abstract);
    assert_eq!(unix(b"\0x\0y"), Unix::Abstract);
    assert_eq!(unix(b"/a\0/b"), Unix::Path(c"/a".to_owned()));
    assert_eq!(unix(&[b'x'; 108]), Unix::Path(std::ffi::CString::new([b'x'; 108]).expect("no NUL")));
    assert_eq!(unix(&[b'x'; 109]), Unix::Invalid);
    assert_eq!(address_of(libc::AF_INET, b"/a").unix(), Unix::Invalid);
    assert_eq!(named("connect", &[1], 1).map(|address| address.unix()), Ok(Unix::Invalid));
}

#[test]
fn which_internet_addresses_are_of_loopback() {
    let v4 = |ip: [u8; 4]| [&[0, 80][..], &ip, &[0; 8]].concat();
    let v6 = |ip: &str| {
        let ip: std::net::Ipv6Addr = ip.parse().expect("an address");
        [&[0, 80, 0, 0, 0, 0][..], &ip.octets(), &[0; 4]].concat()
    };
    let is_v4 = |ip| address_of(libc::AF_INET, &v4(ip)).is_loopback();
    for ip in [[127, 0, 0, 1], [127, 255, 255, 254], [127, 1, 2, 3]] {
        assert!(is_v4(ip), "{ip:?}");
    }
    for ip in [
        [0, 0, 0, 0],
        [126, 255, 255, 255],
        [128, 0, 0, 1],
        [10, 0, 0, 1],
        [255, 255, 255, 255],
        [1, 0, 0, 127],
    ] {
        assert!(!is_v4(ip), "{ip:?}");
    }
    let is_v6 = |ip| address_of(libc::AF_INET6, &v6(ip)).is_loopback();
    for ip in ["::1", "::ffff:127.0.0.1", "::ffff:127.9.9.9"] {
        assert!(is_v6(ip), "{ip}");
    }
    for ip in [
        "::",
        "::ffff:0.0.0.0",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "::2",
        "1::1",
        "fe80::1",
        "64:ff9b::127.0.0.1",
    ] {
        assert!(!is_v6(ip), "{ip}");
    }
    // Under another family's name, or cut off.
    assert!(!address_of(libc::AF_UNSPEC, &v4([127, 0, 0, 1])).is_loopback());
    assert!(!address_of(libc::AF_INET, &v4([127, 0, 0, 1])[..13]).is_loopback());
    assert!(!address_of(libc::AF_INET6, &v6("::1")[..21]).is_loopback());
    assert_eq!(address_of(libc::AF_INET, &v4([127, 0, 0, 1])).to_string(), "127.0.0.1:80");
    assert_eq!(address_of(libc::AF_INET6, &v6("::1")).to_string(), "[::1]:80");
}

#[test]
fn calls_that_are_not_brokered_are_unknown_here() {
    assert_eq!(error("read", &[0, 0, 0]), Some(Errno::ENOSYS));
    assert_eq!(error("mount", &[0; 5]), Some(Errno::ENOSYS));
}
