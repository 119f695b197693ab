//! Recognizes the stored form of a value, and measures its `managedFields`.

use super::decode::Options;
use super::envelope::{Envelope, Protobuf, envelope, provider};
use super::json::JsonText;
use super::object;
use super::object_tree::Node;
use crate::protobuf_raw::{WireValue, next};

/// The stored form of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredForm {
    /// A protobuf message.
    Protobuf,
    /// JSON.
    Json,
    /// CBOR.
    Cbor,
    /// Encrypted, by a provider such as `aescbc:v1`.
    Encrypted(String),
    /// None of these.
    Other,
}

impl std::fmt::Display for StoredForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Protobuf => f.write_str("protobuf"),
            Self::Json => f.write_str("JSON"),
            Self::Cbor => f.write_str("CBOR"),
            Self::Encrypted(provider) => write!(f, "encrypted: {provider}"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// Facts about a value that do not reveal its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its form.
    pub form: StoredForm,
    /// Such as `apps/v1`; empty if it cannot be read.
    pub api_version: String,
    /// Such as `Deployment`; empty if it cannot be read.
    pub kind: String,
    /// Length of `metadata.managedFields` in bytes, including the field's name.
    pub managed_bytes: u64,
    /// Whether the value can be decoded completely.
    pub is_decodable: bool,
}

/// Examines a value; `buffer` is used for the decoded value, and is empty afterwards.
#[must_use]
pub fn stored(value: &[u8], buffer: &mut Vec<u8>) -> Stored {
    let none =
        |form| Stored { form, api_version: String::new(), kind: String::new(), managed_bytes: 0, is_decodable: false };
    match envelope(value) {
        Envelope::Protobuf(message) => {
            buffer.clear();
            let read = object::api_json(value, Options::default(), buffer);
            buffer.clear();
            Stored {
                form: StoredForm::Protobuf,
                api_version: message.api_version.to_owned(),
                kind: message.kind.to_owned(),
                managed_bytes: managed_bytes(&message),
                is_decodable: read.is_ok_and(|remarks| remarks.problem.is_none() && remarks.unknown_kind.is_none()),
            }
        }
        Envelope::Json(_) => match object::tree(value, Options::default()) {
            Ok((node, remarks)) => {
                let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default().to_owned();
                let (api_version, kind) = (text("apiVersion"), text("kind"));
                let managed_bytes = node.at(&["metadata", "managedFields"]).map_or(0, json_bytes);
                Stored {
                    form: StoredForm::Json,
                    api_version,
                    kind,
                    managed_bytes,
                    is_decodable: remarks.problem.is_none(),
                }
            }
            Err(_) => none(StoredForm::Json),
        },
        Envelope::Cbor(_) | Envelope::Encrypted(_) | Envelope::Other(_) => none(form(value)),
    }
}

/// Returns the stored form of a value.
#[must_use]
pub fn form(value: &[u8]) -> StoredForm {
    match envelope(value) {
        Envelope::Protobuf(_) => StoredForm::Protobuf,
        Envelope::Json(_) => StoredForm::Json,
        Envelope::Cbor(_) => StoredForm::Cbor,
        Envelope::Encrypted(rest) => {
            let by = provider(rest).map_or("an unknown provider", |(name, _)| name);
            StoredForm::Encrypted(by.to_owned())
        }
        Envelope::Other(_) => StoredForm::Other,
    }
}

/// Returns the length of fields 17 of `ObjectMeta`, which is field 1 of every object.
fn managed_bytes(message: &Protobuf<'_>) -> u64 {
    let mut bytes = 0_u64;
    let mut rest = message.raw;
    while let Some((number, value)) = next(&mut rest) {
        if let (1, WireValue::Delimited(mut metadata)) = (number, value) {
            let mut before = metadata.len();
            while let Some((number, _)) = next(&mut metadata) {
                if number == 17 {
                    bytes = bytes.saturating_add(before.saturating_sub(metadata.len()) as u64);
                }
                before = metadata.len();
            }
        }
    }
    bytes
}

/// Returns the length of `"managedFields":…,` in the JSON that servers write.
fn json_bytes(fields: &Node<'_>) -> u64 {
    let mut text = JsonText::default();
    fields.print(&mut text);
    (text.finish().len() as u64).saturating_add("\"managedFields\":,".len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_recognized_and_managed_fields_measured() {
        let mut buffer = Vec::new();
        // A Pod whose metadata has a name of one byte, and an entry of managedFields of four bytes including its header.
        let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x0a\x0a\x08\x0a\x01a\x8a\x01\x02\x0a\x00";
        let found = stored(pod, &mut buffer);
        assert_eq!(
            (found.form, &*found.api_version, &*found.kind, found.managed_bytes, found.is_decodable),
            (StoredForm::Protobuf, "v1", "Pod", 5, true)
        );
        let json = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"managedFields":[{}]}}"#;
        let found = stored(json, &mut buffer);
        assert_eq!((found.form, &*found.kind, found.managed_bytes), (StoredForm::Json, "Widget", 21));
        for (value, form) in [
            (&b"k8s:enc:secretbox:v1:key1:x"[..], StoredForm::Encrypted("secretbox:v1".into())),
            (b"\xd9\xd9\xf7\xa0", StoredForm::Cbor),
            (b"10.0.0.1", StoredForm::Other),
            (b"{", StoredForm::Json),
        ] {
            let found = stored(value, &mut buffer);
            assert_eq!((found.form, found.is_decodable), (form, false));
        }
        let cut = stored(&pod[..pod.len() - 1], &mut buffer);
        assert!(!cut.is_decodable && cut.kind == "Pod");
    }
}
