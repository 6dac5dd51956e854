//! Which files tell something: by their names, and by the directories they are in.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Reason, Weight, infra, owners, secrets};

/// Directories that hold what others made, what can be made again, or what git keeps.
const SKIPPED: [&[u8]; 29] = [
    b".git",
    b".hg",
    b".svn",
    b".jj",
    b"node_modules",
    b"bower_components",
    b"target",
    b"vendor",
    b".venv",
    b"venv",
    b"__pycache__",
    b"site-packages",
    b".tox",
    b".nox",
    b".mypy_cache",
    b".pytest_cache",
    b".ruff_cache",
    b".eggs",
    b".gradle",
    b".terraform",
    b".cache",
    b".next",
    b".nuxt",
    b".direnv",
    b".yarn",
    b".bundle",
    b"Pods",
    b"DerivedData",
    b".pulumi",
];

/// Directories of what tests and examples need: keys in them open nothing.
const FIXTURES: [&[u8]; 19] = [
    b"test",
    b"tests",
    b"testing",
    b"testdata",
    b"test-data",
    b"test_data",
    b"test-fixtures",
    b"fixture",
    b"fixtures",
    b"__tests__",
    b"__fixtures__",
    b"spec",
    b"specs",
    b"e2e",
    b"mock",
    b"mocks",
    b"example",
    b"examples",
    b"samples",
];

/// Parts of a name that say that there are no values in the file.
const EXAMPLES: [&str; 9] =
    ["example", "examples", "sample", "template", "tmpl", "dist", "default", "defaults", "schema"];

/// Whether a directory is left out.
pub(super) fn is_skipped(name: &[u8]) -> bool {
    SKIPPED.contains(&name)
}

/// What the directories around a file say.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    depth: usize,
    /// The name of the directory itself, empty at the top.
    name: Vec<u8>,
    is_fixture: bool,
    /// The outermost directory that speaks of production.
    production: Option<Rc<Path>>,
    /// Whether one is an Ansible inventory, or has variables of one.
    is_inventory: bool,
}

impl Place {
    /// A directory in it. `path` is its path from the top.
    pub(super) fn enter(&self, name: &[u8], path: &Path) -> Place {
        let is_production = || infra::is_production(&String::from_utf8_lossy(name).to_ascii_lowercase());
        let production = match &self.production {
            None if is_production() => Some(Rc::from(path)),
            known => known.clone(),
        };
        Place {
            depth: self.depth + 1,
            name: name.to_vec(),
            is_fixture: self.is_fixture || FIXTURES.contains(&name),
            production,
            is_inventory: self.is_inventory
                || matches!(name, b"inventory" | b"inventories" | b"group_vars" | b"host_vars"),
        }
    }

    /// Whether it is where forges look for files about the repository.
    fn is_for_forges(&self) -> bool {
        self.depth == 0
            || self.depth == 1 && matches!(&*self.name, b".github" | b".gitlab" | b".gitea" | b"docs")
    }
}

/// What a file may be, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    Environment,
    Key,
    KeyStore,
    Netrc,
    UrlPassword,
    PgPass,
    Npm,
    Json,
    Settings,
    Words,
    TerraformState,
    TerraformVariables,
    PulumiStack,
    ClusterKey,
    HelmValues,
    Kustomization,
    /// YAML in a directory of production, or that may be encrypted.
    Yaml,
    Inventory,
    Owners,
    SecurityPolicy,
}

/// Why a file is worth a look, if it is.
pub(super) fn interest(place: &Place, name: &[u8]) -> Option<Interest> {
    // Almost all files end here, without an allocation.
    let mut buffer = [0; 255];
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let lower = &*String::from_utf8_lossy(lower);
    if place.is_for_forges() {
        match lower {
            "codeowners" => return Some(Interest::Owners),
            "security.md" | "security.rst" | "security.txt" | "security" => {
                return Some(Interest::SecurityPolicy);
            }
            _ => {}
        }
    }
    if place.is_fixture {
        return None;
    }
    let (stem, extension) = lower.rsplit_once('.').unwrap_or((lower, ""));
    by_name(place, lower).or_else(|| by_extension(place, lower, stem, extension)).or_else(|| {
        // Inventories of goods are programs.
        let is_inventory = match extension {
            "" | "ini" => place.is_inventory && (place.production.is_some() || infra::is_production(stem)),
            _ => false,
        };
        let is_hosts = lower.starts_with("hosts") || lower.starts_with("inventory");
        let is_hosts = is_hosts && matches!(extension, "" | "ini" | "prod" | "production");
        (is_inventory || is_hosts && infra::is_production(lower)).then_some(Interest::Inventory)
    })
}

