//! What is secret: keys, credentials, and values that give access to other systems.

/// What the names of values that are secret have in them.
const SECRET_NAMES: [&str; 15] = [
    "secret",
    "token",
    "passw",
    "passphrase",
    "pwd",
    "apikey",
    "api_key",
    "api-key",
    "_key",
    "private",
    "credential",
    "auth",
    "dsn",
    "salt",
    "webhook",
];

/// What stands where a value is to be filled in, or is everybody's default.
const PLACEHOLDERS: [&str; 33] = [
    "",
    "changeme",
    "change_me",
    "change-me",
    "change me",
    "changethis",
    "change_this",
    "placeholder",
    "todo",
    "tbd",
    "fixme",
    "none",
    "null",
    "nil",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "secret",
    "password",
    "pass",
    "test",
    "testing",
    "example",
    "dummy",
    "fake",
    "foo",
    "bar",
    "root",
    "admin",
    "postgres",
];

/// How what is to be filled in, or lies elsewhere, begins.
const PLACEHOLDER_STARTS: [&str; 25] = [
    "<",
    "$",
    "{{",
    "[",
    "%",
    "your_",
    "your-",
    "your ",
    "yours",
    "my_",
    "my-",
    "example",
    "replace",
    "insert",
    "change",
    "enter",
    "put_",
    "put-",
    "fill",
    "dummy",
    "enc[",
    "encrypted:",
    "op://",
    "vault:",
    "arn:",
];

/// How well-known tokens begin.
const TOKEN_STARTS: [&str; 14] = [
    "sk-",
    "sk_live",
    "rk_live",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "akia",
    "asia",
    "xox",
    "ya29.",
    "npm_",
    "pypi-",
];

/// Whether a file of `NAME=VALUE` lines holds a value that gives access to something:
/// one whose name says so, or that looks like no plain setting. Values that are empty,
/// or stand for one, do not count.
pub(super) fn has_values(text: &str) -> bool {
    text.lines().filter_map(|line| assignment(line, &['='])).any(|(name, value)| is_secret(name, value))
}

/// The same for YAML, TOML, JSON and the like.
pub(super) fn has_settings(text: &str) -> bool {
    // Encrypted by sops.
    if text.contains("ENC[AES256_GCM") {
        return false;
    }
    let lines = text.lines().filter_map(|line| assignment(line, &[':', '=']));
    lines.into_iter().any(|(name, value)| is_secret(name, value))
}

/// Whether anything is assigned at all.
pub(super) fn has_any(text: &str) -> bool {
    text.lines().filter_map(|line| assignment(line, &['='])).any(|(_, value)| !is_placeholder(value))
}

fn assignment<'a>(line: &'a str, signs: &[char]) -> Option<(&'a str, &'a str)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once(signs)?;
    let name = name.trim().trim_matches(['"', '\'']);
    // A sentence is no name.
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    Some((name, bare(value)))
}

/// A value without quotes and what follows them.
fn bare(value: &str) -> &str {
    let value = value.trim().trim_end_matches(',').trim_end();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split_once(quote).map_or(rest, |(value, _)| value).trim();
        }
    }
    value.split_once(" #").map_or(value, |(value, _)| value).trim()
}

fn is_secret(name: &str, value: &str) -> bool {
    if is_placeholder(value) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    let says_so = name == "key" || SECRET_NAMES.iter().any(|word| name.replace("author", "").contains(word));
    // Where a secret lies, or is asked for, is none.
    let is_place = value.starts_with(['/', '.', '~'])
        || value.contains("://") && !["dsn", "webhook"].iter().any(|word| name.contains(word));
    if says_so && !is_place { !is_number(value) } else { !is_plain(value) }
}

fn is_placeholder(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let filler = |char: char| matches!(char, 'x' | '*' | '.' | '-' | '_' | '0' | '?' | '#');
    PLACEHOLDERS.contains(&value.as_str())
        || PLACEHOLDER_STARTS.iter().any(|start| value.starts_with(start))
        || value.chars().all(filler)
}

fn is_number(value: &str) -> bool {
    value.len() < 8 && value.chars().all(|char| char.is_ascii_digit())
}

