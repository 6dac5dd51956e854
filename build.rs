//! Turns the built-in profiles into JSON, which is read much faster at every
//! start than YAML. The texts stay the source: they are embedded as well.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
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
    let value: serde_json::Value = serde_yaml::from_str(&fs::read_to_string(yaml)?)
        .map_err(|error| format!("{}: {error}", yaml.display()))?;
    fs::write(out.join(yaml).with_extension("json"), serde_json::to_vec(&value)?)?;
    Ok(())
}
