//! Compares two states of an object field by field. Paths are in kubectl's JSONPath form: `.spec.replicas`, `.metadata.labels['app.kubernetes.io/name']`,
//! `.spec.template.spec.containers[?(@.name=="web")].image`.
//!
//! Elements of a list are matched by name (or type, port, path, …) if all of them have one, as API servers merge them; otherwise by position. Secrets are compared with their real values,
//! but shown as [`conceal`](super::conceal) leaves them: a change only tells that the value is different.

use std::collections::HashMap;

use super::conceal::HIDDEN;
use super::json::{JsonText, quote};
use super::object_tree::Node;

/// Maximum number of bytes of the changes of one object; further changes are only counted. Otherwise a path of a megabyte could precede each of a million fields.
const MAX_BYTES: usize = 8 << 20;

/// The fields that identify the elements of a list, in the order in which they are tried. Source: `patchMergeKey` of k8s.io/api.
const KEYS: &[&str] =
    &["name", "type", "uid", "ip", "mountPath", "devicePath", "topologyKey", "containerPort", "port", "key"];

/// A state of an object: the real one, and the one that may be shown.
#[derive(Debug, Clone, Copy)]
pub struct ObjectState<'n, 'a> {
    /// The real object.
    pub real: &'n Node<'a>,
    /// The object with its secrets hidden; the same node if it has none.
    pub shown: &'n Node<'a>,
}

/// A changed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its path.
    pub path: String,
    /// Its old value as JSON; `None` if there was none.
    pub old: Option<String>,
    /// Its new value as JSON; `None` if there is none.
    pub new: Option<String>,
    /// Whether the values are secret; the texts are then placeholders.
    pub hidden: bool,
}

/// The differences between two states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldChanges {
    /// The changed fields; members of objects are ordered by name.
    pub list: Vec<FieldChange>,
    /// Number of further changed fields.
    pub more: u64,
}

/// Compares two states.
#[must_use]
pub fn changes<'n, 'a: 'n>(old: ObjectState<'n, 'a>, new: ObjectState<'n, 'a>) -> FieldChanges {
    let mut search = Search { path: String::new(), changes: FieldChanges::default(), left: MAX_BYTES };
    search.both(old, new);
    search.changes
}

impl FieldChange {
    /// Formats the change as a line: `+` for a new field, `-` for a removed one, `~` for a changed one. Long values are cut around the difference.
    #[must_use]
    pub fn line(&self) -> String {
        let (path, gone) = (&self.path, "(none)".to_owned());
        match (&self.old, &self.new) {
            (None, Some(new)) => format!("+ {path}: {}", cut(new, 0)),
            (Some(old), None) => format!("- {path}: {}", cut(old, 0)),
            (Some(old), Some(new)) => {
                let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
                format!("~ {path}: {} → {}", cut(old, same), cut(new, same))
            }
            (None, None) => format!("~ {path}: {gone}"),
        }
    }
}

/// Maximum number of characters of a value in a line.
const WIDTH: usize = 120;

/// Number of characters that a cut value shows before the first difference.
const CONTEXT: usize = 30;

/// Cuts a value to fit into a line; its first `same` characters are equal to those of the other value.
fn cut(text: &str, same: usize) -> String {
    let len = text.chars().count();
    if len <= WIDTH {
        return text.to_owned();
    }
    let skipped = same.saturating_sub(CONTEXT).min(len.saturating_sub(WIDTH));
    let middle: String = text.chars().skip(skipped).take(WIDTH).collect();
    let before = if skipped > 0 { "…" } else { "" };
    let after = if skipped.saturating_add(WIDTH) < len { "…" } else { "" };
    format!("{before}{middle}{after} ({} bytes)", text.len())
}

struct Search {
    path: String,
    changes: FieldChanges,
    /// Number of bytes that further changes may use.
    left: usize,
}

