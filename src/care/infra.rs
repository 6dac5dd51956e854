//! What running systems hang on: state, and what describes production.

/// Words of a name that say production.
const PRODUCTION: [&str; 3] = ["prod", "production", "prd"];

/// Whether a name speaks of production: `prod`, `eu-prod`, `production.yml`, not `products`.
pub(super) fn is_production(name: &str) -> bool {
    let is_digit = |char: char| char.is_ascii_digit();
    name.split(['-', '_', '.']).any(|word| PRODUCTION.contains(&word.trim_end_matches(is_digit)))
}

/// Whether Terraform's state has resources in it. A state of which only the beginning
/// was read has them further down.
pub(super) fn has_resources(text: &str, is_cut: bool) -> bool {
    let filled = |text: &str, key: &str, open: char, close: char| {
        text.match_indices(key).any(|(at, _)| {
            let value = text[at + key.len()..].trim_start().strip_prefix(':').map(str::trim_start);
            let inside = value.and_then(|rest| rest.strip_prefix(open)).map(str::trim_start);
            inside.is_some_and(|inside| !inside.is_empty() && !inside.starts_with(close))
        })
    };
    is_cut || filled(text, "\"resources\"", '[', ']') || filled(text, "\"resources\"", '{', '}')
}

/// Whether a file is an object of Kubernetes, or several.
pub(super) fn is_manifest(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("apiVersion:") && has("kind:")
}

/// Whether settings of `kubectl` have what opens a cluster.
pub(super) fn has_cluster_key(text: &str) -> bool {
    let opens = |line: &str| {
        let line = line.trim().trim_start_matches("- ");
        let value = ["token:", "client-key-data:", "password:"].iter().find_map(|key| line.strip_prefix(key));
        value.is_some_and(|value| {
            let value = value.trim().trim_matches(['"', '\'']);
            !value.is_empty() && !value.starts_with(['<', '$', '{']) && value != "REDACTED"
        })
    };
    text.lines().any(|line| line.starts_with("users:")) && text.lines().any(opens)
}

/// Whether a file was encrypted by `ansible-vault`.
pub(super) fn is_vault(text: &str) -> bool {
    text.starts_with("$ANSIBLE_VAULT;") || text.lines().any(|line| line.trim_end().ends_with("!vault |"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_a_word() {
        for name in
            ["prod", "production", "eu-prod", "prod_eu", "hosts.prod", "prod1", "values-prod.yaml", "prd"]
        {
            assert!(is_production(name), "{name}");
        }
        for name in ["product", "products", "producer", "reproduction", "staging", "pro", ""] {
            assert!(!is_production(name), "{name}");
        }
    }

    #[test]
    fn state_without_resources_is_none() {
        assert!(has_resources("{\"version\": 4, \"resources\": [ {\"mode\": \"managed\"} ]}", false));
        assert!(has_resources("{\"modules\": [{\"resources\": {\"aws_x\": {}}}]}", false));
        assert!(!has_resources("{\"version\": 4, \"resources\": []}", false));
        assert!(!has_resources("{\"version\": 4, \"backend\": {}}", false));
        assert!(has_resources("{\"version\": 4, \"outputs\": {", true));
    }

    #[test]
    fn clusters_and_vaults_are_known() {
        assert!(is_manifest("apiVersion: v1\nkind: Service\n") && !is_manifest("kind: x\n"));
        assert!(has_cluster_key("users:\n- name: a\n  user:\n    token: abc\n"));
        assert!(!has_cluster_key("users:\n- name: a\n  user:\n    token: ''\n"));
        assert!(!has_cluster_key("users:\n- name: a\n  user:\n    exec:\n      command: x\n"));
        assert!(is_vault("$ANSIBLE_VAULT;1.1;AES256\n6638") && is_vault("a: !vault |\n  x"));
        assert!(!is_vault("a: b\n"));
    }
}
