//! What a jail costs its command: the start, and a call that the broker
//! performs, both beside the same without a jail.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};

/// Set in the processes that measure instead of running benchmarks: how many
/// calls to make.
const PROBE: &str = "STOCKADE_BENCH_CALLS";

fn stockade(arguments: &[&str], workspace: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.args(["run", "--profile", "ci", "--workspace"]).arg(workspace).args(arguments);
    command
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("starts");
    assert!(status.success(), "{status}");
}

fn start(criterion: &mut Criterion) {
    let workspace = tempfile::tempdir().expect("a directory");
    let mut group = criterion.benchmark_group("start of true");
    group.bench_function("bare", |bench| bench.iter(|| run(&mut Command::new("true"))));
    for (name, mode) in [("static", &["--static", "--", "true"][..]), ("brokered", &["--", "true"][..])] {
        group.bench_function(name, |bench| bench.iter(|| run(&mut stockade(mode, workspace.path()))));
    }
    group.finish();
}

fn chmod(criterion: &mut Criterion) {
    let workspace = tempfile::tempdir().expect("a directory");
    let this = env::current_exe().expect("this program");
    let probe = |mut command: Command, calls: u64| -> Duration {
        command.env(PROBE, calls.to_string()).current_dir(workspace.path());
        let output = command.output().expect("starts");
        let nanos = String::from_utf8_lossy(&output.stdout).trim().parse();
        Duration::from_nanos(nanos.unwrap_or_else(|_| panic!("{output:?}")))
    };
    let mut group = criterion.benchmark_group("chmod in scratch");
    group.bench_function("bare", |bench| {
        bench.iter_custom(|calls| probe(Command::new(&this), calls));
    });
    group.bench_function("brokered", |bench| {
        bench.iter_custom(|calls| {
            let allow = format!("read={}", this.display());
            let mut jailed = stockade(&["--allow", &allow, "--"], workspace.path());
            jailed.arg(&this);
            probe(jailed, calls)
        });
    });
    group.finish();
}

/// Prints how many nanoseconds so many calls took.
fn measure(calls: u64) {
    fs::write("file", "").expect("the workspace is scratch");
    let start = Instant::now();
    for call in 0..calls {
        let mode = if call % 2 == 0 { 0o600 } else { 0o644 };
        fs::set_permissions("file", Permissions::from_mode(mode)).expect("chmod");
    }
    println!("{}", start.elapsed().as_nanos());
}

criterion_group!(benches, start, chmod);

fn main() {
    match env::var(PROBE).ok().and_then(|calls| calls.parse().ok()) {
        Some(calls) => measure(calls),
        None => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