fn by_name(place: &Place, lower: &str) -> Option<Interest> {
    let within = |dirs: &[&[u8]]| dirs.contains(&&*place.name);
    Some(match lower {
        ".netrc" | "_netrc" => Interest::Netrc,
        ".git-credentials" => Interest::UrlPassword,
        ".pgpass" => Interest::PgPass,
        ".npmrc" | ".yarnrc" => Interest::Npm,
        ".pypirc" | ".s3cfg" | ".boto" | ".my.cnf" => Interest::Settings,
        "credentials.json"
        | "client_secret.json"
        | "client_secrets.json"
        | ".dockercfg"
        | ".dockerconfigjson" => Interest::Json,
        "secrets.yaml" | "secrets.yml" | "secrets.toml" | "secrets.json" | ".secrets" | "secrets.ini" => {
            Interest::Settings
        }
        ".vault_pass" | ".vault-pass" | ".vault_password" | ".vault_pass.txt" | "vault_pass.txt"
        | ".vault-password" => Interest::Words,
        "credentials" if within(&[b".aws"]) => Interest::Settings,
        "config.json" if within(&[b".docker"]) => Interest::Json,
        "config" if within(&[b".kube"]) => Interest::ClusterKey,
        "kubeconfig" | "kubeconfig.yaml" | "kubeconfig.yml" => Interest::ClusterKey,
        "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" => Interest::Key,
        "keys.txt" => Interest::Key,
        "terraform.tfvars" => Interest::TerraformVariables,
        "kustomization.yaml" | "kustomization.yml" | "kustomization" if place.production.is_some() => {
            Interest::Kustomization
        }
        _ => return None,
    })
}

fn by_extension(place: &Place, lower: &str, stem: &str, extension: &str) -> Option<Interest> {
    if lower.starts_with(".env") || extension == "env" {
        let is_env = matches!(lower, ".env" | ".envrc")
            || lower.starts_with(".env.")
            || lower.starts_with(".env-")
            || lower.starts_with(".env_")
            || lower.starts_with(".envrc.")
            || extension == "env";
        let is_example = lower.split(['.', '-', '_']).any(|part| EXAMPLES.contains(&part));
        return (is_env && !is_example).then_some(Interest::Environment);
    }
    Some(match extension {
        "pem" | "key" | "ppk" | "p8" | "pk8" | "asc" | "pgp" | "agekey" => Interest::Key,
        "p12" | "pfx" | "jks" | "keystore" | "kdbx" if stem != "debug" => Interest::KeyStore,
        "tfstate" => Interest::TerraformState,
        _ if lower.contains(".tfstate.") => Interest::TerraformState,
        "tfvars" if stem.ends_with(".auto") || infra::is_production(stem) => Interest::TerraformVariables,
        "kubeconfig" => Interest::ClusterKey,
        "json"
            if stem.contains("service-account")
                || stem.contains("service_account")
                || stem.starts_with("client_secret") =>
        {
            Interest::Json
        }
        "yaml" | "yml" => return by_yaml(place, stem),
        "" if lower.starts_with("id_rsa") || lower.starts_with("id_ed25519") => Interest::Key,
        _ => return None,
    })
}

fn by_yaml(place: &Place, stem: &str) -> Option<Interest> {
    let is_production = infra::is_production(stem);
    if stem.starts_with("pulumi.") && is_production {
        return Some(Interest::PulumiStack);
    }
    if is_production && (stem.starts_with("values") || stem.ends_with("values")) {
        return Some(Interest::HelmValues);
    }
    let is_vault = stem.contains("vault") || place.is_inventory;
    (is_vault || is_production || place.production.is_some()).then_some(Interest::Yaml)
}

impl Interest {
    /// Whether the name says it all.
    pub(super) fn needs_content(self) -> bool {
        self != Interest::Inventory
    }

