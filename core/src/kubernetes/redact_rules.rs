//! The rules of a redaction: which parts of Kubernetes objects stay, and what replaces the others.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::redact_words::{Class, is_wordlike};

/// The replacement for a text. It is also valid base64.
pub const REDACTED: &[u8] = b"REDACTED";

/// Fills a replacement up to the length of the original text. It is a character of base64.
const FILL: u8 = b'X';

/// Names that every cluster has, and keys of labels and of data that many clusters have. They reveal nothing about the cluster's owner. Sorted.
const EVERYWHERE: &[&str] = &[
    "*",
    ".dockercfg",
    ".dockerconfigjson",
    "Corefile",
    "app",
    "ca.crt",
    "component",
    "controller-revision-hash",
    "controller-uid",
    "default",
    "foregroundDeletion",
    "job-name",
    "k8s-app",
    "kube-node-lease",
    "kube-public",
    "kube-root-ca.crt",
    "kube-system",
    "kubeconfig",
    "kubernetes",
    "name",
    "namespace",
    "orphan",
    "password",
    "pod-template-generation",
    "pod-template-hash",
    "role",
    "tier",
    "tls.crt",
    "tls.key",
    "token",
    "username",
    "version",
];

/// Whether a name reveals nothing about a cluster's owner, because many clusters have it, or because it is a key of a label or annotation of Kubernetes itself.
fn is_everywhere(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| EVERYWHERE.binary_search(&name).is_ok() || is_key_of_kubernetes(name))
}

/// Whether a key of a label, an annotation or a taint lies in a domain of Kubernetes, such as `topology.kubernetes.io/zone`. Of the keys for roles of nodes, only the usual roles count, because people choose the others.
fn is_key_of_kubernetes(key: &str) -> bool {
    let Some((domain, rest)) = key.split_once('/').filter(|(_, rest)| !rest.contains('/')) else { return false };
    let is_own = ["kubernetes.io", "k8s.io"].into_iter().any(|own| {
        let below = domain.strip_suffix(own);
        below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
    });
    is_own && (domain != "node-role.kubernetes.io" || matches!(rest, "control-plane" | "master" | "worker"))
}

/// The parts of objects that stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedactRules {
    /// Whether a replacement is as long as the original text.
    pub keep_size: bool,
    /// Whether encrypted values stay as they are.
    pub keep_encrypted: bool,
    /// Kinds whose objects stay unchanged. Case is ignored.
    pub shown_kinds: Vec<String>,
    /// Fields that stay unchanged, each given by the last names of its path. Has no effect in secrets.
    pub shown_fields: Vec<Vec<String>>,
    /// The salt with which names are hashed; `None` if names stay.
    pub name_salt: Option<[u8; 32]>,
}

/// Minimum length of a hashed name in characters. Shorter hashes of two names could easily be the same.
const SHORTEST_NAME: usize = 13;

/// Whether bytes are a replacement, as [`RedactRules::replace`] writes it.
pub(super) fn is_replacement(bytes: &[u8]) -> bool {
    bytes.strip_prefix(REDACTED).is_some_and(|fill| fill.iter().all(|byte| *byte == FILL))
}

impl RedactRules {
    /// Returns which of the shown kinds this one is; `None` if its objects are redacted.
    #[must_use]
    pub fn shown_kind(&self, kind: &str) -> Option<usize> {
        self.shown_kinds.iter().position(|shown| !kind.is_empty() && shown.eq_ignore_ascii_case(kind))
    }

    /// Appends the replacement for a text of `len` bytes; nothing for an empty text.
    pub fn replace(&self, len: usize, out: &mut Vec<u8>) {
        if len == 0 {
            return;
        }
        if !self.keep_size {
            return out.extend_from_slice(REDACTED);
        }
        out.extend_from_slice(REDACTED.get(..len).unwrap_or(REDACTED));
        out.resize(out.len().saturating_add(len.saturating_sub(REDACTED.len())), FILL);
    }

    /// Appends a name, hashed if the rules hide names. The same name always gets the same hash, of at least 13 bytes.
    pub fn name(&self, name: &[u8], out: &mut Vec<u8>) {
        let Some(salt) = self.name_salt.filter(|_| !name.is_empty() && !is_everywhere(name)) else {
            return out.extend_from_slice(name);
        };
        let hash = Sha256::new().chain_update(salt).chain_update(name).finalize();
        let mut text: Vec<u8> = vec![b'n'];
        hash.iter().for_each(|byte| text.extend_from_slice(format!("{byte:02x}").as_bytes()));
        let len = if self.keep_size { name.len().max(SHORTEST_NAME) } else { SHORTEST_NAME };
        text.resize(len.min(text.len()), FILL);
        text.resize(len, b'0');
        out.extend_from_slice(&text);
    }
}

/// Facts about an object that follow from its key.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedactedKey<'k> {
    /// Whether only the metadata stays.
    pub is_secret: bool,
    /// The name of a type that the object defines. It stays even if names are hidden.
    pub type_name: Option<&'k [u8]>,
}

