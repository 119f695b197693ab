//! Makes a snapshot that others may see: replaces the contents of objects, and keeps their kinds, names and structure.
//!
//! Only what is on a list stays. Everything else is replaced, including unknown types and fields. Every version of every key is redacted. Because the file is new, it has no free pages that could
//! contain an older state.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use etcdsnap_proto::authpb::User;
use prost::Message as _;
use serde_json::Value;

use crate::credentials::without_credentials;
use crate::etcd::keyvalue::KeyValue;
use crate::kubernetes::redact_message::{put, varint};
use crate::kubernetes::redact_object::{self, Redacted, ValueKind};
use crate::kubernetes::redact_rules::{RedactRules, RedactedKey};
use crate::kubernetes::redact_words::is_wordlike;
use crate::kubernetes::registry_keys::{Object, object_below};
use crate::rewrite::entry_filter::{EntryFilter, FilterError};
use crate::secret_keys::is_secret;
use crate::store::KeyEntry;
use crate::store::query::malformed;

/// Maximum number of kinds that are counted separately. A cluster has some hundreds.
const MOST_KINDS: usize = 4096;

/// Replacement for password hashes. It has the form of a hash that etcd writes, so that the file is sound, but no password matches it.
const PASSWORD: &[u8] = b"$2a$10$REDACTEDREDACTEDREDACTEDREDACTEDREDACTEDREDACTEDREDAC";

/// Numbers of values of one kind, and of replaced texts in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindRedaction {
    /// Values, including old versions.
    pub values: u64,
    /// Texts in them that were replaced.
    pub replaced: u64,
}

/// The report of a redaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedactReport {
    /// Kubernetes objects, by kind.
    pub kinds: BTreeMap<String, KindRedaction>,
    /// Values that are not Kubernetes objects or cannot be decoded. They were replaced as a whole.
    pub others: KindRedaction,
    /// Values that an API server encrypted.
    pub encrypted: KindRedaction,
    /// Replaced password hashes.
    pub passwords: u64,
    /// Users and roles that were left out, because names are hidden.
    pub users_left_out: u64,
    /// Kinds to be shown of which the file has no object.
    pub unmatched_kinds: Vec<String>,
    /// Fields to be shown that no object has outside of secrets.
    pub unmatched_fields: Vec<Vec<String>>,
}

/// Filters the entries of a file for a redaction.
pub struct Redaction<'r> {
    rules: &'r RedactRules,
    /// The prefixes below which API servers store objects.
    prefixes: &'r [Vec<u8>],
    report: RedactReport,
    /// Indexes, in the rules, of the kinds to be shown that some object has.
    met_kinds: BTreeSet<usize>,
    /// Indexes, in the rules, of the fields to be shown that some object has.
    met_fields: BTreeSet<usize>,
}

impl<'r> Redaction<'r> {
    /// Starts a redaction by these rules. Values whose keys are not below one of the prefixes are replaced as a whole.
    #[must_use]
    pub fn new(rules: &'r RedactRules, prefixes: &'r [Vec<u8>]) -> Self {
        let (met_kinds, met_fields) = (BTreeSet::new(), BTreeSet::new());
        Self { rules, prefixes, report: RedactReport::default(), met_kinds, met_fields }
    }

    /// Returns the report after the file was written.
    #[must_use]
    pub fn into_report(self) -> RedactReport {
        let RedactRules { shown_kinds, shown_fields, .. } = self.rules;
        RedactReport {
            unmatched_kinds: unmatched(shown_kinds, &self.met_kinds),
            unmatched_fields: unmatched(shown_fields, &self.met_fields),
            ..self.report
        }
    }

    fn value(&mut self, key: &[u8], value: &[u8], rules: &RedactRules) -> Vec<u8> {
        let Redacted { value, kind, replaced, shown } = match object_below(key, self.prefixes) {
            Some(object) => {
                let type_name = defines_types(&object).then_some(object.name);
                redact_object::redact(value, RedactedKey { is_secret: is_secret(key), type_name }, rules)
            }
            None => redact_object::whole(value, rules),
        };
        self.met_kinds.extend(shown.kind);
        self.met_fields.extend(shown.fields);
        let report = &mut self.report;
        let count = match kind {
            // Text that does not look like a word may be a secret in the place of a kind.
            ValueKind::Object(kind) if !is_wordlike(kind.as_bytes()) => {
                report.kinds.entry("REDACTED".into()).or_default()
            }
            ValueKind::Object(kind) if report.kinds.len() < MOST_KINDS || report.kinds.contains_key(&kind) => {
                report.kinds.entry(kind).or_default()
            }
            ValueKind::Encrypted => &mut report.encrypted,
            _ => &mut report.others,
        };
        count.values = count.values.saturating_add(1);
        count.replaced = count.replaced.saturating_add(replaced);
        value
    }

    /// Returns the key, with hashed names if the rules hide names.
    fn key(&self, key: &[u8], rules: &RedactRules) -> Vec<u8> {
        if rules.name_salt.is_none() {
            return key.to_vec();
        }
        let Some(object) = object_below(key, self.prefixes) else {
            let mut new = Vec::new();
            for (number, part) in key.split(|byte| *byte == b'/').enumerate() {
                if number > 0 {
                    new.push(b'/');
                }
                rules.name(part, &mut new);
            }
            return new;
        };
        if defines_types(&object) {
            return key.to_vec();
        }
        let Object { namespace, name, .. } = object;
        let slash = usize::from(!namespace.is_empty());
        let len = namespace.len().saturating_add(slash).saturating_add(name.len());
        let mut new = key.get(..key.len().saturating_sub(len)).unwrap_or_default().to_vec();
        rules.name(namespace, &mut new);
        new.extend(std::iter::repeat_n(b'/', slash));
        rules.name(name, &mut new);
        new
    }