/// Whether a value is a setting as people read it: a word, a number, an address.
fn is_plain(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    if TOKEN_STARTS.iter().any(|start| lower.starts_with(start)) {
        return false;
    }
    if let Some((_, rest)) = value.split_once("://") {
        return !has_password(rest);
    }
    // What people write has few digits for its letters, or is short.
    let longest =
        value.split(|char: char| !char.is_ascii_alphanumeric() && char != '+').max_by_key(|word| word.len());
    longest.is_none_or(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        word.len() < 16 || digits * 8 < word.len() || digits == word.len()
    })
}

/// Whether `USER:PASSWORD@HOST` has a password that is none of everybody's.
fn has_password(rest: &str) -> bool {
    let host_end = rest.find('/').unwrap_or(rest.len());
    let Some((user, host)) = rest[..host_end].rsplit_once('@') else { return false };
    let is_local = ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| host.starts_with(local));
    user.split_once(':').is_some_and(|(_, password)| !is_local && !is_placeholder(password))
}

/// Whether a file holds a private key. Public keys and certificates have other heads.
pub(super) fn is_private_key(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    let is_head = |line: &str| {
        let armour = line.trim().strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        armour.is_some_and(|what| what.ends_with("PRIVATE KEY") || what == "PGP PRIVATE KEY BLOCK")
    };
    text.starts_with("PuTTY-User-Key-File-")
        || text.lines().any(|line| is_head(line) || line.starts_with("AGE-SECRET-KEY-1"))
}

/// Whether a file is a store of keys: PKCS #12, a Java key store, or KeePass's.
pub(super) fn is_key_store(content: &[u8]) -> bool {
    let starts = |magic: &[u8]| content.starts_with(magic);
    // PKCS #12 is a sequence that begins with version 3.
    let is_pkcs12 = starts(b"\x30")
        && content.get(..16).is_some_and(|head| head.windows(3).any(|w| w == b"\x02\x01\x03"));
    is_pkcs12 || starts(b"\xfe\xed\xfe\xed") || starts(b"\xce\xce\xce\xce") || starts(b"\x03\xd9\xa2\x9a")
}

/// Rails's master key: 32 digits and nothing else.
pub(super) fn is_master_key(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 32 && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `.netrc`: `password WORD`.
pub(super) fn has_netrc_password(text: &str) -> bool {
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word == "password" && words.next().is_some_and(|value| !is_placeholder(value)) {
            return true;
        }
    }
    false
}

/// `.git-credentials`: URLs with passwords.
pub(super) fn has_url_password(text: &str) -> bool {
    text.lines().filter_map(|line| line.trim().split_once("://")).any(|(_, rest)| has_password(rest))
}

/// `.pgpass`: `HOST:PORT:DATABASE:USER:PASSWORD`.
pub(super) fn has_pgpass_line(text: &str) -> bool {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.splitn(5, ':').nth(4)).any(|password| !is_placeholder(password.trim()))
}

