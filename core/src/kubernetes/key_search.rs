//! Parses a search for keys: words and conditions, all of which must hold.
//!
//! ```text
//! web shop           words, in any order; case counts only for words with a capital letter
//! ^/registry/pods/   the beginning of the key
//! "two words"        a text with blanks, or one that looks like a condition
//! kind:deploy        a Kubernetes type, by any name that kubectl accepts
//! ns:shop            a namespace
//! is:deleted         or is:live
//! lease:7f3a         or lease:any, lease:none
//! size>1MiB  rev>=1000  create<50  version!=1  key~text  key!~text  value~text
//! !events            a `!` before a word, `^` or condition negates it
//! ```

use std::fmt;

use crate::key_syntax::{key_bytes, printable};
use crate::kubernetes::registry_keys::{Object, object_below};
use crate::kubernetes::resources::{Resource, Resources};
use crate::store::Key;
use crate::store::filter::{ConditionError, Filter, KeyNumber, Operator};
use crate::store::key_word::KeyWord;

/// A search: terms that must all hold for a key.
#[derive(Debug, Clone, Default)]
pub struct KeySearch {
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    /// Whether the test must hold; false for a term with `!`.
    wanted: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Word(KeyWord),
    Start(KeyWord),
    Kind(KindName),
    Namespace(Vec<u8>),
    Condition(Filter),
}

/// A Kubernetes type as a user calls it.
#[derive(Debug, Clone)]
struct KindName {
    /// The built-in types with that name.
    builtin: Vec<Resource>,
    /// The possible plural names of a custom resource; without definitions, a snapshot shows them only in keys.
    plurals: Vec<Vec<u8>>,
}

/// A part of a search that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchError {
    /// The wrong part.
    pub text: String,
    /// What is wrong with it, and what is allowed.
    pub why: String,
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.text), self.why)
    }
}

impl std::error::Error for SearchError {}

/// Operators between a name and a value; the longer ones come first.
const SIGNS: [&str; 9] = ["!=", "<=", ">=", "!~", "=", "<", ">", "~", ":"];

/// Names that an operator may follow.
const NAMES: [&str; 12] =
    ["kind", "ns", "namespace", "is", "lease", "size", "rev", "mod", "create", "version", "key", "value"];

/// Units that may be separated from their number by a blank.
const UNITS: [&str; 12] = ["b", "k", "kb", "ki", "kib", "m", "mb", "mi", "mib", "g", "gb", "gib"];

impl KeySearch {
    /// Parses a search.
    ///
    /// # Errors
    /// When a part is neither a word nor a condition: the part, and the reason.
    pub fn parse(line: &str) -> Result<Self, SearchError> {
        let mut terms = Vec::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let (term, behind) = term(rest)?;
            terms.push(term);
            rest = behind.trim_start();
        }
        Ok(Self { terms })
    }

    /// Parses the value of a flag: a single condition, whose value may contain blanks, or else a whole search.
    ///
    /// # Errors
    /// As [`KeySearch::parse`].
    pub fn parse_option(text: &str) -> Result<Self, SearchError> {
        match Filter::parse(text) {
            Ok(condition) => Ok(Self { terms: vec![Term { wanted: true, test: Test::Condition(condition) }] }),
            Err(_) => Self::parse(text),
        }
    }

    /// Combines two searches; the terms of both must hold.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self
    }

    /// Whether the search has no terms, so that it finds every key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the search has conditions on values.
    #[must_use]
    pub fn is_about_values(&self) -> bool {
        self.conditions().any(|(_, condition)| condition.is_about_the_value())
    }

    /// Returns the words that found keys contain, so that they can be highlighted, and whether each is at the beginning of the key.
    pub fn words(&self) -> impl Iterator<Item = (&KeyWord, bool)> {
        self.terms.iter().filter(|term| term.wanted).filter_map(|term| match &term.test {
            Test::Word(word) => Some((word, false)),
            Test::Start(word) => Some((word, true)),
            _ => None,
        })
    }

    /// Whether all terms except those about values hold for a key. `prefixes` are those of API servers. For a deleted key, its size, version, create revision and lease are unknown, so conditions on
    /// them never hold.
    #[must_use]
    pub fn holds(&self, key: &Key<'_>, prefixes: &[Vec<u8>]) -> bool {
        self.terms.iter().all(|term| term.test.holds(key, prefixes).is_none_or(|holds| holds == term.wanted))
    }

    /// Whether all terms about values hold for a value.
    #[must_use]
    pub fn holds_of_value(&self, value: &[u8]) -> bool {
        self.conditions()
            .filter(|(_, condition)| condition.is_about_the_value())
            .all(|(wanted, condition)| condition.holds_of_value(value) == wanted)
    }

    fn conditions(&self) -> impl Iterator<Item = (bool, &Filter)> {
        self.terms.iter().filter_map(|term| match &term.test {
            Test::Condition(condition) => Some((term.wanted, condition)),
            _ => None,
        })
    }
}