impl Search {
    fn both<'n, 'a: 'n>(&mut self, old: ObjectState<'n, 'a>, new: ObjectState<'n, 'a>) {
        if old.real == new.real {
            return;
        }
        if old.is_hidden() || new.is_hidden() {
            return self.add(Some(old), Some(new));
        }
        match (old.real, new.real) {
            (Node::Object(_), Node::Object(_)) => self.members(&old.members(), &new.members()),
            (Node::Array(_), Node::Array(_)) => self.lists(&old.items(), &new.items()),
            _ => self.add(Some(old), Some(new)),
        }
    }

    /// Compares two objects, whose members are sorted.
    fn members<'n, 'a: 'n>(&mut self, old: &[(&str, ObjectState<'n, 'a>)], new: &[(&str, ObjectState<'n, 'a>)]) {
        let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let (name, a, b) = match (left.peek(), right.peek()) {
                (None, None) => return,
                (Some((name, state)), None) => (*name, Some(*state), None),
                (None, Some((name, state))) => (*name, None, Some(*state)),
                (Some((a, old)), Some((b, new))) => match a.cmp(b) {
                    std::cmp::Ordering::Less => (*a, Some(*old), None),
                    std::cmp::Ordering::Greater => (*b, None, Some(*new)),
                    std::cmp::Ordering::Equal => (*a, Some(*old), Some(*new)),
                },
            };
            if a.is_some() {
                left.next();
            }
            if b.is_some() {
                right.next();
            }
            self.below(&step(name), a, b);
        }
    }

    fn lists<'n, 'a: 'n>(&mut self, old: &[ObjectState<'n, 'a>], new: &[ObjectState<'n, 'a>]) {
        for key in KEYS {
            if let (Some(a), Some(b)) = (by_key(old, key), by_key(new, key)) {
                return self.named(key, &a, &b);
            }
        }
        let ends = old.iter().rev().zip(new.iter().rev());
        let front = old.iter().zip(new).take_while(|(a, b)| a.real == b.real).count();
        let shorter = old.len().min(new.len()).saturating_sub(front);
        let back = ends.take_while(|(a, b)| a.real == b.real).count().min(shorter);
        let middle = |items: &[ObjectState<'n, 'a>]| -> Vec<(usize, ObjectState<'n, 'a>)> {
            let end = items.len().saturating_sub(back);
            items.iter().copied().enumerate().take(end).skip(front).collect()
        };
        let (old, new) = (middle(old), middle(new));
        if old.len() == new.len() {
            for ((at, a), (_, b)) in old.into_iter().zip(new) {
                self.below(&format!("[{at}]"), Some(a), Some(b));
            }
            return;
        }
        old.into_iter().for_each(|(at, state)| self.below(&format!("[{at}]"), Some(state), None));
        new.into_iter().for_each(|(at, state)| self.below(&format!("[{at}]"), None, Some(state)));
    }

    /// Compares two lists whose elements have names, in the order of the old one.
    fn named<'n, 'a: 'n>(&mut self, key: &str, old: &Named<'n, 'a>, new: &Named<'n, 'a>) {
        let step = |name: &str| format!("[?(@.{key}=={name})]");
        for (name, a) in &old.list {
            self.below(&step(name), Some(*a), new.at(name));
        }
        for (name, b) in new.list.iter().filter(|(name, _)| old.at(name).is_none()) {
            self.below(&step(name), None, Some(*b));
        }
        let order = |of: &Named<'n, 'a>, other: &Named<'n, 'a>| {
            let names: Vec<&str> = of.list.iter().map(|(name, _)| name.as_str()).collect();
            names.into_iter().filter(|name| other.at(name).is_some()).collect::<Vec<_>>().join(",")
        };
        let (before, after) = (order(old, new), order(new, old));
        if before != after {
            let step = format!("[*].{key}");
            self.path.push_str(&step);
            self.put(Some(format!("[{before}]")), Some(format!("[{after}]")), false);
            self.path.truncate(self.path.len().saturating_sub(step.len()));
        }
    }

    fn below<'n, 'a: 'n>(&mut self, step: &str, old: Option<ObjectState<'n, 'a>>, new: Option<ObjectState<'n, 'a>>) {
        let before = self.path.len();
        self.path.push_str(step);
        match (old, new) {
            (Some(old), Some(new)) => self.both(old, new),
            (Some(state), None) => self.leaves(state, |search, state| search.add(Some(state), None)),
            (None, Some(state)) => self.leaves(state, |search, state| search.add(None, Some(state))),
            (None, None) => {}
        }
        self.path.truncate(before);
    }

    /// Adds each field of a value that only one side has.
    fn leaves<'n, 'a: 'n>(&mut self, state: ObjectState<'n, 'a>, take: fn(&mut Self, ObjectState<'n, 'a>)) {
        let before = self.path.len();
        let (members, items) = match (state.is_hidden(), state.real) {
            (false, Node::Object(members)) if !members.is_empty() => (state.members(), Vec::new()),
            (false, Node::Array(items)) if !items.is_empty() => (Vec::new(), state.items()),
            _ => return take(self, state),
        };
        for (name, member) in members {
            self.path.push_str(&step(name));
            self.leaves(member, take);
            self.path.truncate(before);
        }
        let named = KEYS.iter().find_map(|key| Some((key, by_key(&items, key)?)));
        for (at, item) in items.iter().enumerate() {
            let step = match named.as_ref().and_then(|(key, named)| Some((key, named.list.get(at)?))) {
                Some((key, (name, _))) => format!("[?(@.{key}=={name})]"),
                None => format!("[{at}]"),
            };
            self.path.push_str(&step);
            self.leaves(*item, take);
            self.path.truncate(before);
        }
    }

    fn add<'n, 'a: 'n>(&mut self, old: Option<ObjectState<'n, 'a>>, new: Option<ObjectState<'n, 'a>>) {
        let hidden = [old, new].into_iter().flatten().any(|state| state.is_hidden());
        let text = |state: Option<ObjectState<'n, 'a>>| state.map(|state| state.text());
        self.put(text(old), text(new), hidden);
    }

    fn put(&mut self, old: Option<String>, new: Option<String>, hidden: bool) {
        let values = [&old, &new].map(|text| text.as_ref().map_or(0, String::len));
        let bytes = values.iter().fold(self.path.len(), |sum, len| sum.saturating_add(*len));
        match self.left.checked_sub(bytes.saturating_add(size_of::<FieldChange>())) {
            Some(left) => {
                self.left = left;
                self.changes.list.push(FieldChange { path: self.path.clone(), old, new, hidden });
            }
            None => self.changes.more = self.changes.more.saturating_add(1),
        }
    }
}