/// `.npmrc`: a token that is written out.
pub(super) fn has_npm_token(text: &str) -> bool {
    let lines = text.lines().filter_map(|line| assignment(line, &['=']));
    let is_token = |name: &str| {
        ["_authtoken", "_auth", "_password"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
    };
    lines.into_iter().any(|(name, value)| is_token(name) && !is_placeholder(value))
}

/// A JSON file of a service account or an application: one of its secret fields is filled in.
pub(super) fn has_json_secret(text: &str) -> bool {
    let fields =
        ["private_key", "client_secret", "refresh_token", "access_token", "aws_secret_access_key", "auth"];
    fields.iter().any(|field| {
        let quoted = format!("\"{field}\"");
        text.match_indices(&quoted).any(|(at, _)| {
            let value = text[at + quoted.len()..].trim_start().strip_prefix(':').map(str::trim_start);
            let value = value.and_then(|rest| rest.strip_prefix('"')).and_then(|rest| rest.split('"').next());
            value.is_some_and(|value| !is_placeholder(value))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_and_what_stands_for_them_does_not() {
        for text in [
            "API_KEY=abc123def",
            "export TOKEN='s3cr3t'",
            "DB_PASSWORD=\"hunter2\" # the real one",
            "# comment\nDATABASE_URL=postgres://app:pw8@db.example.org/app\n",
            "STRIPE=sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "ANYTHING=4eC39HqLyjWDarjtT1zdp7dc",
            "SENTRY_DSN=https://abc@sentry.example.org/1",
            "  SECRET = x7y8  ",
        ] {
            assert!(has_values(text), "{text}");
        }
        for text in [
            "",
            "# API_KEY=abc123def",
            "API_KEY=",
            "API_KEY=''",
            "API_KEY=changeme",
            "API_KEY=xxxxxxxx",
            "API_KEY=<your key>",
            "API_KEY=${OTHER}",
            "API_KEY=your-key-here",
            "TOKEN=op://vault/item",
            "PORT=3000\nNODE_ENV=development\nDEBUG=true",
            "REGION=eu-central-1\nURL=https://example.org/a/b?c=1",
            "DATABASE_URL=postgres://postgres:postgres@localhost:5432/app",
            "PATH_TO=/usr/local/share/something/long",
            "TOKEN_LIFETIME=3600",
            "AUTHOR=me",
            "PRIVATE_KEY_FILE=/run/secrets/key",
            "AUTH_URL=https://example.org/oauth",
            "a sentence with = in it",
        ] {
            assert!(!has_values(text), "{text}");
        }
    }

    #[test]
    fn settings_of_other_formats_count_too() {
        assert!(has_settings("db:\n  password: hunter2\n"));
        assert!(has_settings("{\n  \"api_key\": \"abc123def\",\n}"));
        assert!(!has_settings("db:\n  password: ${DB_PASSWORD}\n"));
        assert!(!has_settings("password: ENC[AES256_GCM,data:x]\n"));
        assert!(!has_settings("# password: hunter2\nname: app\n"));
        assert!(has_any("region = \"eu-central-1\"") && !has_any("region = \"\"\n# a = b"));
    }

    #[test]
    fn private_keys_are_known_by_their_heads() {
        for head in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "EC PRIVATE KEY",
        ] {
            assert!(is_private_key(format!("-----BEGIN {head}-----\nabc\n").as_bytes()), "{head}");
        }
        assert!(is_private_key(b"a\n-----BEGIN PGP PRIVATE KEY BLOCK-----\n"));
        assert!(is_private_key(b"PuTTY-User-Key-File-3: ssh-ed25519"));
        assert!(is_private_key(b"# created\nAGE-SECRET-KEY-1ABC\n"));
        for text in [
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "ssh-ed25519 AAAA",
            "",
            "say BEGIN PRIVATE KEY",
        ] {
            assert!(!is_private_key(text.as_bytes()), "{text}");
        }
        assert!(is_key_store(b"\x30\x82\x0a\x10\x02\x01\x03\x30\x82\x00\x00\x00\x00\x00\x00\x00\x00"));
        assert!(is_key_store(b"\xfe\xed\xfe\xed\x00"));
        assert!(!is_key_store(b"\x30\x82\x0a\x10\x30\x82"));
        assert!(is_master_key("0123456789abcdef0123456789abcdef\n") && !is_master_key("0123"));
    }

    #[test]
    fn credentials_are_what_is_filled_in() {
        assert!(
            has_netrc_password("machine x\nlogin y\npassword z9") && !has_netrc_password("machine x login y")
        );
        assert!(
            has_url_password("https://me:tok3n@example.org\n") && !has_url_password("https://example.org\n")
        );
        assert!(has_pgpass_line("db:5432:*:me:pw1") && !has_pgpass_line("# db:5432:*:me:pw1"));
        assert!(has_npm_token("//registry.example.org/:_authToken=npm_abc"));
        assert!(!has_npm_token("//registry.example.org/:_authToken=${NPM_TOKEN}\nfund=false"));
        assert!(has_json_secret("{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nx\"}"));
        assert!(!has_json_secret("{\"private_key\": \"<key>\", \"client_id\": \"x\"}"));
        assert!(!has_json_secret("{\"private_key\": null}"));
    }
}
