//! Mutates protobuf messages with knowledge of their encoding. Some changes keep the meaning, some change it, some make the message invalid.

use super::numbers::{long_varint, number_near, varint};
use crate::seeded_random::SeededRandom;

/// A field as it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    number: u64,
    wire: u8,
    /// The bytes after the tag, including the length of a string.
    body: Vec<u8>,
}

impl Field {
    fn bytes(&self) -> Vec<u8> {
        [varint(self.number << 3 | u64::from(self.wire)), self.body.clone()].concat()
    }
}

/// Returns a mutated message, and a description of the change. The input may be any bytes.
pub fn mutate(message: &[u8], rng: &mut SeededRandom) -> (Vec<u8>, String) {
    let (mut fields, rest) = parse(message);
    if fields.is_empty() || rng.chance(8) {
        return raw(message, rng);
    }
    let at = rng.below(fields.len());
    let (number, wire) = (fields[at].number, fields[at].wire);
    let words = match rng.below(12) {
        0 => {
            fields.remove(at);
            format!("field {number} removed")
        }
        1 => {
            let copy = fields[at].clone();
            fields.insert(rng.below(fields.len() + 1), copy);
            format!("field {number} twice")
        }
        2 => {
            let mut other = fields[at].clone();
            let printed = change(&mut other, rng);
            let to = if rng.chance(50) { 0 } else { fields.len() };
            fields.insert(to, other);
            format!(
                "field {number} twice, {} of them changed: {printed}",
                if to == 0 { "the first" } else { "the last" }
            )
        }
        3 => {
            rng.shuffle(&mut fields);
            "fields in another order".to_owned()
        }
        4 => {
            let (field, printed) = unknown(rng);
            fields.insert(rng.below(fields.len() + 1), field);
            printed
        }
        5 => {
            let group = group(&fields[at], rng);
            fields.insert(rng.below(fields.len() + 1), group);
            format!("field {number} in a group")
        }
        6 => {
            let other = *rng.pick(&[0, 1, 2, 3, 4, 5, 6, 7]);
            fields[at].wire = other;
            format!("field {number} of wire type {other} instead of {wire}")
        }
        7 => {
            fields[at].number = number_near(number, 29, rng);
            format!("field {number} numbered {}", fields[at].number)
        }
        8 => {
            let len = rng.between(2, 12);
            let (value, _) = read_varint(&fields[at].body).unwrap_or_default();
            let after = read_varint(&fields[at].body).map_or(0, |(_, len)| len);
            if matches!(wire, 0 | 2) {
                fields[at].body.splice(..after, long_varint(value, len));
            }
            format!("number of field {number} in {len} bytes")
        }
        9 => {
            let field = Field { number: rng.between(1, 7) as u64, wire: 0, body: vec![0] };
            let printed = format!("field {} is written out as 0", field.number);
            fields.push(field);
            printed
        }
        _ => {
            let printed = change(&mut fields[at], rng);
            format!("field {number} changed: {printed}")
        }
    };
    let mut bytes: Vec<u8> = fields.iter().flat_map(Field::bytes).collect();
    bytes.extend_from_slice(&rest);
    (bytes, words)
}

/// Changes a field's value within its wire type.
fn change(field: &mut Field, rng: &mut SeededRandom) -> String {
    if field.wire == 0 {
        let (old, _) = read_varint(&field.body).unwrap_or_default();
        let new = number_near(old, 64, rng);
        field.body = varint(new);
        return format!("{old} to {new}");
    }
    if field.wire != 2 {
        let at = rng.below(field.body.len());
        if let Some(byte) = field.body.get_mut(at) {
            *byte ^= 1 << rng.below(8);
        }
        return "a bit".to_owned();
    }
    let (_, len) = read_varint(&field.body).unwrap_or_default();
    let mut text = field.body[len..].to_vec();
    let printed = match rng.below(5) {
        0 => {
            text.clear();
            "emptied"
        }
        1 => {
            text.truncate(rng.below(text.len()));
            "cut"
        }
        2 => {
            let at = rng.below(text.len() + 1);
            text.insert(at, rng.bits() as u8);
            "a byte more"
        }
        3 => {
            text = mutate(&text, rng).0;
            "a message in it"
        }
        _ => {
            let at = rng.below(text.len());
            if let Some(byte) = text.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
            "a bit"
        }
    };
    field.body = [varint(text.len() as u64), text].concat();
    printed.to_owned()
}

/// Returns a field that no etcd writes.
fn unknown(rng: &mut SeededRandom) -> (Field, String) {
    let number = *rng.pick(&[0, 7, 15, 16, 100, 2047, 2048, 19_000, (1 << 29) - 1, 1 << 29, u64::MAX >> 3]);
    let bits = rng.bits();
    let (wire, body) = match rng.below(6) {
        0 => (0, varint(bits)),
        1 => (1, bits.to_le_bytes().to_vec()),
        2 => (5, (bits as u32).to_le_bytes().to_vec()),
        3 => (2, [vec![3], b"abc".to_vec()].concat()),
        4 => (4, Vec::new()),
        _ => (3, varint(number << 3 | 4)),
    };
    (Field { number, wire, body }, format!("unknown field {number} of wire type {wire}"))
}

/// Wraps a field in a group, which may be nested, and may end with a different field number.
fn group(inner: &Field, rng: &mut SeededRandom) -> Field {
    let number = rng.between(1, 20) as u64;
    let depth = *rng.pick(&[1, 1, 2, 5, 40, 10_001]);
    let close = if rng.chance(20) { number + 1 } else { number };
    let mut body = varint(number << 3 | 3).repeat(depth - 1);
    body.extend(inner.bytes());
    body.extend(varint(number << 3 | 4).repeat(depth - 1));
    body.extend(varint(close << 3 | 4));
    Field { number, wire: 3, body }
}

/// Changes bytes without regard to the encoding.
fn raw(message: &[u8], rng: &mut SeededRandom) -> (Vec<u8>, String) {
    let mut bytes = message.to_vec();
    let at = rng.below(bytes.len() + 1);
    match rng.below(4) {
        0 => {
            bytes.truncate(at);
            (bytes, format!("cut to {at} bytes"))
        }
        1 => {
            bytes.insert(at, rng.bits() as u8);
            (bytes, format!("a byte more at {at}"))
        }
        2 => {
            let zeros = rng.between(1, 3);
            bytes.extend(vec![0; zeros]);
            (bytes, format!("{zeros} zeros behind it"))
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
            (bytes, format!("a bit of byte {at}"))
        }
    }
}

/// Returns the fields, and the rest that cannot be parsed.
fn parse(message: &[u8]) -> (Vec<Field>, Vec<u8>) {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() && fields.len() < 64 {
        let Some((field, after)) = field(rest) else { break };
        fields.push(field);
        rest = after;
    }
    (fields, rest.to_vec())
}

fn field(bytes: &[u8]) -> Option<(Field, &[u8])> {
    let (tag, len) = read_varint(bytes)?;
    let body = bytes.get(len..)?;
    let size = match tag & 7 {
        0 => read_varint(body)?.1,
        1 => 8,
        2 => {
            let (size, len) = read_varint(body)?;
            len.checked_add(usize::try_from(size).ok()?)?
        }
        5 => 4,
        _ => return None,
    };
    let field = Field { number: tag >> 3, wire: (tag & 7) as u8, body: body.get(..size)?.to_vec() };
    Some((field, &body[size..]))
}

/// Returns a varint and its length in bytes.
fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}
