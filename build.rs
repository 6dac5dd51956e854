//! Turns the built-in profiles into JSON, which is read much faster at every
//! start than YAML, and has no places in it, so these come along. The texts stay
//! the source: they are embedded as well.

#[path = "src/policy/lines.rs"]
mod lines;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lines::Lines;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
    println!("cargo::rerun-if-changed=src/policy/lines.rs");
    unwinder()?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut pending = vec![PathBuf::from("profiles")];
    while let Some(dir) = pending.pop() {
        fs::create_dir_all(out.join(&dir))?;
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                convert(&path, &out)?;
            }
        }
    }
    Ok(())
}

fn convert(yaml: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(yaml)?;
    let document: serde_json::Value =
        serde_yaml::from_str(&text).map_err(|error| format!("{}: {error}", yaml.display()))?;
    let Lines { version, extends, sockets, rules } = Lines::of(&text);
    let prepared = serde_json::to_vec(&(version, extends, sockets, rules, document))?;
    fs::write(out.join(yaml).with_extension("json"), prepared)?;
    Ok(())
}

/// Links GCC's unwinder into the program where the C compiler has it as an archive:
/// loading it as a library costs a fifth of a millisecond at every start.
fn unwinder() -> Result<(), Box<dyn Error>> {
    if std::env::var("CARGO_CFG_TARGET_ENV")? != "gnu" || std::env::var("HOST")? != std::env::var("TARGET")? {
        return Ok(());
    }
    // What Rust links with where nothing else is set.
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or("cc".into());
    let Ok(answer) = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output() else {
        return Ok(());
    };
    let archive = PathBuf::from(String::from_utf8(answer.stdout)?.trim());
    if let Some(directory) = archive.parent().filter(|_| archive.is_file()) {
        println!("cargo::rustc-link-search=native={}", directory.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
    Ok(())
}