impl<'n, 'a: 'n> ObjectState<'n, 'a> {
    /// Creates a state from an object and its copy without secrets, if it contains secrets.
    #[must_use]
    pub fn of(real: &'n Node<'a>, shown: Option<&'n Node<'a>>) -> Self {
        Self { real, shown: shown.unwrap_or(real) }
    }

    fn is_hidden(self) -> bool {
        self.shown.text() == Some(HIDDEN) && !std::ptr::eq(self.shown, self.real)
    }

    /// Returns the members sorted by name. Of members with the same name the last one counts, as in API servers.
    fn members(self) -> Vec<(&'n str, Self)> {
        let Node::Object(real) = self.real else { return Vec::new() };
        // Hiding secrets keeps all members in their places.
        let shown = match self.shown {
            Node::Object(shown) if shown.len() == real.len() => shown,
            _ => real,
        };
        let mut members: Vec<(&str, Self)> =
            real.iter().zip(shown).map(|((name, real), (_, shown))| (&**name, ObjectState { real, shown })).collect();
        members.sort_by(|a, b| a.0.cmp(b.0));
        members.reverse();
        members.dedup_by(|later, kept| later.0 == kept.0);
        members.reverse();
        members
    }

    fn items(self) -> Vec<Self> {
        let real = self.real.items();
        let shown = if self.shown.items().len() == real.len() { self.shown.items() } else { real };
        real.iter().zip(shown).map(|(real, shown)| ObjectState { real, shown }).collect()
    }

    fn text(self) -> String {
        if self.is_hidden() {
            return HIDDEN.to_owned();
        }
        let mut text = JsonText::default();
        self.shown.print(&mut text);
        String::from_utf8_lossy(&text.finish()).into_owned()
    }
}

