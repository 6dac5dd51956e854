//! Pinning, asked by the test's own thread in place of a jailed one.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{gettid, mkfifo};
use tempfile::TempDir;

use super::{AT_FDCWD_RAW, Name, Pinned, Target, UNSEEN, pin};
use crate::sys::Errno;

/// A directory of its own, its real path, and a descriptor of it.
struct Place {
    path: PathBuf,
    dir: File,
    _keep: TempDir,
}

impl Place {
    /// With a file `f`, a directory `d` with a file `g`, and links to them.
    fn new() -> io::Result<Place> {
        let keep = tempfile::tempdir()?;
        let path = keep.path().canonicalize()?;
        fs::write(path.join("f"), "f")?;
        fs::create_dir(path.join("d"))?;
        fs::write(path.join("d/g"), "g")?;
        for (link, target) in [("to_f", "f"), ("to_d", "d"), ("dangling", "nothing"), ("loop", "loop")] {
            symlink(target, path.join(link))?;
        }
        Ok(Place { dir: File::open(&path)?, path, _keep: keep })
    }

    fn pin(&self, path: &str, follow: bool) -> Result<Pinned, Errno> {
        by_path(self.dir.as_raw_fd(), path, follow)
    }

    /// Checks where a path leads to, beneath the place.
    fn leads(&self, path: &str, follow: bool, expected: &str) {
        assert_eq!(name(self.pin(path, follow)), Ok(self.named(expected)), "{path}");
    }

    fn named(&self, path: &str) -> Name {
        Name::Path(if path.is_empty() { self.path.clone() } else { self.path.join(path) })
    }

    fn absolute(&self, path: &str) -> String {
        format!("{}/{path}", self.path.display())
    }
}

fn by_path(dir: RawFd, path: &str, follow: bool) -> Result<Pinned, Errno> {
    let path = CString::new(path).expect("no NUL");
    pin(gettid(), Target::Path { dir, path: &path, follow })
}

fn name(pinned: Result<Pinned, Errno>) -> Result<Name, Errno> {
    pinned.map(|pinned| pinned.name().clone())
}

fn of_fd(fd: &impl AsRawFd) -> Result<Name, Errno> {
    name(pin(gettid(), Target::Fd(fd.as_raw_fd())))
}

#[test]
fn relative_paths_start_at_the_descriptor() -> io::Result<()> {
    let place = Place::new()?;
    place.leads("f", true, "f");
    place.leads("d/g", true, "d/g");
    place.leads("d/../f", true, "f");
    place.leads("./d//./g", true, "d/g");
    place.leads("d/", true, "d");
    place.leads(".", true, "");
    place.leads("d/..", false, "");
    Ok(())
}

#[test]
fn absolute_paths_need_no_descriptor() -> io::Result<()> {
    let place = Place::new()?;
    for dir in [-1, 9999, AT_FDCWD_RAW] {
        assert_eq!(name(by_path(dir, &place.absolute("f"), true)), Ok(place.named("f")));
    }
    assert_eq!(by_path(-1, "f", true).err(), Some(Errno::EBADF));
    assert_eq!(by_path(9999, "f", true).err(), Some(Errno::EBADF));
    Ok(())
}

#[test]
fn the_working_directory_is_the_callers() -> io::Result<()> {
    let here = Name::Path(std::env::current_dir()?.canonicalize()?);
    assert_eq!(name(by_path(AT_FDCWD_RAW, ".", true)).as_ref(), Ok(&here));
    assert_eq!(name(pin(gettid(), Target::AnyFd(AT_FDCWD_RAW))).as_ref(), Ok(&here));
    for path in
        ["/proc/self/cwd", "/proc/thread-self/cwd", "/proc/self/cwd/.", "/proc/self/root/proc/self/cwd"]
    {
        assert_eq!(name(by_path(-1, path, true)).as_ref(), Ok(&here), "{path}");
    }
    Ok(())
}

#[test]
fn the_last_link_is_followed_where_asked_and_those_before_always() -> io::Result<()> {
    let place = Place::new()?;
    place.leads("to_f", true, "f");
    place.leads("to_f", false, "to_f");
    place.leads("to_d", false, "to_d");
    place.leads("to_d/g", false, "d/g");
    // A slash behind it asks for what it points to.
    place.leads("to_d/", false, "d");
    place.leads("to_d/.", false, "d");
    place.leads("dangling", false, "dangling");
    place.leads("loop", false, "loop");
    Ok(())
}

