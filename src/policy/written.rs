//! Values as people write them in a profile.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::{Access, Effect, UnixSockets};

/// A named access, or all five effects.
pub(super) struct AccessDocument(pub(super) Access);

/// A time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// So many.
    pub seconds: u64,
}

/// A number with an optional unit: KiB, MiB, GiB, TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// `unix_sockets`, as written: a word, or paths that may be connected to
/// beside the jail's own sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketsSpec {
    /// The word; `own` where paths are given.
    pub word: UnixSockets,
    /// Patterns of paths, as in rules; none where a word was given.
    pub allow: Option<Vec<String>>,
}

/// A list, or one value for a list of one.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string or a list of strings")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.into()])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = list.next_element()? {
                all.push(text);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Visitor)
}

impl<'de> Deserialize<'de> for AccessDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AccessDocument, D::Error> {
        struct Visitor;
        const NAMES: &[&str] = &["scratch", "tracked", "read", "hidden"];
        const VERBS: &[&str] = &["read", "execute", "create", "modify", "remove"];
        const EFFECTS: &[&str] = &["allow", "keep", "ask", "deny"];
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AccessDocument;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("scratch, tracked, read, hidden, or an effect for each of the five verbs")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<AccessDocument, E> {
                Access::by_name(name).map(AccessDocument).ok_or_else(|| E::unknown_variant(name, NAMES))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<AccessDocument, A::Error> {
                use serde::de::Error;
                let mut effects = BTreeMap::new();
                while let Some((verb, effect)) = map.next_entry::<String, String>()? {
                    let known = VERBS.iter().find(|known| **known == verb);
                    let verb = *known.ok_or_else(|| A::Error::unknown_field(&verb, VERBS))?;
                    let effect = Effect::by_name(&effect)
                        .ok_or_else(|| A::Error::unknown_variant(&effect, EFFECTS))?;
                    if effects.insert(verb, effect).is_some() {
                        return Err(A::Error::duplicate_field(verb));
                    }
                }
                let get = |verb: &'static str| {
                    effects.get(verb).copied().ok_or_else(|| A::Error::missing_field(verb))
                };
                let (read, execute) = (get("read")?, get("execute")?);
                let access = Access::new(read, execute, get("create")?, get("modify")?, get("remove")?);
                Ok(AccessDocument(access))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for SocketsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SocketsSpec, D::Error> {
        struct Visitor;
        const WORDS: &[&str] = &["own", "open"];
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Paths {
            #[serde(deserialize_with = "one_or_more")]
            allow: Vec<String>,
        }
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SocketsSpec;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("own, open, or {allow: [paths]}")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<SocketsSpec, E> {
                let word = match word {
                    "own" => UnixSockets::Own,
                    "open" => UnixSockets::Open,
                    other => return Err(E::unknown_variant(other, WORDS)),
                };
                Ok(SocketsSpec { word, allow: None })
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<SocketsSpec, A::Error> {
                let Paths { allow } = Paths::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(SocketsSpec { word: UnixSockets::Own, allow: Some(allow) })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        number_or_text(deserializer, SIZES, Size, size)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let seconds = |seconds| Span { seconds };
        number_or_text(deserializer, "seconds, or a time such as 90s, 5m or 1h", seconds, span)
    }
}

/// What is written as a number or as a text, as `expected` describes it.
fn number_or_text<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    of_number: fn(u64) -> T,
    of_text: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Visitor<T>(&'static str, fn(u64) -> T, fn(&str) -> Option<T>);
    impl<T> serde::de::Visitor<'_> for Visitor<T> {
        type Value = T;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
            Ok((self.1)(number))
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            (self.2)(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(Visitor(expected, of_number, of_text))
}

fn span(text: &str) -> Option<Span> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => return None,
    };
    Some(Span { seconds: number.parse::<u64>().ok()?.checked_mul(factor)? })
}

/// What a size looks like.
const SIZES: &str = "a number, or a size such as 512MiB or 4GiB";

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        size(text).ok_or_else(|| format!("it must be {SIZES}"))
    }
}

fn size(text: &str) -> Option<Size> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift).map(Size)
}

/// `review`, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewSpec {
    /// Whether work has to be reviewed.
    pub required: Option<bool>,
    /// Who reviews it.
    #[serde(default, deserialize_with = "one_or_more")]
    pub reviewer: Vec<String>,
}