impl Test {
    /// Whether the test holds for a key; `None` if that depends on the key's value.
    fn holds(&self, key: &Key<'_>, prefixes: &[Vec<u8>]) -> Option<bool> {
        Some(match self {
            Self::Word(word) => word.is_in(key.key),
            Self::Start(word) => word.begins(key.key),
            Self::Kind(kind) => object_below(key.key, prefixes).is_some_and(|object| kind.is_of(&object)),
            Self::Namespace(name) => {
                object_below(key.key, prefixes).is_some_and(|object| object.namespace == name.as_slice())
            }
            Self::Condition(condition) if condition.is_about_the_value() => return None,
            Self::Condition(Filter::Number(field, ..)) if key.deleted && *field != KeyNumber::Mod => false,
            Self::Condition(condition) => condition.holds(key),
        })
    }
}

impl KindName {
    fn new(name: &str) -> Self {
        let lower = name.to_lowercase();
        let builtin = Resources::builtin().called(name).into_iter().cloned().collect();
        let mut plurals = vec![lower.clone(), format!("{lower}s"), format!("{lower}es")];
        plurals.extend(lower.strip_suffix('y').map(|stem| format!("{stem}ies")));
        Self { builtin, plurals: plurals.into_iter().map(String::into_bytes).collect() }
    }

    fn is_of(&self, object: &Object<'_>) -> bool {
        // `resource`, or `resource.group`.
        let is_plural = |plural: &Vec<u8>| {
            plural.strip_prefix(object.resource).is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix(b".").is_some_and(|group| group == object.group)
            })
        };
        if (self.builtin.is_empty() || !object.group.is_empty()) && self.plurals.iter().any(is_plural) {
            return true;
        }
        self.builtin.iter().any(|resource| resource.stores(object))
    }
}

/// Parses the first term of a text; returns it and the rest.
fn term(text: &str) -> Result<(Term, &str), SearchError> {
    let (wanted, text) = match text.strip_prefix('!') {
        Some(rest) if rest.starts_with(|sign: char| !sign.is_whitespace()) => (false, rest),
        _ => (true, text),
    };
    if let Some((test, rest)) = condition(text)? {
        return Ok((Term { wanted, test }, rest));
    }
    let (start, from) = text.strip_prefix('^').map_or((false, text), |from| (true, from));
    let (word, rest) = value(from)?;
    if word.is_empty() {
        return Err(error(text, "the text after the operator is missing"));
    }
    let word = KeyWord::new(&word);
    Ok((Term { wanted, test: if start { Test::Start(word) } else { Test::Word(word) } }, rest))
}

/// Parses the condition at the beginning of a text; returns it and the rest, or `None` if the text begins with a word.
fn condition(text: &str) -> Result<Option<(Test, &str)>, SearchError> {
    let (name, behind) = split_where(text, |sign| !sign.is_ascii_alphabetic());
    let is_known = NAMES.contains(&name);
    // Blanks are allowed around the operator after a known name.
    let signs = if is_known { behind.trim_start() } else { behind };
    let Some(sign) = SIGNS.iter().find(|sign| signs.starts_with(**sign)).filter(|_| !name.is_empty()) else {
        return Ok(None);
    };
    if !is_known {
        // Many names contain a colon, such as `system:node`.
        let (whole, _) = split_where(text, char::is_whitespace);
        let why = "before the operator, write one of kind, ns, is, lease, size, rev, create, version, key, value; put a text that contains the operator in quotes";
        return if *sign == ":" { Ok(None) } else { Err(error(whole, why)) };
    }
    let from = signs.get(sign.len()..).unwrap_or_default();
    let blanks = if signs.len() == behind.len() { 0 } else { from.len().saturating_sub(from.trim_start().len()) };
    let from = from.get(blanks..).unwrap_or_default();
    let (mut typed, mut rest) = raw_value(from);
    if name == "size" && typed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let (unit, behind) = split_where(rest.trim_start(), char::is_whitespace);
        if UNITS.contains(&unit.to_ascii_lowercase().as_str()) {
            typed = from.get(..from.len().saturating_sub(behind.len())).unwrap_or_default();
            rest = behind;
        }
    }
    let whole = text.get(..text.len().saturating_sub(rest.len())).unwrap_or_default();
    test(name, sign, typed).map(|test| Some((test, rest))).map_err(|why| error(whole, &why))
}

