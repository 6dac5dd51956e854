//! Turns the built-in profiles into JSON, which is read much faster at every
//! start than YAML, and has no places in it, so these come along. The texts stay
//! the source: they are embedded as well.

#[path = "src/policy/lines.rs"]
mod lines;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use lines::Lines;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
    println!("cargo::rerun-if-changed=src/policy/lines.rs");
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
