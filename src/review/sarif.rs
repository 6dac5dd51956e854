//! A report as SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format): pure.

use serde_json::{Value, json};

use super::report::Report;
use super::verdict::{Finding, Severity};

/// The report as a SARIF log: what the last round found.
#[must_use]
pub fn sarif(report: &Report) -> Value {
    let findings = report.last_findings();
    let results: Vec<Value> = findings.iter().map(|(reviewer, finding)| result(reviewer, finding)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "Stockade review",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": [
                        rule(Severity::Error, "MustChange", "It must change before the work may stay."),
                        rule(Severity::Warning, "ShouldChange", "It should change."),
                        rule(Severity::Note, "WorthKnowing", "It is worth knowing."),
                    ],
                }
            },
            "originalUriBaseIds": {"WORKSPACE": {"uri": format!("file://{}/", uri(&report.workspace))}},
            "invocations": [{
                "executionSuccessful": report.outcome.status() < 11,
                "exitCode": report.outcome.status(),
                "startTimeUtc": report.started,
                "endTimeUtc": report.ended,
            }],
            "results": results,
            "properties": {"outcome": report.outcome.name(), "review": report.id, "tree": report.tree},
        }],
    })
}

fn id(severity: Severity) -> String {
    format!("review/{}", severity.name())
}

fn rule(severity: Severity, name: &str, text: &str) -> Value {
    json!({
        "id": id(severity),
        "name": name,
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": text},
        "defaultConfiguration": {"level": severity.name()},
    })
}

fn result(reviewer: &str, finding: &Finding) -> Value {
    let mut text = finding.message.clone();
    if let Some(suggestion) = &finding.suggestion {
        text.push_str("\n\n");
        text.push_str(suggestion);
    }
    let index = match finding.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Note => 2,
    };
    let mut result = json!({
        "ruleId": id(finding.severity),
        "ruleIndex": index,
        "level": finding.severity.name(),
        "message": {"text": text},
        "properties": {"reviewer": reviewer},
    });
    // Readers such as GitHub's take no result without a file and a line in it.
    let file = match finding.file.as_deref() {
        Some(file) if file.starts_with('/') => json!({"uri": format!("file://{}", uri(file))}),
        file => json!({"uri": uri(file.unwrap_or(".")), "uriBaseId": "WORKSPACE"}),
    };
    let region = json!({"startLine": finding.line.unwrap_or(1)});
    result["locations"] = json!([{"physicalLocation": {"artifactLocation": file, "region": region}}]);
    result
}

/// A path in a URI (RFC 3986, section 3.3).
fn uri(path: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    path.bytes()
        .map(|byte| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("/a b/ü:%.rs"), "/a%20b/%C3%BC%3A%25.rs");
    }
}
