//! Redacts a value of bucket `key`. Only what the rules allow stays, and a Kubernetes object still decodes.

use std::collections::BTreeSet;

use super::envelope::{Envelope, Protobuf, envelope};
use super::object::MAX_VALUE;
use super::object_tree::{Builder, Node};
use super::raw_json;
use super::redact_json::{self, JsonPlace};
use super::redact_message;
use super::redact_rules::{REDACTED, RedactRules, RedactState, RedactedKey};
use super::redact_words::{Class, is_wordlike};
use super::type_table::Schema;
use crate::needed_key::{Encrypted, PREFIX, Provider};
use crate::protobuf_raw::{WireValue, next};

/// The first bytes of an object in protobuf.
const PROTOBUF: &[u8] = b"k8s\0";

/// The kind of a value before it was redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueKind {
    /// An object of this kind.
    Object(String),
    /// Encrypted.
    Encrypted,
    /// Anything else; it was replaced as a whole.
    Other,
}

/// A redacted value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The new value.
    pub value: Vec<u8>,
    /// The kind of the old value.
    pub kind: ValueKind,
    /// Number of texts, or whole values, that were replaced.
    pub replaced: u64,
    /// The shown kinds and fields that this value has.
    pub shown: Shown,
}

/// The kind and the fields to be shown that an object has, as indexes in the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The kind of the object, if it is shown.
    pub kind: Option<usize>,
    /// Fields.
    pub fields: BTreeSet<usize>,
}

/// Redacts the value of a Kubernetes object.
#[must_use]
pub fn redact(value: &[u8], key: RedactedKey<'_>, rules: &RedactRules) -> Redacted {
    if value.len() > MAX_VALUE {
        return whole(value, rules);
    }
    match envelope(value) {
        Envelope::Protobuf(message) if !message.cut => protobuf(value, &message, key, rules),
        Envelope::Json(json) => self::json(json, key, rules),
        Envelope::Encrypted(_) => encrypted(value, rules),
        Envelope::Cbor(_) => cbor(value, rules),
        Envelope::Protobuf(_) | Envelope::Other(_) => whole(value, rules),
    }
}

/// Replaces a value as a whole, because it is not a Kubernetes object or cannot be decoded.
#[must_use]
pub fn whole(value: &[u8], rules: &RedactRules) -> Redacted {
    let mut new = Vec::new();
    rules.replace(value.len(), &mut new);
    Redacted { value: new, kind: ValueKind::Other, replaced: u64::from(!value.is_empty()), shown: Shown::default() }
}

fn protobuf(value: &[u8], message: &Protobuf<'_>, key: RedactedKey<'_>, rules: &RedactRules) -> Redacted {
    let kind = ValueKind::Object(message.kind.to_owned());
    if let Some(shown) = rules.shown_kind(message.kind) {
        return shown_whole(value, kind, shown);
    }
    let is_secret = key.is_secret || message.kind == "Secret";
    let mut state = RedactState::new(rules, RedactedKey { is_secret, ..key });
    let mut new = PROTOBUF.to_vec();
    let mut rest = value.get(PROTOBUF.len()..).unwrap_or_default();
    while !rest.is_empty() {
        let before = rest;
        let Some((number, found)) = next(&mut rest) else { return whole(value, rules) };
        let bytes = before.get(..before.len().saturating_sub(rest.len())).unwrap_or_default();
        match (number, found) {
            (1, WireValue::Delimited(types)) => {
                let mut inner = Vec::new();
                if redact_types(types, &mut state, &mut inner).is_none() {
                    return whole(value, rules);
                }
                redact_message::put(1, &inner, &mut new);
            }
            (2, WireValue::Delimited(raw)) => redact_message::put(2, &self::raw(raw, message, &mut state), &mut new),
            // The fields for encoding and content type are empty in everything that API servers write.
            _ => redact_message::unknown(number, found, bytes, &mut state, &mut new),
        }
    }
    of_state(new, kind, state)
}

