//! `cargo xtask gen-syscalls`: system-call numbers out of the kernel headers.
//!
//! The C preprocessor reads the headers and lists the macros it ends with;
//! the numbers are what the `__NR_` names come to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;

/// An architecture whose table is written.
struct Architecture {
    /// The name in Rust's `target_arch`, and of the file.
    name: &'static str,
    /// What the preprocessor reads.
    source: &'static str,
    /// Calls that only this architecture has and only newer headers name.
    supplement: &'static [(&'static str, u32)],
}

/// The architectures. The generic header serves arm64 as the kernel's own
/// `arch/arm64/include/uapi/asm/unistd.h` uses it.
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "x86_64",
        source: "#ifndef __x86_64__\n#error this task needs the headers of an x86_64 machine\n#endif\n\
                 #include <asm/unistd_64.h>\n",
        supplement: &[("uretprobe", 335), ("uprobe", 336)],
    },
    Architecture {
        name: "aarch64",
        source: "#define __BITS_PER_LONG 64\n\
                 #define __ARCH_WANT_RENAMEAT\n\
                 #define __ARCH_WANT_NEW_STAT\n\
                 #define __ARCH_WANT_SET_GET_RLIMIT\n\
                 #define __ARCH_WANT_TIME32_SYSCALLS\n\
                 #define __ARCH_WANT_SYS_CLONE3\n\
                 #define __ARCH_WANT_MEMFD_SECRET\n\
                 #include <asm-generic/unistd.h>\n",
        supplement: &[],
    },
];

/// Calls that came with Linux 6.5 and later. Their numbers are the same on
/// both architectures, and the headers of a machine may not name them yet.
const NEWER: &[(&str, u32)] = &[
    ("cachestat", 451),
    ("fchmodat2", 452),
    ("map_shadow_stack", 453),
    ("futex_wake", 454),
    ("futex_wait", 455),
    ("futex_requeue", 456),
    ("statmount", 457),
    ("listmount", 458),
    ("lsm_get_self_attr", 459),
    ("lsm_set_self_attr", 460),
    ("lsm_list_modules", 461),
    ("mseal", 462),
    ("setxattrat", 463),
    ("getxattrat", 464),
    ("listxattrat", 465),
    ("removexattrat", 466),
    ("open_tree_attr", 467),
    ("file_getattr", 468),
    ("file_setattr", 469),
    ("listns", 470),
    ("rseq_slice_yield", 471),
];

/// Names with `__NR_` in front that are no system calls.
const NOT_CALLS: [&str; 2] = ["syscalls", "arch_specific_syscall"];

/// Writes the tables, or compares them with what is there.
pub fn run(root: &Path, check: bool) -> Outcome {
    for architecture in &ARCHITECTURES {
        let mut numbers = read_numbers(&preprocess(architecture.source)?)?;
        merge(&mut numbers, NEWER)?;
        merge(&mut numbers, architecture.supplement)?;
        let text = render(architecture.name, &numbers)?;
        let file = format!("src/seccomp/numbers/{}.rs", architecture.name);
        let path = root.join(&file);
        if !check {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
            }
            fs::write(&path, text).map_err(|error| format!("{file}: {error}"))?;
        } else if fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))? != text {
            return Err(format!("{file} differs from the kernel headers: run `cargo xtask gen-syscalls`"));
        }
    }
    Ok(())
}