#[test]
fn errors_are_those_of_the_kernel() -> io::Result<()> {
    let place = Place::new()?;
    let long = "n".repeat(256);
    let deep = "d/../".repeat(1000);
    symlink("/proc/self/fd/99999", place.path.join("closed"))?;
    for (path, errno) in [
        ("", Errno::ENOENT),
        ("nothing", Errno::ENOENT),
        ("nothing/f", Errno::ENOENT),
        ("dangling", Errno::ENOENT),
        ("dangling/f", Errno::ENOENT),
        ("closed", Errno::ENOENT),
        ("loop", Errno::ELOOP),
        ("loop/f", Errno::ELOOP),
        ("f/", Errno::ENOTDIR),
        ("to_f/", Errno::ENOTDIR),
        ("f/g", Errno::ENOTDIR),
        ("f/..", Errno::ENOTDIR),
        (&long, Errno::ENAMETOOLONG),
        (&deep, Errno::ENAMETOOLONG),
    ] {
        assert_eq!(place.pin(path, true).err(), Some(errno), "{path}");
    }
    let file = File::open(place.path.join("f"))?;
    assert_eq!(by_path(file.as_raw_fd(), "g", true).err(), Some(Errno::ENOTDIR));
    Ok(())
}

#[test]
fn forty_links_are_followed_and_no_more() -> io::Result<()> {
    let place = Place::new()?;
    symlink("f", place.path.join("1"))?;
    (2..=41).try_for_each(|number| symlink((number - 1).to_string(), place.path.join(number.to_string())))?;
    place.leads("40", true, "f");
    assert_eq!(place.pin("41", true).err(), Some(Errno::ELOOP));
    Ok(())
}

/// The slow walk through procfs has the same answers.
#[test]
fn paths_through_descriptors_have_the_same_answers() -> io::Result<()> {
    let place = Place::new()?;
    let fd = place.dir.as_raw_fd();
    let long = "n".repeat(256);
    for start in
        [format!("/proc/self/fd/{fd}"), format!("/dev/fd/{fd}"), format!("/proc/thread-self/fd/{fd}")]
    {
        let pin = |path: &str, follow| by_path(-1, &format!("{start}/{path}"), follow);
        for (path, follow, expected) in [
            ("", true, ""),
            (".", true, ""),
            ("f", true, "f"),
            ("d/g", false, "d/g"),
            ("d/../f", true, "f"),
            ("to_f", true, "f"),
            ("to_f", false, "to_f"),
            ("to_d/g", false, "d/g"),
            ("to_d/", false, "d"),
            ("dangling", false, "dangling"),
        ] {
            assert_eq!(name(pin(path, follow)), Ok(place.named(expected)), "{start}/{path}");
        }
        for (path, errno) in [
            ("nothing", Errno::ENOENT),
            ("dangling", Errno::ENOENT),
            ("loop", Errno::ELOOP),
            ("f/", Errno::ENOTDIR),
            ("f/g", Errno::ENOTDIR),
            ("f/..", Errno::ENOTDIR),
            (&long, Errno::ENAMETOOLONG),
        ] {
            assert_eq!(pin(path, true).err(), Some(errno), "{start}/{path}");
        }
    }
    Ok(())
}

#[test]
fn a_path_can_be_a_descriptor() -> io::Result<()> {
    let place = Place::new()?;
    let file = File::open(place.path.join("f"))?;
    let number = file.as_raw_fd();
    for path in [format!("/proc/self/fd/{number}"), format!("/dev/fd/{number}")] {
        let pinned = by_path(-1, &path, true)?;
        assert_eq!(pinned.name(), &place.named("f"), "{path}");
        assert_eq!(fstat(pinned.as_fd())?.st_ino, fstat(&file)?.st_ino);
        // Not followed it is the link in procfs.
        let link = by_path(-1, &path, false)?;
        let own = format!("/proc/{}/fd/{number}", std::process::id());
        assert_eq!(link.name(), &Name::Path(own.into()), "{path}");
    }
    assert_eq!(by_path(-1, "/proc/self/fd/99999", true).err(), Some(Errno::ENOENT));
    Ok(())
}

#[test]
fn links_into_other_processes_are_not_followed() -> io::Result<()> {
    let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
    let links = ["cwd", "root", "exe", "fd/0", "cwd/.", "task/PID/cwd"];
    let found = links.map(|link| {
        let link = link.replace("PID", &child.id().to_string());
        by_path(-1, &format!("/proc/{}/{link}", child.id()), true).err()
    });
    child.kill()?;
    child.wait()?;
    assert_eq!(found, [Some(UNSEEN); 6]);
    Ok(())
}