/// Creates the test for a name, an operator and a value.
fn test(name: &str, sign: &str, typed: &str) -> Result<Test, String> {
    let text = || match key_bytes(typed) {
        None => Err(ConditionError::Quotes(typed.to_owned()).to_string()),
        Some(bytes) if bytes.is_empty() => Err(format!("{name} has no value")),
        Some(bytes) => Ok(bytes),
    };
    match (name, sign) {
        ("kind", ":" | "=") => Ok(Test::Kind(KindName::new(&String::from_utf8_lossy(&text()?)))),
        ("ns" | "namespace", ":" | "=") => Ok(Test::Namespace(text()?)),
        ("kind" | "ns" | "namespace", _) => {
            Err(format!("{name} needs a colon: {name}:NAME; to negate it, write !{name}:NAME"))
        }
        ("is", ":" | "=") => match typed {
            "deleted" => Ok(Test::Condition(Filter::Deleted(true))),
            "live" => Ok(Test::Condition(Filter::Deleted(false))),
            _ => Err("write is:deleted or is:live".into()),
        },
        ("is", _) => Err("is needs a colon: is:deleted or is:live".into()),
        ("lease", ":" | "=") if matches!(typed, "any" | "none") => {
            let operator = if typed == "any" { Operator::Unequal } else { Operator::Equal };
            Ok(Test::Condition(Filter::Number(KeyNumber::Lease, operator, 0)))
        }
        _ => {
            let sign = match (name, sign) {
                ("key" | "value", ":") => "~",
                (_, ":") => "=",
                (_, sign) => sign,
            };
            Filter::parse(&format!("{name}{sign}{typed}")).map(Test::Condition).map_err(|why| why.to_string())
        }
    }
}

/// Parses a value without its quotes; returns it and the rest. A closing quote may be missing, because the user may still be typing.
fn value(text: &str) -> Result<(Vec<u8>, &str), SearchError> {
    let (typed, rest) = raw_value(text);
    let half = typed.strip_prefix('"').filter(|inner| !inner.is_empty() && !inner.ends_with('"'));
    let bytes = half.map_or_else(|| key_bytes(typed), |inner| Some(inner.as_bytes().to_vec()));
    let why = "a text in quotes needs a closing quote; its escapes are \\n \\r \\t \\\\ \\' \\\" and \\xNN";
    Ok((bytes.ok_or_else(|| error(typed, why))?, rest))
}

/// Splits a text at the first blank outside of quotes.
fn raw_value(text: &str) -> (&str, &str) {
    let Some(quoted) = text.strip_prefix('"') else { return split_where(text, char::is_whitespace) };
    let mut is_escaped = false;
    let end = quoted.char_indices().find_map(|(at, sign)| {
        let ends = sign == '"' && !is_escaped;
        is_escaped = sign == '\\' && !is_escaped;
        ends.then_some(at)
    });
    end.and_then(|end| text.split_at_checked(end.saturating_add(2))).unwrap_or((text, ""))
}

