//! Packages from npm, installed once for all tests of a user.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::fixture::nursery;
use super::process;

/// How long npm may take.
const SLOW: Duration = Duration::from_secs(300);

/// Installs packages into a prefix as `npm -g` has one, and does what else there is to do;
/// does nothing where that was done before.
pub fn install(name: &str, packages: &[&str], then: impl FnOnce(&Path)) -> Result<PathBuf, String> {
    let dir = nursery().join(format!("{name}-{}", nix::unistd::geteuid()));
    let (prefix, stamp) = (dir.join("prefix"), dir.join("installed"));
    let wanted = packages.join("\n");
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let lock = fs::File::create(dir.join("lock")).map_err(|error| error.to_string())?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno.to_string())?;
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(prefix);
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--global", "--no-audit", "--no-fund", "--no-update-notifier", "--prefix"]);
    npm.arg(&prefix).args(packages).env("HOME", &dir).env("npm_config_cache", dir.join("cache"));
    // npm brings certificates of its own, but a machine may need others
    const MACHINES: &str = "/etc/ssl/certs/ca-certificates.crt";
    if std::env::var_os("NODE_EXTRA_CA_CERTS").is_none() && Path::new(MACHINES).exists() {
        npm.env("NODE_EXTRA_CA_CERTS", MACHINES);
    }
    npm.arg("--fetch-retries=1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut npm = npm.spawn().map_err(|error| format!("npm cannot be run: {error}"))?;
    let out = process::finish(&mut npm, SLOW);
    if out.code() != 0 {
        return Err(format!("npm cannot install {name}: {}", out.err()));
    }
    then(&prefix);
    let _ = fs::remove_dir_all(dir.join("cache"));
    fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(prefix)
}