#[test]
fn a_descriptor_must_be_open_for_more_than_its_path() -> io::Result<()> {
    let place = Place::new()?;
    let path_only =
        fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(place.path.join("f"))?;
    assert_eq!(of_fd(&path_only), Err(Errno::EBADF));
    assert_eq!(name(pin(gettid(), Target::AnyFd(path_only.as_raw_fd()))), Ok(place.named("f")));
    assert_eq!(of_fd(&place.dir), Ok(place.named("")));
    for closed in [-1, AT_FDCWD_RAW, 99999] {
        assert_eq!(name(pin(gettid(), Target::Fd(closed))), Err(Errno::EBADF), "{closed}");
    }
    assert_eq!(name(pin(gettid(), Target::AnyFd(-1))), Err(Errno::EBADF));
    Ok(())
}

#[test]
fn what_never_had_a_name_is_nameless() -> io::Result<()> {
    let place = Place::new()?;
    let memory = memfd_create(c"/etc/passwd", MFdFlags::MFD_CLOEXEC)?;
    assert_eq!(of_fd(&memory), Ok(Name::Nameless));
    let (reader, writer) = io::pipe()?;
    assert_eq!((of_fd(&reader), of_fd(&writer)), (Ok(Name::Nameless), Ok(Name::Nameless)));
    let (socket, _other) = UnixStream::pair()?;
    assert_eq!(of_fd(&socket), Ok(Name::Nameless));
    // O_TMPFILE.
    let temporary = tempfile::tempfile_in(&place.path)?;
    assert_eq!(of_fd(&temporary), Ok(Name::Nameless));
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    assert_eq!(name(by_path(-1, &path, true)), Ok(Name::Nameless));
    Ok(())
}

#[test]
fn what_has_no_name_left_is_nameless() -> io::Result<()> {
    let place = Place::new()?;
    let file = File::open(place.path.join("f"))?;
    fs::write(place.path.join("f (deleted)"), "another")?;
    fs::remove_file(place.path.join("f"))?;
    assert_eq!(of_fd(&file), Ok(Name::Nameless));
    fs::write(place.path.join("f"), "a new one")?;
    assert_eq!(of_fd(&file), Ok(Name::Nameless));
    fs::create_dir(place.path.join("e"))?;
    let dir = File::open(place.path.join("e"))?;
    fs::remove_dir(place.path.join("e"))?;
    assert_eq!(of_fd(&dir), Ok(Name::Nameless));
    Ok(())
}

#[test]
fn a_file_with_another_name_left_keeps_its_last_one() -> io::Result<()> {
    let place = Place::new()?;
    let file = File::open(place.path.join("f"))?;
    fs::hard_link(place.path.join("f"), place.path.join("d/other"))?;
    fs::remove_file(place.path.join("f"))?;
    assert_eq!(of_fd(&file), Ok(place.named("f")));
    Ok(())
}

#[test]
fn a_name_may_end_as_if_it_was_removed() -> io::Result<()> {
    let place = Place::new()?;
    fs::write(place.path.join("x (deleted)"), "x")?;
    fs::write(place.path.join("x"), "another")?;
    place.leads("x (deleted)", true, "x (deleted)");
    let file = File::open(place.path.join("x (deleted)"))?;
    assert_eq!(of_fd(&file), Ok(place.named("x (deleted)")));
    fs::remove_file(place.path.join("x (deleted)"))?;
    assert_eq!(of_fd(&file), Ok(Name::Nameless));
    Ok(())
}

#[test]
fn the_name_is_that_of_the_moment_and_the_file_stays() -> io::Result<()> {
    let place = Place::new()?;
    let pinned = place.pin("f", true)?;
    fs::rename(place.path.join("f"), place.path.join("moved"))?;
    fs::write(place.path.join("f"), "another")?;
    assert_eq!(pinned.name(), &place.named("f"));
    assert_eq!(fstat(pinned.as_fd())?.st_ino, fstat(File::open(place.path.join("moved"))?)?.st_ino);
    Ok(())
}

#[test]
fn a_fifo_holds_nobody_up() -> io::Result<()> {
    let place = Place::new()?;
    mkfifo(&place.path.join("fifo"), Mode::S_IRWXU)?;
    place.leads("fifo", true, "fifo");
    Ok(())
}

#[test]
fn names_may_be_any_bytes() -> io::Result<()> {
    let place = Place::new()?;
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\n\x01");
    fs::write(place.path.join(bytes), "")?;
    let path = CString::new(bytes.as_bytes())?;
    let target = Target::Path { dir: place.dir.as_raw_fd(), path: &path, follow: true };
    assert_eq!(name(pin(gettid(), target)), Ok(Name::Path(place.path.join(Path::new(bytes)))));
    Ok(())
}