/// The elements of a list, with the JSON of the field that identifies them.
struct Named<'n, 'a> {
    list: Vec<(String, ObjectState<'n, 'a>)>,
    places: HashMap<String, usize>,
}

impl<'n, 'a> Named<'n, 'a> {
    fn at(&self, name: &str) -> Option<ObjectState<'n, 'a>> {
        self.list.get(*self.places.get(name)?).map(|(_, state)| *state)
    }
}

/// Identifies the elements by a member; `None` unless all elements are objects that have it, each with a different value.
fn by_key<'n, 'a: 'n>(items: &[ObjectState<'n, 'a>], key: &str) -> Option<Named<'n, 'a>> {
    let mut named = Named { list: Vec::with_capacity(items.len()), places: HashMap::new() };
    for (at, state) in items.iter().enumerate() {
        let Node::Object(_) = state.real else { return None };
        let name = match state.shown.get(key)? {
            Node::Text(text) if state.real.get(key).and_then(Node::text) == Some(text) => {
                let mut quoted = Vec::new();
                quote(text, &mut quoted);
                String::from_utf8_lossy(&quoted).into_owned()
            }
            Node::Int(number) => number.to_string(),
            _ => return None,
        };
        if named.places.insert(name.clone(), at).is_some() {
            return None;
        }
        named.list.push((name, *state));
    }
    Some(named)
}

