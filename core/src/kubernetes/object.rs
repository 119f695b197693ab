//! Decodes the value of a key into an object, as far as that is possible.

use super::decode::{self, Options, Problem};
use super::envelope::{Envelope, envelope, provider};
use super::json::JsonText;
use super::object_tree::{Builder, Node};
use super::object_visitor::Sink;
use super::type_table::Schema;
use super::{default_fields, definition, raw_json, struct_order, unknown_fields};
use crate::number_words::grouped;

/// Maximum length of a decoded value. By default etcd accepts requests of up to 1.5 MiB, and values above 16 MiB are unheard of. In the worst case a tree takes forty times as many bytes.
pub const MAX_VALUE: usize = 32 << 20;

/// Why a value cannot be decoded as an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is encrypted, by this provider, such as `aescbc:v1`.
    Encrypted(String),
    /// It is CBOR.
    Cbor,
    /// It begins like JSON but is not valid JSON.
    Json(String),
    /// It is longer than [`MAX_VALUE`].
    TooLong(usize),
    /// It is not an object of Kubernetes.
    NoObject,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encrypted(by) => write!(f, "the value is encrypted ({by})"),
            Self::Cbor => f.write_str("the value is CBOR, which this program does not read"),
            Self::Json(cause) => write!(f, "the value begins like JSON, but is not valid: {cause}"),
            Self::TooLong(len) => {
                write!(f, "the value has {} bytes, more than any Kubernetes object", grouped(*len as u64))
            }
            Self::NoObject => f.write_str("the value is not a Kubernetes object"),
        }
    }
}

/// Remarks about a decoded object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// The kind, if it is not in the table: then all fields are shown by number.
    pub unknown_kind: Option<String>,
    /// The number of fields that are not in the table.
    pub unknown_fields: u64,
    /// The first part that could not be decoded.
    pub problem: Option<Problem>,
}

impl Remarks {
    /// Whether the object was decoded completely.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the remarks as sentences.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let newest = Schema::builtin().newest();
        let mut out = Vec::new();
        if let Some(kind) = &self.unknown_kind {
            out.push(format!(
                "{kind} is not among the kinds of Kubernetes up to {newest} that this program knows: its fields are shown by their numbers"
            ));
        } else if self.unknown_fields > 0 {
            out.push(format!(
                "fields that this program does not know (it knows Kubernetes up to {newest}) are shown by their numbers: {}",
                self.unknown_fields
            ));
        }
        if let Some(Problem { path, what }) = &self.problem {
            let place = if path.is_empty() { "the object" } else { path };
            out.push(format!("{place} {what}; what could be read is shown"));
        }
        out
    }
}

/// Decodes a value into a tree.
///
/// # Errors
/// When it cannot be decoded as an object.
pub fn tree<'a>(value: &'a [u8], options: Options<'a>) -> Result<(Node<'a>, Remarks), Unreadable> {
    check_len(value)?;
    let mut builder = Builder::default();
    match envelope(value) {
        Envelope::Json(json) => {
            raw_json::read(json, &mut builder).map_err(|cause| Unreadable::Json(cause.to_string()))?;
            let is_cut = cut(&builder);
            let mut node = builder.finish();
            node.drop_repeated();
            let has_kind = node.get("kind").and_then(Node::text).is_some_and(|kind| !kind.is_empty());
            let remarks = Remarks { problem: is_cut.or_else(|| kindless(has_kind)), ..Remarks::default() };
            if let Some(version) = options.resource_version
                && let Some(metadata) = node.get_mut("metadata")
            {
                metadata.set("resourceVersion", Node::Text(version.into()));
            }
            definition::to_v1(&mut node);
            Ok((node, remarks))
        }
        other => {
            let mut remarks = protobuf(other, options, &mut builder)?;
            remarks.problem = remarks.problem.or_else(|| cut(&builder));
            let mut node = builder.finish();
            default_fields::set_defaults(&mut node);
            Ok((node, remarks))
        }
    }
}

/// Returns the problem of an object without a kind; every object of an API server has one.
fn kindless(has_kind: bool) -> Option<Problem> {
    (!has_kind).then(|| Problem { path: String::new(), what: "has no kind" })
}

/// Returns the problem of a tree that lacks values because there were too many.
fn cut(builder: &Builder<'_>) -> Option<Problem> {
    builder.is_cut().then(|| Problem { path: String::new(), what: "has more values than are shown" })
}

/// Appends a value to `out` as JSON as the API prints it: members of built-in types in the order of their type, those of custom resources sorted.
///
/// # Errors
/// As [`tree`]; `out` is then unchanged.
pub fn api_json<'a>(value: &'a [u8], options: Options<'a>, out: &mut Vec<u8>) -> Result<Remarks, Unreadable> {
    check_len(value)?;
    let found = envelope(value);
    let has_defaults = matches!(&found, Envelope::Protobuf(message) if default_fields::has_defaults(message.kind));
    if has_defaults || matches!(found, Envelope::Json(_)) {
        let (mut node, remarks) = tree(value, options)?;
        if !has_defaults {
            arrange(&mut node);
        }
        let mut text = JsonText::into(std::mem::take(out));
        node.print(&mut text);
        *out = text.finish();
        return Ok(remarks);
    }
    let mut text = JsonText::into(std::mem::take(out));
    let read = protobuf(found, options, &mut text);
    *out = text.finish();
    read
}

/// Sorts the members of an object that is stored as JSON as its server prints them.
fn arrange(node: &mut Node<'_>) {
    let schema = Schema::builtin();
    let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default();
    match schema.kind(text("apiVersion"), text("kind")).map(|kind| kind.message) {
        Some(message) => struct_order::arrange(node, schema, message),
        None => node.sort(),
    }
}

/// Names a type by the fields that the object has.
fn type_name(api_version: &str, kind: &str) -> String {
    if api_version.is_empty() {
        format!("kind {kind} without apiVersion")
    } else {
        format!("{api_version}, kind {kind}")
    }
}

fn check_len(value: &[u8]) -> Result<(), Unreadable> {
    if value.len() > MAX_VALUE { Err(Unreadable::TooLong(value.len())) } else { Ok(()) }
}

fn protobuf<'a>(found: Envelope<'a>, options: Options<'a>, sink: &mut impl Sink<'a>) -> Result<Remarks, Unreadable> {
    let message = match found {
        Envelope::Protobuf(message) if message.content_encoding.is_empty() => message,
        Envelope::Protobuf(_) | Envelope::Other(_) | Envelope::Json(_) => return Err(Unreadable::NoObject),
        Envelope::Cbor(_) => return Err(Unreadable::Cbor),
        Envelope::Encrypted(rest) => {
            let by = provider(rest).map_or("an unknown provider", |(name, _)| name);
            return Err(Unreadable::Encrypted(by.to_owned()));
        }
    };
    let schema = Schema::builtin();
    let types = (message.api_version, message.kind);
    let mut remarks = match schema.kind(message.api_version, message.kind) {
        Some(kind) => {
            let decoded = decode::object(schema, kind.message, types, message.raw, options, sink);
            Remarks { unknown_kind: None, unknown_fields: decoded.unknown_fields, problem: decoded.problem }
        }
        None => {
            unknown_fields::object(types, message.raw, sink);
            let unknown_kind = (!message.kind.is_empty()).then(|| type_name(message.api_version, message.kind));
            Remarks { unknown_kind, problem: kindless(!message.kind.is_empty()), ..Remarks::default() }
        }
    };
    if message.cut && remarks.problem.is_none() {
        remarks.problem = Some(Problem { path: String::new(), what: "ends too early" });
    }
    Ok(remarks)
}