/// Returns the value of an object of a shown kind, unchanged.
fn shown_whole(value: &[u8], kind: ValueKind, shown: usize) -> Redacted {
    let shown = Shown { kind: Some(shown), fields: BTreeSet::new() };
    Redacted { value: value.to_vec(), kind, replaced: 0, shown }
}

fn of_state(value: Vec<u8>, kind: ValueKind, state: RedactState<'_>) -> Redacted {
    Redacted { value, kind, replaced: state.replaced, shown: Shown { kind: None, fields: state.met_fields } }
}

/// Appends the message `TypeMeta {1 apiVersion, 2 kind}`, whose texts stay.
fn redact_types(mut rest: &[u8], state: &mut RedactState<'_>, out: &mut Vec<u8>) -> Option<()> {
    while !rest.is_empty() {
        let before = rest;
        let (number, found) = next(&mut rest)?;
        let bytes = before.get(..before.len().saturating_sub(rest.len()))?;
        match (number, found) {
            (1 | 2, WireValue::Delimited(text)) if is_wordlike(text) => out.extend_from_slice(bytes),
            _ => redact_message::unknown(number, found, bytes, state, out),
        }
    }
    Some(())
}

/// Redacts the message of an object.
fn raw(raw: &[u8], message: &Protobuf<'_>, state: &mut RedactState<'_>) -> Vec<u8> {
    let mut new = Vec::new();
    let is_packed = !message.content_encoding.is_empty();
    let done = match Schema::builtin().kind(message.api_version, message.kind) {
        _ if is_packed => None,
        Some(kind) => redact_message::redact(raw, kind.message, state, &mut new),
        None => redact_message::redact_unknown(raw, state, &mut new),
    };
    if done.is_none() {
        new.clear();
        state.replace(raw.len(), &mut new);
    }
    new
}

fn json(json: &[u8], key: RedactedKey<'_>, rules: &RedactRules) -> Redacted {
    let mut builder = Builder::default();
    if raw_json::read(json, &mut builder).is_err() {
        return whole(json, rules);
    }
    let object = builder.finish();
    let text = |name: &str| object.get(name).and_then(Node::text).unwrap_or_default();
    let (api_version, name) = (text("apiVersion").to_owned(), text("kind").to_owned());
    let kind = ValueKind::Object(name.clone());
    if let Some(shown) = rules.shown_kind(&name) {
        return shown_whole(json, kind, shown);
    }
    // If several members have the same name, some parsers use the first and some the last.
    let times = |wanted: &str| match &object {
        Node::Object(members) => members.iter().filter(|(name, _)| name == wanted).count(),
        _ => 0,
    };
    if times("kind") > 1 || times("apiVersion") > 1 {
        return whole(json, rules);
    }
    let is_secret = key.is_secret || name == "Secret";
    let known = Schema::builtin().kind(&api_version, &name).filter(|_| !is_secret);
    let place = match known {
        _ if api_version.starts_with("apiextensions.k8s.io/") && name == "CustomResourceDefinition" && !is_secret => {
            JsonPlace::Definition(Class::Free)
        }
        Some(kind) => JsonPlace::Message(kind.message),
        None => JsonPlace::Custom,
    };
    let mut state = RedactState::new(rules, RedactedKey { is_secret, ..key });
    let mut new = Vec::new();
    match redact_json::redact(json, place, &mut state, &mut new) {
        Some(()) => of_state(new, kind, state),
        None => whole(json, rules),
    }
}

