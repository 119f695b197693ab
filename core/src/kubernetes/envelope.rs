//! Tells the stored forms of values apart: protobuf in an envelope, JSON, CBOR, or encrypted.
//!
//! ```text
//! 6b 38 73 00                  "k8s\0", then a message:
//!   1 TypeMeta {1 apiVersion, 2 kind}   which select the message of
//!   2 raw                               the object
//!   3 contentEncoding, 4 contentType    empty
//! 7b …                         JSON: custom resources, their definitions, API services
//! d9 d9 f7 …                   CBOR: custom resources with the gate CBORServingAndStorage
//! k8s:enc:PROVIDER:VERSION:NAME:…       encrypted; NAME may have colons in it
//! ```
//!
//! Source: `k8s.io/apimachinery/pkg/runtime/serializer/protobuf` and `k8s.io/apiserver/pkg/storage/value`.

use crate::protobuf_raw::{WireValue, next};
use crate::varint::varint;

const PROTOBUF: &[u8] = b"k8s\0";
const CBOR: &[u8] = &[0xd9, 0xd9, 0xf7];
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// A value by its stored form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope<'a> {
    /// A protobuf message.
    Protobuf(Protobuf<'a>),
    /// A JSON object.
    Json(&'a [u8]),
    /// CBOR, which is recognized but not decoded.
    Cbor(&'a [u8]),
    /// An encrypted value: everything after `k8s:enc:`.
    Encrypted(&'a [u8]),
    /// Not an object of Kubernetes.
    Other(&'a [u8]),
}

/// The envelope around a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protobuf<'a> {
    /// Such as `apps/v1`.
    pub api_version: &'a str,
    /// Such as `Deployment`.
    pub kind: &'a str,
    /// The message.
    pub raw: &'a [u8],
    /// Empty in everything that API servers write.
    pub content_encoding: &'a str,
    /// Whether the envelope ends within a field.
    pub cut: bool,
}

/// Determines the stored form of a value.
#[must_use]
pub fn envelope(value: &[u8]) -> Envelope<'_> {
    if let Some(message) = value.strip_prefix(PROTOBUF) {
        return Envelope::Protobuf(protobuf(message));
    }
    if let Some(rest) = value.strip_prefix(ENCRYPTED) {
        return Envelope::Encrypted(rest);
    }
    if value.starts_with(CBOR) {
        return Envelope::Cbor(value);
    }
    match value.trim_ascii_start().first() {
        Some(b'{') => Envelope::Json(value),
        _ => Envelope::Other(value),
    }
}

/// Splits an encrypted value after the provider: `aescbc:v1` and `key1:…`.
#[must_use]
pub fn provider(encrypted: &[u8]) -> Option<(&str, &[u8])> {
    let mut colons = encrypted.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    let at = colons.nth(1)?;
    let name = std::str::from_utf8(encrypted.get(..at)?).ok()?;
    Some((name, encrypted.get(at.saturating_add(1)..)?))
}

fn protobuf(mut rest: &[u8]) -> Protobuf<'_> {
    let mut out = Protobuf::default();
    while !rest.is_empty() {
        let field = rest;
        match next(&mut rest) {
            Some((1, WireValue::Delimited(mut types))) => {
                while let Some((number, WireValue::Delimited(text))) = next(&mut types) {
                    match number {
                        1 => out.api_version = as_text(text),
                        2 => out.kind = as_text(text),
                        _ => {}
                    }
                }
            }
            Some((2, WireValue::Delimited(raw))) => out.raw = raw,
            Some((3, WireValue::Delimited(text))) => out.content_encoding = as_text(text),
            Some(_) => {}
            None => {
                out.cut = true;
                // Of a truncated message, the existing part is shown.
                if let Some(mut tail) = field.strip_prefix(&[0x12])
                    && varint(&mut tail).is_some()
                {
                    out.raw = tail;
                }
                break;
            }
        }
    }
    out
}

fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_forms_are_recognized() {
        let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0a\x00\x1a\x00\x22\x00";
        let Envelope::Protobuf(found) = envelope(pod) else { panic!("protobuf") };
        assert_eq!((found.api_version, found.kind, found.raw, found.cut), ("v1", "Pod", &b"\x0a\x00"[..], false));
        assert_eq!(envelope(b" {}\n"), Envelope::Json(b" {}\n"));
        assert_eq!(envelope(b"\xd9\xd9\xf7\xa0"), Envelope::Cbor(b"\xd9\xd9\xf7\xa0"));
        assert_eq!(envelope(b"k8s:enc:aescbc:v1:k:x"), Envelope::Encrypted(b"aescbc:v1:k:x"));
        assert_eq!(provider(b"aescbc:v1:a:b:x"), Some(("aescbc:v1", &b"a:b:x"[..])));
        assert_eq!(provider(b"identity"), None);
        assert_eq!(envelope(b""), Envelope::Other(b""));
        assert_eq!(envelope(b"10.0.0.1"), Envelope::Other(b"10.0.0.1"));
    }

    #[test]
    fn a_truncated_envelope_keeps_its_existing_part() {
        let cut = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x20\x0a\x02";
        let Envelope::Protobuf(found) = envelope(cut) else { panic!("protobuf") };
        assert_eq!((found.kind, found.raw, found.cut), ("Pod", &b"\x0a\x02"[..], true));
    }
}
