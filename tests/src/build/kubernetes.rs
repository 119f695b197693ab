//! Builds Kubernetes objects as API servers store them, and snapshots that hold them.

use super::puts::{Put, snapshot};

/// Encodes a length-delimited field of a protobuf message.
#[must_use]
pub fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(u64::from(number << 3 | 2), &mut out);
    varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// Encodes a varint field.
#[must_use]
pub fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(u64::from(field << 3), &mut out);
    varint(value, &mut out);
    out
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Wraps a message in the envelope that Kubernetes puts around protobuf objects.
#[must_use]
pub fn protobuf(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let types = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &types), field(2, raw), field(3, b""), field(4, b"")].concat()
}

/// Builds a Deployment in protobuf as kube-controller-manager leaves it: with uid, managed fields, replicas and a status.
#[must_use]
pub fn deployment(namespace: &str, name: &str, replicas: u64, image: &str) -> Vec<u8> {
    let managed = [
        field(1, b"kubectl"),
        field(2, b"Update"),
        field(3, b"apps/v1"),
        field(6, b"FieldsV1"),
        field(7, &field(1, br#"{"f:spec":{"f:replicas":{}}}"#)),
    ]
    .concat();
    let metadata = [
        field(1, name.as_bytes()),
        field(2, b""),
        field(3, namespace.as_bytes()),
        field(4, b""),
        field(5, b"6f1c1d0e-1111-2222-3333-444455556666"),
        field(6, b""),
        number(7, 3),
        field(8, &number(1, 1_700_000_000)),
        field(17, &managed),
    ]
    .concat();
    let labels = field(1, &[field(1, b"app"), field(2, name.as_bytes())].concat());
    let template_labels = field(11, &[field(1, b"app"), field(2, name.as_bytes())].concat());
    let container = [field(1, b"main"), field(2, image.as_bytes())].concat();
    let template = [field(1, &template_labels), field(2, &field(2, &container))].concat();
    let spec = [number(1, replicas), field(2, &labels), field(3, &template)].concat();
    let status = [number(1, 3), number(2, replicas)].concat();
    protobuf("apps/v1", "Deployment", &[field(1, &metadata), field(2, &spec), field(3, &status)].concat())
}

/// Builds a snapshot of these writes, one revision each from 2 on; `None` deletes the key.
#[must_use]
pub fn cluster(writes: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
    // A test needs the few leaked objects until its end.
    let puts: Vec<Put> = writes
        .iter()
        .map(|(key, value)| {
            let key: &'static [u8] = Vec::leak(key.as_bytes().to_vec());
            let value = value.as_ref().map(|value| -> &'static [u8] { Vec::leak(value.clone()) });
            (key, value, 0)
        })
        .collect();
    snapshot(&puts)
}