/// Splits a text before the first character for which `is_end` is true.
fn split_where(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(is_end).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn error(text: &str, why: &str) -> SearchError {
    SearchError { text: text.trim_end().to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::kubernetes::registry_keys::prefixes;
    use crate::pass::reading::Accumulator;
    use crate::progress::IgnoreProgress;
    use crate::store::{Index, KeyRange, OpenedStore, Store};

    fn sample() -> Result<Index, Error> {
        let bytes = &include_bytes!("../../../samples/sample.db")[..];
        let OpenedStore::Store(store) = Store::open(bytes)? else { panic!("a database") };
        let mut index = Index::new(store.query(KeyRange::all(), store.current()));
        for work in store.work() {
            index.read(&store, work, &IgnoreProgress)?;
        }
        Ok(index)
    }

    /// Each search finds exactly the keys that it describes: at least one and not all. Deleted keys are included.
    #[test]
    fn searches_find_the_keys_that_they_describe() {
        type Expected = fn(&str, &Key<'_>) -> bool;
        let index = sample().unwrap();
        let prefixes = prefixes(index.names());
        let lines: [(&str, Expected); 22] = [
            ("web", |name, _| name.contains("web")),
            ("web shop", |name, _| name.contains("web") && name.contains("shop")),
            ("  shop   web ", |name, _| name.contains("web") && name.contains("shop")),
            ("WEB", |name, _| name.contains("WEB")),
            ("^/registry/pods/", |name, _| name.starts_with("/registry/pods/")),
            ("^\"/registry/pods/\" web", |name, _| name.starts_with("/registry/pods/") && name.contains("web")),
            ("!web", |name, _| !name.contains("web")),
            ("!^/registry/events", |name, _| !name.starts_with("/registry/events")),
            ("kind:deploy", |name, _| name.starts_with("/registry/deployments/")),
            ("kind:Deployment", |name, _| name.starts_with("/registry/deployments/")),
            ("kind:no", |name, _| name.starts_with("/registry/minions/")),
            ("kind:svc ns:shop", |name, _| name.starts_with("/registry/services/specs/shop/")),
            ("ns:shop", |name, _| name.starts_with("/registry/") && name.contains("/shop/")),
            ("!ns:shop", |name, _| !name.contains("/shop/")),
            ("is:deleted", |_, key| key.deleted),
            ("is:live web", |name, key| !key.deleted && name.contains("web")),
            ("lease:any", |_, key| !key.deleted && key.lease != 0),
            ("!lease:any", |_, key| key.deleted || key.lease == 0),
            ("size>=330 rev<=200", |_, key| !key.deleted && key.value_len >= 330 && key.revision.main.get() <= 200),
            ("size > 0.3 kB", |_, key| !key.deleted && key.value_len > 300),
            ("key~web version>1", |name, key| name.contains("web") && !key.deleted && key.version > 1),
            ("rev>300", |_, key| key.revision.main.get() > 300),
        ];
        for (line, expected) in lines {
            let search = KeySearch::parse(line).unwrap();
            let mut found = 0;
            for key in index.iter() {
                let name = String::from_utf8_lossy(key.key);
                let holds = search.holds(&key, &prefixes);
                assert_eq!(holds, expected(&name, &key), "{line}: {name}");
                found += usize::from(holds);
            }
            assert!(line == "WEB" || (1..index.len()).contains(&found), "{line} finds {found}");
        }
        assert!(KeySearch::parse("  ").unwrap().is_empty());
    }

    #[test]
    fn errors_quote_the_wrong_part() {
        for (line, part, why) in [
            ("web size>abc", "size>abc", "a whole number of bytes"),
            ("size > ", "size >", "a whole number of bytes"),
            ("rev>yesterday web", "rev>yesterday", "a whole number"),
            ("lease:xyz", "lease:xyz", "hexadecimal"),
            ("kind:", "kind:", "kind has no value"),
            ("ns>a", "ns>a", "ns needs a colon"),
            ("is:gone", "is:gone", "is:deleted or is:live"),
            ("web colour=red", "colour=red", "before the operator, write one of kind"),
            ("^", "^", "text after the operator is missing"),
            ("\"\\q\"", "\"\\q\"", "its escapes are"),
            ("value~", "value~", "text after the operator is missing"),
        ] {
            let error = KeySearch::parse(line).unwrap_err();
            assert!(error.text == part && error.why.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn a_text_that_only_looks_like_a_condition_is_a_word() {
        for (line, word) in [
            ("system:node", "system:node"),
            ("/a:b", "/a:b"),
            ("size", "size"),
            ("\"size>5\"", "size>5"),
            ("\"two words\"", "two words"),
            ("\"half a", "half a"),
        ] {
            let search = KeySearch::parse(line).unwrap();
            let words: Vec<_> = search.words().map(|(word, _)| word.bytes().to_vec()).collect();
            assert_eq!(words, [word.as_bytes()], "{line}");
        }
    }

    #[test]
    fn values_are_asked_for_apart() {
        let search = KeySearch::parse("web value~\"a b\" !value~c").unwrap();
        assert!(search.is_about_values() && !KeySearch::parse("web").unwrap().is_about_values());
        assert!(search.holds_of_value(b"xa bx") && !search.holds_of_value(b"a bc") && !search.holds_of_value(b"ab"));
        // The value of a flag is a single condition, which may contain blanks.
        let option = KeySearch::parse_option("value~a b").unwrap();
        assert!(option.holds_of_value(b"a b") && !option.holds_of_value(b"a"));
        assert_eq!(KeySearch::parse_option("web shop").unwrap().words().count(), 2);
    }
}