/// Replaces an encrypted value. The provider and the name of the key stay.
fn encrypted(value: &[u8], rules: &RedactRules) -> Redacted {
    let kind = ValueKind::Encrypted;
    if rules.keep_encrypted {
        return Redacted { value: value.to_vec(), kind, replaced: 0, shown: Shown::default() };
    }
    let mut new = PREFIX.to_vec();
    let needed = Encrypted::of(value).filter(|encrypted| encrypted.provider != Provider::Unknown);
    let needed = needed.map(|encrypted| (encrypted, encrypted.needed_key()));
    let needed = needed.filter(|(_, key)| is_wordlike(key.name.as_bytes()));
    let behind = needed.as_ref().and_then(|(encrypted, key)| encrypted.data_after(&key.name).map(|rest| (key, rest)));
    let (is_in_blocks, rest) = match behind {
        Some((key, rest)) => {
            for part in [key.provider.as_str(), ":", &key.name, ":"] {
                new.extend_from_slice(part.as_bytes());
            }
            (key.provider == Provider::AesCbc, rest)
        }
        None => (false, value.get(PREFIX.len()..).unwrap_or_default()),
    };
    let is_message = Encrypted::of(value).is_some_and(|encrypted| encrypted.provider == Provider::KmsV2);
    if is_in_blocks && !rules.keep_size {
        // AES-CBC writes at least two blocks of 16 bytes. With fewer, the name of the key could not be recognized.
        RedactRules { keep_size: true, ..RedactRules::default() }.replace(32, &mut new);
    } else if let Some(message) = kms_v2(rest, rules).filter(|_| is_message) {
        new.extend_from_slice(&message);
    } else {
        rules.replace(rest.len(), &mut new);
    }
    Redacted { value: new, kind, replaced: 1, shown: Shown::default() }
}

/// Redacts a value that a KMS v2 plugin encrypted: `{1 data, 2 keyID, 3 encryptedDEKSource, 4 annotations, 5 type}`. The key's id and the type stay.
fn kms_v2(mut rest: &[u8], rules: &RedactRules) -> Option<Vec<u8>> {
    let mut new = Vec::new();
    let mut state = RedactState::new(rules, RedactedKey { is_secret: true, ..RedactedKey::default() });
    while !rest.is_empty() {
        let before = rest;
        let (number, found) = next(&mut rest)?;
        let bytes = before.get(..before.len().saturating_sub(rest.len()))?;
        match (number, found) {
            (2, WireValue::Delimited(text)) if is_wordlike(text) => new.extend_from_slice(bytes),
            (5, WireValue::Varint(_)) => new.extend_from_slice(bytes),
            // An entry of a map: `{1 key, 2 value}`.
            (4, WireValue::Delimited(entry)) => {
                let mut inner = Vec::new();
                redact_message::redact_unknown(entry, &mut state, &mut inner)?;
                redact_message::put(4, &inner, &mut new);
            }
            _ => redact_message::unknown(number, found, bytes, &mut state, &mut new),
        }
    }
    Some(new)
}

/// Replaces a CBOR value by a text in CBOR.
fn cbor(value: &[u8], rules: &RedactRules) -> Redacted {
    let mut new = vec![0xd9, 0xd9, 0xf7];
    let remaining = value.len().saturating_sub(new.len());
    // The first byte contains a short length. A longer one follows in one, two or four bytes.
    let head = |len: usize| match len {
        0..24 => 1,
        24..256 => 2,
        256..65_536 => 3,
        _ => 5,
    };
    let mut fitting = [1, 2, 3, 5].into_iter().filter_map(|bytes: usize| remaining.checked_sub(bytes));
    let fitting = fitting.find(|len| head(*len) == remaining.saturating_sub(*len));
    let len = match rules.keep_size {
        true => fitting.unwrap_or(remaining.saturating_sub(5)),
        false => REDACTED.len(),
    };
    match head(len) {
        1 => new.push(0x60 | len as u8),
        2 => new.extend([0x78, len as u8]),
        3 => new.extend([&[0x79][..], &(len as u16).to_be_bytes()].concat()),
        _ => new.extend([&[0x7a][..], &(len as u32).to_be_bytes()].concat()),
    }
    rules.replace(len, &mut new);
    Redacted { value: new, kind: ValueKind::Object(String::new()), replaced: 1, shown: Shown::default() }
}
