//! Compares two values of one key, as far as both can be decoded.

use super::conceal::{conceal, conceal_by_kind, is_secret_type, may_be_concealed};
use super::decode::Options;
use super::envelope::{Envelope, envelope};
use super::field_changes::{FieldChanges, ObjectState, changes};
use super::object::{self, Unreadable};
use super::object_tree::Node;
use super::table_objects::take_managed_fields;
use crate::key_syntax::is_secret;

/// The parts of objects that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Showing {
    /// Values of secrets.
    pub secrets: bool,
    /// `managedFields`, which record the client that set each field.
    pub managed_fields: bool,
}

/// The differences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueChanges {
    /// The changed fields.
    pub fields: FieldChanges,
    /// Whether `managedFields` differ and are not shown.
    pub folded: bool,
    /// Remarks about values that could not be decoded completely, each once.
    pub remarks: Vec<String>,
    /// Whether one of the two values is damaged, for example ends within a field.
    pub damaged: bool,
}

/// Compares two values of `key`.
///
/// # Errors
/// When one of them cannot be decoded as an object.
pub fn value_changes(key: &[u8], old: &[u8], new: &[u8], showing: Showing) -> Result<ValueChanges, Unreadable> {
    let (mut old, old_remarks) = object::tree(old, Options::default())?;
    let (mut new, new_remarks) = object::tree(new, Options::default())?;
    let mut out = ValueChanges::default();
    if !showing.managed_fields {
        out.folded = take_managed_fields(&mut old) != take_managed_fields(&mut new);
    }
    for remarks in [&old_remarks, &new_remarks] {
        out.damaged |= remarks.problem.is_some();
        for sentence in remarks.sentences() {
            if !out.remarks.contains(&sentence) {
                out.remarks.push(sentence);
            }
        }
    }
    let [shown_old, shown_new] = [&old, &new].map(|node| if showing.secrets { None } else { concealed(key, node) });
    out.fields = changes(ObjectState::of(&old, shown_old.as_ref()), ObjectState::of(&new, shown_new.as_ref()));
    Ok(out)
}

/// Returns a copy without secrets; `None` if the object has no secrets.
#[must_use]
pub fn concealed<'a>(key: &[u8], node: &Node<'a>) -> Option<Node<'a>> {
    let mut copy;
    if is_secret(key) {
        copy = node.clone();
        conceal(&mut copy);
    } else {
        if !may_be_concealed(node) {
            return None;
        }
        copy = node.clone();
        conceal_by_kind(&mut copy);
    }
    Some(copy)
}

/// Whether parts of a value are hidden under any key, because its own kind is secret.
#[must_use]
pub fn is_concealed(value: &[u8]) -> bool {
    if let Envelope::Protobuf(message) = envelope(value)
        && !message.kind.ends_with("List")
    {
        return is_secret_type(message.api_version, message.kind);
    }
    object::tree(value, Options::default())
        .is_ok_and(|(node, _)| concealed(b"", &node).is_some_and(|shown| shown != node))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Showing = Showing { secrets: false, managed_fields: false };

    #[test]
    fn managed_fields_are_folded_unless_asked_for() {
        let old = br#"{"kind":"Widget","metadata":{"managedFields":[{"manager":"a","time":"1"}]},"spec":{"a":1}}"#;
        let new = br#"{"kind":"Widget","metadata":{"managedFields":[{"manager":"a","time":"2"}]},"spec":{"a":1}}"#;
        let folded = value_changes(b"/registry/example.com/widgets/a/b", old, new, PLAIN).unwrap();
        assert!(folded.fields.list.is_empty() && folded.folded);
        let all = value_changes(b"/a", old, new, Showing { managed_fields: true, ..PLAIN }).unwrap();
        assert_eq!(all.fields.list.len(), 1);
        assert!(!all.folded && !value_changes(b"/a", old, old, PLAIN).unwrap().folded);
    }

    #[test]
    fn values_of_secret_kinds_are_known() {
        let secret = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x00";
        let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x00";
        assert!(is_concealed(secret) && !is_concealed(pod) && !is_concealed(b"text"));
        assert!(is_concealed(br#"{"kind":"List","items":[{"kind":"Secret","data":{"a":"b"}}]}"#));
        assert!(!is_concealed(br#"{"kind":"List","items":[{"kind":"Pod"}]}"#));
    }

    #[test]
    fn values_under_the_key_of_a_secret_are_hidden() {
        let (old, new) = (&br#"{"kind":"Token","token":"S3CRET"}"#[..], &br#"{"kind":"Token","token":"S3CRET2"}"#[..]);
        let key = b"/registry/management.cattle.io/tokens/a";
        let hidden = value_changes(key, old, new, PLAIN).unwrap().fields.list.remove(0);
        assert!(hidden.hidden && !format!("{hidden:?}").contains("S3CRET"), "{hidden:?}");
        let shown = value_changes(key, old, new, Showing { secrets: true, ..PLAIN }).unwrap().fields.list.remove(0);
        assert_eq!((shown.hidden, shown.new.as_deref()), (false, Some("\"S3CRET2\"")));
        let list = value_changes(
            b"/registry/lists/a",
            br#"{"kind":"List","items":[{"kind":"Secret","data":{"p":"S3CRET"}}]}"#,
            br#"{"kind":"List","items":[{"kind":"Secret","data":{"p":"S3CRET2"}}]}"#,
            PLAIN,
        );
        assert!(!format!("{list:?}").contains("S3CRET"), "{list:?}");
    }

    #[test]
    fn undecodable_values_are_an_error() {
        let encrypted = value_changes(b"/a", b"{}", b"k8s:enc:aescbc:v1:key1:x", PLAIN);
        assert_eq!(encrypted, Err(Unreadable::Encrypted("aescbc:v1".into())));
    }
}
