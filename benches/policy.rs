//! What a start and a decision cost, step by step.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use stockade::launch::facts::FileSystem;
use stockade::policy::facts::Remembered;
use stockade::policy::plan::{self, Mode};
use stockade::policy::profile::{Profile, ProfileError};
use stockade::policy::{LayerKind, LayerSource, Places, Policy, Verb, builtin, merge, resolve};
use stockade::seccomp::{self, Config};

fn chain(name: &str) -> Vec<Profile> {
    let parse = |name: &str| builtin::builtin(name).expect("built in").expect("valid");
    let lookup = &mut |name: &str, _: &_| -> Result<Profile, ProfileError> { Ok(parse(name)) };
    merge::linearise(parse(name), lookup).expect("no cycle")
}

fn policy(profiles: Vec<Profile>) -> Policy {
    let layer = LayerSource { kind: LayerKind::User, profiles, extra: Vec::new() };
    let places =
        Places { workspace: workspace(), home: "/root".into(), tmpdir: "/tmp/none".into(), report: None };
    resolve(&[layer], &places, &Remembered::new(&FileSystem)).expect("resolves")
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn start(criterion: &mut Criterion) {
    criterion.bench_function("parse ci and all it extends", |bench| bench.iter(|| chain("ci")));
    let profiles = chain("ci");
    criterion.bench_function("resolve ci", |bench| {
        bench.iter_batched(|| profiles.clone(), policy, BatchSize::SmallInput);
    });
    let resolved = policy(profiles);
    criterion.bench_function("compile the plan of ci", |bench| {
        bench.iter_batched(
            || resolved.clone(),
            |policy| plan::compile(policy, Mode::Brokered, &Remembered::new(&FileSystem)),
            BatchSize::SmallInput,
        );
    });
    let compiled = plan::compile(resolved, Mode::Brokered, &FileSystem);
    criterion.bench_function("compile the filters of ci", |bench| {
        bench.iter(|| seccomp::compile(&Config::of(&compiled, 7)).expect("compiles"));
    });
}

fn decide(criterion: &mut Criterion) {
    let policy = policy(chain("ci"));
    let path = workspace().join("deep/down/in/the/tree/file.rs");
    criterion.bench_function("decide about a path", |bench| {
        bench.iter(|| policy.decide(black_box(&path), Verb::Modify));
    });
}

criterion_group!(benches, start, decide);
criterion_main!(benches);