/// The redaction of one object.
pub struct RedactState<'r> {
    /// The rules.
    pub rules: &'r RedactRules,
    /// Whether only the metadata stays.
    pub is_secret: bool,
    /// The name of a type that the object defines.
    type_name: Option<&'r [u8]>,
    /// Whether all texts of the current field are replaced.
    pub hides: bool,
    /// Number of replaced texts.
    pub replaced: u64,
    /// Number of names that got a numbered replacement so far.
    numbered: u32,
    /// The path of the current field, if the rules have fields to show; otherwise empty.
    trail: Vec<String>,
    /// Length of the path to the shown field that contains the current one; `None` if none does.
    shown: Option<usize>,
    /// Indexes, in the rules, of the fields to be shown that the object has.
    pub met_fields: BTreeSet<usize>,
}

impl<'r> RedactState<'r> {
    /// Starts the redaction of an object.
    #[must_use]
    pub fn new(rules: &'r RedactRules, RedactedKey { is_secret, type_name }: RedactedKey<'r>) -> Self {
        Self {
            rules,
            is_secret,
            type_name,
            hides: false,
            replaced: 0,
            numbered: 0,
            trail: Vec::new(),
            shown: None,
            met_fields: BTreeSet::new(),
        }
    }

    /// Enters a field.
    pub fn enter(&mut self, name: &str) {
        if self.rules.shown_fields.is_empty() || self.is_secret {
            return;
        }
        self.trail.push(name.to_owned());
        for (number, path) in self.rules.shown_fields.iter().enumerate() {
            if self.trail.ends_with(path) {
                self.met_fields.insert(number);
                self.shown = self.shown.or(Some(self.trail.len()));
            }
        }
    }

    /// Leaves the field that was entered last.
    pub fn leave(&mut self) {
        if self.shown == Some(self.trail.len()) {
            self.shown = None;
        }
        self.trail.pop();
    }

    /// Whether the current field stays unchanged.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.shown.is_some_and(|depth| depth > 0)
    }

    /// Appends a text of a class, or its replacement.
    pub fn text(&mut self, class: Class, text: &[u8], out: &mut Vec<u8>) {
        match class {
            _ if self.hides => self.replace(text.len(), out),
            _ if self.is_shown() => out.extend_from_slice(text),
            // A path may contain a name, as in `spec.containers{web}` and `metadata.labels['app']`.
            Class::Word if text.iter().any(|byte| b"{[".contains(byte)) && self.rules.name_salt.is_some() => {
                self.replace(text.len(), out);
            }
            Class::Word if is_wordlike(text) => out.extend_from_slice(text),
            Class::Name if self.type_name == Some(text) => out.extend_from_slice(text),
            Class::Name if is_wordlike(text) => self.rules.name(text, out),
            _ => self.replace(text.len(), out),
        }
    }

    /// Appends a map key that people choose, such as that of a label or of a Secret's data. A key that cannot be a name is replaced, by a different text for each key.
    pub fn chosen_key(&mut self, key: &[u8], out: &mut Vec<u8>) {
        if is_wordlike(key) && !self.is_shown() {
            self.rules.name(key, out);
        } else {
            self.fixed_key(key, out);
        }
    }

    /// Appends a map key that names a type of resource, such as `cpu`.
    pub fn fixed_key(&mut self, key: &[u8], out: &mut Vec<u8>) {
        if self.is_shown() || is_wordlike(key) {
            out.extend_from_slice(key);
        } else {
            self.replace_numbered(key.len(), out);
        }
    }

    /// Appends a replacement for a name of `len` bytes. It is different each time, because names in an object must differ.
    pub fn replace_numbered(&mut self, len: usize, out: &mut Vec<u8>) {
        self.numbered = self.numbered.saturating_add(1);
        let number = format!("-{}", self.numbered);
        let start = out.len();
        self.replace(len, out);
        if self.rules.keep_size {
            let kept = out.len().saturating_sub(number.len()).max(start);
            out.truncate(kept);
        }
        out.extend_from_slice(number.as_bytes());
    }

    /// Appends the replacement for a text of `len` bytes, and counts it.
    pub fn replace(&mut self, len: usize, out: &mut Vec<u8>) {
        self.replaced = self.replaced.saturating_add(u64::from(len > 0));
        self.rules.replace(len, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_length_when_it_is_asked_for() {
        let replaced = |keep_size, len| {
            let mut out = Vec::new();
            RedactRules { keep_size, ..RedactRules::default() }.replace(len, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!([replaced(false, 0), replaced(false, 1), replaced(false, 99)], ["", "REDACTED", "REDACTED"]);
        assert_eq!([replaced(true, 3), replaced(true, 8), replaced(true, 12)], ["RED", "REDACTED", "REDACTEDXXXX"]);
    }

    #[test]
    fn names_are_hashed_alike_and_not_without_the_salt() {
        let hashed = |name: &str, salt| {
            let mut out = Vec::new();
            RedactRules { name_salt: Some([salt; 32]), ..RedactRules::default() }.name(name.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(hashed("web", 1), hashed("web", 1));
        assert_ne!(hashed("web", 1), hashed("web", 2));
        assert_ne!(hashed("web", 1), hashed("db", 1));
        assert_eq!((hashed("web", 1).len(), hashed("kube-system", 1).as_str()), (13, "kube-system"));
        assert!(EVERYWHERE.is_sorted());
        for key in ["topology.kubernetes.io/zone", "kubernetes.io/hostname", "node-role.kubernetes.io/worker"] {
            assert_eq!(hashed(key, 1), key);
        }
        for key in
            ["acme.example/team", "notkubernetes.io/a", "node-role.kubernetes.io/acme", "kubernetes.io/cluster/acme"]
        {
            assert_eq!(hashed(key, 1).len(), 13, "{key}");
        }
    }
}