/// The macros that are defined at the end of a C source.
fn preprocess(source: &str) -> Result<String, String> {
    let mut compiler = Command::new("cc")
        .args(["-E", "-dM", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cc: {error}"))?;
    let written = match compiler.stdin.take() {
        Some(mut stdin) => stdin.write_all(source.as_bytes()),
        None => Ok(()),
    };
    let output = compiler.wait_with_output().map_err(|error| format!("cc: {error}"))?;
    if !output.status.success() {
        return Err("cc could not read the kernel headers (Debian: linux-libc-dev)".to_owned());
    }
    written.map_err(|error| format!("cc: {error}"))?;
    String::from_utf8(output.stdout).map_err(|error| format!("cc: {error}"))
}

/// Name and number of each system call among the macros.
fn read_numbers(macros: &str) -> Result<BTreeMap<String, u32>, String> {
    let definitions: BTreeMap<&str, &str> = macros
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
        .filter(|(name, _)| name.starts_with("__NR"))
        .collect();
    let mut numbers = BTreeMap::new();
    for name in definitions.keys() {
        let Some(call) = name.strip_prefix("__NR_") else {
            continue;
        };
        if NOT_CALLS.contains(&call) {
            continue;
        }
        numbers.insert(call.to_owned(), value(name, &definitions)?);
    }
    if numbers.len() < 100 {
        return Err(format!("the headers name only {} system calls", numbers.len()));
    }
    Ok(numbers)
}

/// What a macro comes to, through other macros where it names one.
fn value(name: &str, definitions: &BTreeMap<&str, &str>) -> Result<u32, String> {
    let mut text = name;
    for _ in 0..8 {
        if let Ok(number) = text.parse() {
            return Ok(number);
        }
        text = match definitions.get(text) {
            Some(definition) => definition.trim(),
            None => return Err(format!("{name} comes to {text:?}, which is no number")),
        };
    }
    Err(format!("{name} goes round in circles"))
}

/// Adds calls that the headers lack; those they have must have the same number.
fn merge(numbers: &mut BTreeMap<String, u32>, supplement: &[(&str, u32)]) -> Outcome {
    for &(name, number) in supplement {
        if let Some((other, _)) =
            numbers.iter().find(|&(other, &taken)| taken == number && other.as_str() != name)
        {
            return Err(format!("system call {number} is {other} in the headers, not {name}"));
        }
        let there = *numbers.entry(name.to_owned()).or_insert(number);
        if there != number {
            return Err(format!("system call {name} is {there} in the headers, not {number}"));
        }
    }
    Ok(())
}

/// The table as Rust.
fn render(architecture: &str, numbers: &BTreeMap<String, u32>) -> Result<String, String> {
    let mut by_number: Vec<(u32, &str)> =
        numbers.iter().map(|(name, number)| (*number, name.as_str())).collect();
    by_number.sort_unstable();
    if let Some(pair) = by_number.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("{architecture}: {} and {} have the same number", pair[0].1, pair[1].1));
    }
    let mut text = format!(
        "//! System-call numbers of {architecture}, generated by `cargo xtask gen-syscalls` from the kernel \
         headers; do not edit.\n\n\
         /// Name and number of every system call, sorted by name.\n\
         pub const NUMBERS: &[(&str, u32)] = &[\n"
    );
    for (name, number) in numbers {
        writeln!(text, "    (\"{name}\", {number}),").map_err(|error| error.to_string())?;
    }
    text.push_str("];\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: &[(&str, u32)]) -> BTreeMap<String, u32> {
        rows.iter().map(|&(name, number)| (name.to_owned(), number)).collect()
    }

    #[test]
    fn macros_that_name_macros_are_followed() {
        let definitions = BTreeMap::from([
            ("__NR_fcntl", "__NR3264_fcntl"),
            ("__NR3264_fcntl", "25"),
            ("__NR_x", "__NR_x"),
        ]);
        assert_eq!(value("__NR_fcntl", &definitions), Ok(25));
        assert!(value("__NR_x", &definitions).unwrap_err().contains("circles"));
    }

    #[test]
    fn merging_adds_what_is_missing() {
        let mut numbers = map(&[("read", 0)]);
        merge(&mut numbers, &[("read", 0), ("mseal", 462)]).unwrap();
        assert_eq!(numbers, map(&[("mseal", 462), ("read", 0)]));
    }

    #[test]
    fn merging_refuses_a_contradiction() {
        assert!(merge(&mut map(&[("read", 0)]), &[("read", 1)]).unwrap_err().contains("read is 0"));
        assert!(merge(&mut map(&[("read", 0)]), &[("mseal", 0)]).unwrap_err().contains("0 is read"));
    }

    #[test]
    fn rows_are_sorted_by_name_and_unique() {
        let text = render("test", &map(&[("b", 1), ("a", 2)])).unwrap();
        assert!(text.ends_with("    (\"a\", 2),\n    (\"b\", 1),\n];\n"));
        assert!(render("test", &map(&[("a", 1), ("b", 1)])).is_err());
    }
}