    /// Returns the rules for the value of a key. For OpenShift's tokens, names are always hashed, because the name may be the token itself.
    fn rules_for(&self, key: &[u8]) -> Cow<'r, RedactRules> {
        let is_token = |part: &[u8]| part.ends_with(b"accesstokens") || part.ends_with(b"authorizetokens");
        if self.rules.name_salt.is_none() && is_secret(key) && key.split(|byte| *byte == b'/').any(is_token) {
            return Cow::Owned(RedactRules { name_salt: Some([0; 32]), ..self.rules.clone() });
        }
        Cow::Borrowed(self.rules)
    }

    fn user<'v>(&mut self, value: &'v [u8]) -> Cow<'v, [u8]> {
        let Ok(user) = User::decode(value) else { return self.replaced(value) };
        if user.password.is_empty() {
            return Cow::Borrowed(value);
        }
        self.report.passwords = self.report.passwords.saturating_add(1);
        Cow::Owned(User { password: PASSWORD.to_vec(), ..user }.encode_to_vec())
    }

    /// Redacts a member: its URLs lose user and password. If the rules hide names, its name is hashed and its URLs are replaced.
    fn member<'v>(&mut self, value: &'v [u8]) -> Cow<'v, [u8]> {
        let Ok(mut member) = serde_json::from_slice::<Value>(value) else { return self.replaced(value) };
        let hides = self.rules.name_salt.is_some();
        let Some(members) = member.as_object_mut() else { return self.replaced(value) };
        for (name, field) in members {
            match (name.as_str(), field) {
                ("peerURLs" | "clientURLs", Value::Array(urls)) => {
                    for url in urls.iter_mut().filter(|url| url.is_string()) {
                        let text = url.as_str().unwrap_or_default();
                        let new = if hides { "http://redacted.invalid:2380".into() } else { without_credentials(text) };
                        *url = Value::String(new.into_owned());
                    }
                }
                ("name", Value::String(name)) => {
                    let mut new = Vec::new();
                    self.rules.name(name.as_bytes(), &mut new);
                    *name = String::from_utf8(new).unwrap_or_default();
                }
                ("id", Value::Number(_)) | ("isLearner", Value::Bool(_)) => {}
                (_, field) => *field = Value::Null,
            }
        }
        serde_json::to_vec(&member).map_or_else(|_| self.replaced(value), Cow::Owned)
    }

    fn replaced<'v>(&mut self, value: &[u8]) -> Cow<'v, [u8]> {
        self.report.others.values = self.report.others.values.saturating_add(1);
        self.report.others.replaced = self.report.others.replaced.saturating_add(1);
        Cow::Owned(redact_object::whole(value, self.rules).value)
    }
}

/// Returns the wanted items whose indexes are not in `met`.
fn unmatched<T: Clone>(wanted: &[T], met: &BTreeSet<usize>) -> Vec<T> {
    wanted.iter().enumerate().filter(|(number, _)| !met.contains(number)).map(|(_, one)| one.clone()).collect()
}

/// Whether an object's name is that of a type that it defines, so that the name must stay.
fn defines_types(object: &Object<'_>) -> bool {
    matches!(object.resource, b"customresourcedefinitions" | b"apiservices")
}

impl EntryFilter for Redaction<'_> {
    fn revision<'v>(&mut self, entry: &KeyEntry<'v>) -> Result<Option<Cow<'v, [u8]>>, FilterError> {
        // The empty entry of a revision bump contains nothing.
        if entry.value.is_empty() {
            return Ok(Some(Cow::Borrowed(entry.value)));
        }
        let Some(message) = KeyValue::parse(entry.value) else {
            return Err(FilterError::Damaged(malformed(entry, "are not a KeyValue message")));
        };
        let rules = self.rules_for(message.key);
        let value = match entry.key.tombstone {
            true => Vec::new(),
            false => self.value(message.key, message.value, &rules),
        };
        // The message is encoded anew from its known fields, as etcd writes it.
        let mut new = Vec::with_capacity(value.len().saturating_add(64));
        let numbers = |field: u8, number: i64, new: &mut Vec<u8>| {
            if number != 0 {
                new.push(field);
                varint(number.cast_unsigned(), new);
            }
        };
        put(1, &self.key(message.key, &rules), &mut new);
        numbers(0x10, message.create_revision.get(), &mut new);
        numbers(0x18, message.mod_revision.get(), &mut new);
        numbers(0x20, message.version, &mut new);
        if !value.is_empty() {
            put(5, &value, &mut new);
        }
        numbers(0x30, message.lease, &mut new);
        Ok(Some(Cow::Owned(new)))
    }

    fn pair<'v>(&mut self, bucket: &[u8], key: &[u8], value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        let hides = self.rules.name_salt.is_some();
        let known = match bucket {
            b"authUsers" | b"authRoles" if hides => {
                self.report.users_left_out = self.report.users_left_out.saturating_add(1);
                return None;
            }
            b"authUsers" => return Some(self.user(value)),
            b"members" => return Some(self.member(value)),
            // Without users, no client could log in.
            b"auth" if hides && key == b"authEnabled" => return Some(Cow::Borrowed(&[0])),
            b"auth" => matches!(key, b"authEnabled" | b"authRevision"),
            b"meta" => matches!(
                key,
                b"consistent_index"
                    | b"term"
                    | b"confState"
                    | b"scheduledCompactRev"
                    | b"finishedCompactRev"
                    | b"storageVersion"
            ),
            b"cluster" => matches!(key, b"clusterVersion" | b"downgrade"),
            _ => matches!(bucket, b"alarm" | b"authRoles" | b"lease" | b"members_removed"),
        };
        Some(if known { Cow::Borrowed(value) } else { self.replaced(value) })
    }
}