    /// What a content means. `is_cut`: there is more of it.
    pub(super) fn judge(self, place: &Place, path: &Path, content: &[u8], is_cut: bool) -> Option<Reason> {
        let text = &*String::from_utf8_lossy(content);
        let when = |holds: bool, weight, what: &str| holds.then(|| Reason::strict(weight, what, path));
        match self {
            Interest::Environment => {
                when(secrets::has_values(text), Weight::Environment, "an environment file with values")
            }
            Interest::Key => {
                let name = path.file_name().unwrap_or_default();
                let is_key = secrets::is_private_key(content)
                    || name.to_string_lossy().ends_with("key") && secrets::is_master_key(text);
                when(is_key, Weight::Key, "a private key")
            }
            Interest::KeyStore => {
                when(secrets::is_key_store(content), Weight::Key, "a store of private keys")
            }
            Interest::TerraformState => when(
                infra::has_resources(text, is_cut),
                Weight::State,
                "Terraform's state of running resources",
            ),
            Interest::TerraformVariables => {
                when(secrets::has_any(text), Weight::Environment, "Terraform variables with values")
            }
            Interest::PulumiStack => {
                when(!text.trim().is_empty(), Weight::Production, "a Pulumi stack of production")
            }
            Interest::ClusterKey => {
                when(infra::has_cluster_key(text), Weight::Credentials, "a key to a Kubernetes cluster")
            }
            Interest::HelmValues => {
                when(!text.trim().is_empty(), Weight::Production, "Helm values for production")
            }
            Interest::Kustomization => {
                Some(Reason::strict(Weight::Production, MANIFESTS, place.production_or(path)))
            }
            Interest::Yaml => yaml(place, path, text),
            Interest::Inventory => {
                Some(Reason::strict(Weight::Production, INVENTORY, place.production_or(path)))
            }
            Interest::Owners => {
                let team = owners::security_team(text)?;
                Some(Reason::strict(
                    Weight::Owners,
                    format!("the security team {team} among the code owners"),
                    path,
                ))
            }
            Interest::SecurityPolicy => {
                when(owners::has_embargo(text), Weight::Embargo, "a security policy with an embargo")
            }
            credentials => when(credentials.is_filled(text), Weight::Credentials, "credentials"),
        }
    }

    /// Whether a file of credentials has any.
    fn is_filled(self, text: &str) -> bool {
        match self {
            Interest::Netrc => secrets::has_netrc_password(text),
            Interest::UrlPassword => secrets::has_url_password(text),
            Interest::PgPass => secrets::has_pgpass_line(text),
            Interest::Npm => secrets::has_npm_token(text),
            Interest::Json => secrets::has_json_secret(text),
            Interest::Settings => secrets::has_settings(text),
            Interest::Words => !text.trim().is_empty() && !text.starts_with("#!"),
            _ => false,
        }
    }
}

const MANIFESTS: &str = "Kubernetes manifests of production";
const INVENTORY: &str = "an Ansible inventory of production";

impl Place {
    fn production_or(&self, path: &Path) -> PathBuf {
        self.production.as_deref().unwrap_or(path).to_path_buf()
    }
}

fn yaml(place: &Place, path: &Path, text: &str) -> Option<Reason> {
    let is_production = place.production.is_some()
        || path
            .file_name()
            .is_some_and(|name| infra::is_production(&name.to_string_lossy().to_ascii_lowercase()));
    if infra::is_vault(text) {
        return Some(Reason::strict(Weight::Credentials, "secrets encrypted by Ansible", path));
    }
    if place.is_inventory && is_production {
        return Some(Reason::strict(Weight::Production, INVENTORY, place.production_or(path)));
    }
    let is_hosts = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"hosts"));
    if is_hosts && is_production {
        return Some(Reason::strict(Weight::Production, INVENTORY, path));
    }
    (is_production && infra::is_manifest(text))
        .then(|| Reason::strict(Weight::Production, MANIFESTS, place.production_or(path)))
}

/// What the names in one directory say together.
pub(super) fn together(place: &Place, path: &Path, has: impl Fn(&[u8]) -> bool) -> Option<Reason> {
    let is_pulumi = !place.is_fixture && has(b"Pulumi.yaml") && has(b".pulumi");
    is_pulumi.then(|| Reason::strict(Weight::State, "Pulumi's state", path.join(".pulumi")))
}