/// Formats a member as a step of a path.
fn step(name: &str) -> String {
    let is_plain = name.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_')
        && name.chars().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-'));
    if is_plain {
        return format!(".{name}");
    }
    format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::super::conceal::conceal_by_kind;
    use super::super::manifest::tests::parsed;
    use super::*;

    fn lines(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (parsed(old), parsed(new));
        let (mut shown_old, mut shown_new) = (old.clone(), new.clone());
        conceal_by_kind(&mut shown_old);
        conceal_by_kind(&mut shown_new);
        let found =
            changes(ObjectState { real: &old, shown: &shown_old }, ObjectState { real: &new, shown: &shown_new });
        assert_eq!(found.more, 0);
        found.list.iter().map(FieldChange::line).collect()
    }

    #[test]
    fn fields_have_the_paths_of_kubectl() {
        let old = r#"{"metadata":{"labels":{"app.kubernetes.io/name":"web","it's":"a"}},"spec":{"replicas":1,"paused":true}}"#;
        let new = r#"{"spec":{"replicas":3,"strategy":{"type":"Recreate","x":{}}},"metadata":{"labels":{"app.kubernetes.io/name":"api","it's":"b"}}}"#;
        assert_eq!(
            lines(old, new),
            [
                r#"~ .metadata.labels['app.kubernetes.io/name']: "web" → "api""#,
                r#"~ .metadata.labels['it\'s']: "a" → "b""#,
                "- .spec.paused: true",
                "~ .spec.replicas: 1 → 3",
                r#"+ .spec.strategy.type: "Recreate""#,
                "+ .spec.strategy.x: {}",
            ]
        );
        assert_eq!(lines(old, old), [""; 0]);
        assert_eq!(lines(r#"{"a":[1]}"#, r#"{"a":{"b":1}}"#), [r#"~ .a: [1] → {"b":1}"#]);
        assert_eq!(lines(r#"{"a":null}"#, r#"{}"#), ["- .a: null"]);
    }

    #[test]
    fn elements_with_names_are_found_wherever_they_are() {
        let old = r#"{"containers":[{"name":"web","image":"a:1"},{"name":"log","image":"b:1"}]}"#;
        let new = r#"{"containers":[{"name":"init","image":"c:1"},{"name":"log","image":"b:1"},{"name":"web","image":"a:2"}]}"#;
        assert_eq!(
            lines(old, new),
            [
                r#"~ .containers[?(@.name=="web")].image: "a:1" → "a:2""#,
                r#"+ .containers[?(@.name=="init")].image: "c:1""#,
                r#"+ .containers[?(@.name=="init")].name: "init""#,
                r#"~ .containers[*].name: ["web","log"] → ["log","web"]"#,
            ]
        );
        let ports = |port: &str, target: i64| format!(r#"{{"ports":[{{"port":{port},"targetPort":{target}}}]}}"#);
        assert_eq!(lines(&ports("80", 1), &ports("80", 2)), ["~ .ports[?(@.port==80)].targetPort: 1 → 2"]);
        // Two elements have the same type, so they are matched by position.
        let addresses = |last: &str| format!(r#"{{"a":[{{"type":"IP","v":"1"}},{{"type":"IP","v":"{last}"}}]}}"#);
        assert_eq!(lines(&addresses("2"), &addresses("3")), [r#"~ .a[1].v: "2" → "3""#]);
    }

    #[test]
    fn plain_lists_are_compared_by_their_order() {
        assert_eq!(lines(r#"["a","b","c"]"#, r#"["a","x","c"]"#), [r#"~ [1]: "b" → "x""#]);
        assert_eq!(lines(r#"["a","b","c"]"#, r#"["a","c"]"#), [r#"- [1]: "b""#]);
        assert_eq!(lines(r#"["a","a"]"#, r#"["a","a","a"]"#), [r#"+ [2]: "a""#]);
        assert_eq!(lines(r#"[]"#, r#"[{"b":1}]"#), ["+ [0].b: 1"]);
    }

    #[test]
    fn a_secret_changes_without_being_shown() {
        let secret = |password: &str, applied: &str| {
            format!(
                r#"{{"kind":"Secret","metadata":{{"annotations":{{"a.b/c":"{applied}"}},"name":"login"}},"data":{{"p":"{password}","q":"c2FtZQ=="}},"type":"Opaque"}}"#
            )
        };
        let found = lines(&secret("S3CRET1", "S3CRET"), &secret("S3CRET22", "S3CRETS"));
        assert_eq!(
            found,
            [
                "~ .data.p: (hidden: --show-secrets) → (hidden: --show-secrets)",
                "~ .metadata.annotations['a.b/c']: (hidden: --show-secrets) → (hidden: --show-secrets)",
            ]
        );
        let added = lines(r#"{"kind":"Secret"}"#, &secret("S3CRET", "S3CRET"));
        assert!(added.len() == 5 && !added.join("\n").contains("S3CRET"), "{added:?}");
        // The kind changed: a value that was secret stays hidden.
        let changed = lines(&secret("S3CRET", ""), r#"{"kind":"ConfigMap","data":{"p":"plain"}}"#);
        assert!(changed.contains(&r#"~ .data.p: (hidden: --show-secrets) → "plain""#.to_owned()), "{changed:?}");
        assert!(!changed.join("\n").contains("S3CRET"), "{changed:?}");
    }

    #[test]
    fn long_values_are_cut_around_the_difference() {
        let text = |middle: &str| format!(r#"{{"a":"{}{middle}{}"}}"#, "x".repeat(500), "y".repeat(500));
        let line = lines(&text("1"), &text("2")).remove(0);
        assert!(line.contains("x1y") && line.contains("x2y") && line.contains("(1003 bytes)"), "{line}");
        assert!(line.chars().count() < 320, "{line}");
    }

    #[test]
    fn a_forged_path_does_not_multiply() {
        let key = "k".repeat(100_000);
        let many: Vec<String> = (0..2_000).map(|number| format!("\"{number}\":1")).collect();
        let new = format!(r#"{{"{key}":{{{}}}}}"#, many.join(","));
        let (old, new) = (parsed("{}"), parsed(&new));
        let found = changes(ObjectState { real: &old, shown: &old }, ObjectState { real: &new, shown: &new });
        assert_eq!(found.list.len() as u64 + found.more, 2_000);
        assert!(found.list.len() < 100, "{}", found.list.len());
    }
}
