//! What single system calls cost: runs outside the jail and inside it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::median;
use crate::Outcome;

/// The operations, as the table names them.
pub(super) const OPERATIONS: [&str; 10] = [
    "getppid",
    "stat",
    "open to read, close",
    "open to write, close",
    "chmod",
    "create, close",
    "rename",
    "unlink",
    "mkdir",
    "rmdir",
];

/// How long an operation runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(5);

/// How often an operation is measured; the median of these counts.
const BATCHES: usize = 21;

/// How many calls one measurement takes the mean of.
const CALLS: u32 = 100;

/// Measures every operation beneath a directory and prints a JSON object:
/// nanoseconds for each, or the error that it met.
pub(crate) fn run(directory: &Path) -> Outcome {
    println!("{}", measure(directory)?);
    Ok(())
}

/// Measures every operation on a file two levels deep in a directory.
fn measure(directory: &Path) -> Result<Value, String> {
    let inner = directory.join("one/two");
    let file = inner.join("file");
    fs::create_dir_all(&inner)
        .and_then(|()| fs::write(&file, "content"))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let single = [
        cost(|| {
            black_box(parent_id());
            Ok(())
        }),
        cost(|| fs::metadata(&file).map(drop)),
        cost(|| File::open(&file).map(drop)),
        cost(|| OpenOptions::new().write(true).open(&file).map(drop)),
        cost(|| fs::set_permissions(&file, Permissions::from_mode(0o640))),
    ];
    let results = single.into_iter().chain(names(directory));
    let named = OPERATIONS.into_iter().zip(results).map(|(name, result)| {
        let value = result.map_or_else(|error| Value::from(error.to_string()), Value::from);
        (name.to_owned(), value)
    });
    Ok(Value::Object(named.collect::<Map<_, _>>()))
}

/// What is done with a name of a file and another one.
type Step = fn(&Path, &Path) -> io::Result<()>;

/// Nanoseconds for making, renaming and removing names, each batch in a directory of
/// its own: what one step makes the next ones take away. (An ext4 without a journal
/// looks past every inode that was freed in its group within the last minute, which
/// would count as making a file.)
fn names(directory: &Path) -> [io::Result<f64>; 5] {
    const STEPS: [Step; 5] = [
        |name, _| File::create_new(name).map(drop),
        |name, other| fs::rename(name, other),
        |_, other| fs::remove_file(other),
        |name, _| fs::create_dir(name),
        |name, _| fs::remove_dir(name),
    ];
    let mut times = STEPS.map(|_| Vec::with_capacity(BATCHES));
    for batch in 0..BATCHES {
        let directory = directory.join(format!("{}.{batch}", std::process::id()));
        // Where it cannot be made the steps say why.
        let _ = fs::create_dir(&directory);
        let name = |kind: &str, number| directory.join(format!("{kind}{number}"));
        let paths: Vec<_> = (0..CALLS).map(|number| (name("a", number), name("b", number))).collect();
        for (step, times) in STEPS.iter().zip(&mut times) {
            let start = Instant::now();
            let done = paths.iter().try_for_each(|(name, other)| step(name, other));
            let each = start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS);
            times.push(done.map(|()| each));
        }
    }
    times.map(|times| times.into_iter().collect::<io::Result<Vec<_>>>().map(median))
}

/// Nanoseconds that an operation takes.
fn cost(mut operation: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let mut batch = || {
        let start = Instant::now();
        for _ in 0..CALLS {
            operation()?;
        }
        Ok::<f64, io::Error>(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS))
    };
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        batch()?;
    }
    let times = (0..BATCHES).map(|_| batch()).collect::<Result<Vec<_>, _>>()?;
    Ok(median(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_gets_a_number() {
        let directory = tempfile::tempdir().unwrap();
        let results = measure(directory.path()).unwrap();
        for operation in OPERATIONS {
            assert!(results[operation].as_f64().is_some_and(|cost| cost > 0.0), "{results}");
        }
    }

    #[test]
    fn a_refused_operation_gives_its_error() {
        assert!(cost(|| Err(io::ErrorKind::PermissionDenied.into())).is_err());
    }
}
