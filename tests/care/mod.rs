//! `stockade care`: repositories as they are found, and what they deserve.

mod hostile;
mod run;
mod shapes;

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use crate::support::Jail;

/// What `stockade care` says of a workspace.
struct Said {
    json: Value,
    text: String,
}

#[track_caller]
fn care(jail: &Jail, workspace: &Path) -> Said {
    let args = |json: bool| {
        let mut args: Vec<OsString> = vec!["care".into(), "--workspace".into(), workspace.into()];
        args.extend(json.then(|| "--json".into()));
        args
    };
    let json = jail.stockade(&args(true)).expect(0);
    let json = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let said = Said { json, text: jail.stockade(&args(false)).expect(0) };
    let first = said.text.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("{}: because ", said.level())), "{first}");
    let not_all = said.text.lines().any(|line| line.starts_with("Not everything was looked at"));
    assert_eq!(not_all, !said.is_complete(), "{}", said.text);
    said
}

impl Said {
    fn level(&self) -> &str {
        self.json["level"].as_str().expect("a level")
    }

    fn is_complete(&self) -> bool {
        self.json["complete"].as_bool().expect("whether it is complete")
    }

    /// What the first reason is, and where.
    fn main(&self) -> (&str, &str) {
        let reason = &self.json["reasons"][0];
        (reason["what"].as_str().unwrap_or_default(), reason["path"].as_str().unwrap_or_default())
    }

    /// Whether there is a reason with these words.
    fn has(&self, words: &str) -> bool {
        let reasons = self.json["reasons"].as_array().expect("reasons");
        reasons.iter().any(|reason| reason["what"].as_str().is_some_and(|what| what.contains(words)))
    }
}
