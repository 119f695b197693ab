//! Changes to protobuf messages that know how these are written. Some leave the meaning as it is, some change it, some make no message of it.

use super::numbers::{long_varint, near, varint};
use crate::seeded_random::Dice;

/// A field as it stands in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    number: u64,
    wire: u8,
    /// Behind the tag: of a string its length, too.
    body: Vec<u8>,
}

impl Field {
    fn bytes(&self) -> Vec<u8> {
        [varint(self.number << 3 | u64::from(self.wire)), self.body.clone()].concat()
    }
}

/// Another message, and in words what was done. Any bytes may stand for the message.
pub fn mutate(message: &[u8], dice: &mut Dice) -> (Vec<u8>, String) {
    let (mut fields, rest) = parse(message);
    if fields.is_empty() || dice.chance(8) {
        return raw(message, dice);
    }
    let at = dice.below(fields.len());
    let (number, wire) = (fields[at].number, fields[at].wire);
    let words = match dice.below(12) {
        0 => {
            fields.remove(at);
            format!("field {number} removed")
        }
        1 => {
            let copy = fields[at].clone();
            fields.insert(dice.below(fields.len() + 1), copy);
            format!("field {number} twice")
        }
        2 => {
            let mut other = fields[at].clone();
            let said = change(&mut other, dice);
            let to = if dice.chance(50) { 0 } else { fields.len() };
            fields.insert(to, other);
            format!("field {number} twice, {} of them changed: {said}", if to == 0 { "the first" } else { "the last" })
        }
        3 => {
            dice.shuffle(&mut fields);
            "fields in another order".to_owned()
        }
        4 => {
            let (field, said) = unknown(dice);
            fields.insert(dice.below(fields.len() + 1), field);
            said
        }
        5 => {
            let group = group(&fields[at], dice);
            fields.insert(dice.below(fields.len() + 1), group);
            format!("field {number} in a group")
        }
        6 => {
            let other = *dice.pick(&[0, 1, 2, 3, 4, 5, 6, 7]);
            fields[at].wire = other;
            format!("field {number} of wire type {other} instead of {wire}")
        }
        7 => {
            fields[at].number = near(number, 29, dice);
            format!("field {number} numbered {}", fields[at].number)
        }
        8 => {
            let len = dice.between(2, 12);
            let (value, _) = read_varint(&fields[at].body).unwrap_or_default();
            let after = read_varint(&fields[at].body).map_or(0, |(_, len)| len);
            if matches!(wire, 0 | 2) {
                fields[at].body.splice(..after, long_varint(value, len));
            }
            format!("number of field {number} in {len} bytes")
        }
        9 => {
            let field = Field { number: dice.between(1, 7) as u64, wire: 0, body: vec![0] };
            let said = format!("field {} is written out as 0", field.number);
            fields.push(field);
            said
        }
        _ => {
            let said = change(&mut fields[at], dice);
            format!("field {number} changed: {said}")
        }
    };
    let mut bytes: Vec<u8> = fields.iter().flat_map(Field::bytes).collect();
    bytes.extend_from_slice(&rest);
    (bytes, words)
}

/// Changes a field's value in its own wire type.
fn change(field: &mut Field, dice: &mut Dice) -> String {
    if field.wire == 0 {
        let (old, _) = read_varint(&field.body).unwrap_or_default();
        let new = near(old, 64, dice);
        field.body = varint(new);
        return format!("{old} to {new}");
    }
    if field.wire != 2 {
        let at = dice.below(field.body.len());
        if let Some(byte) = field.body.get_mut(at) {
            *byte ^= 1 << dice.below(8);
        }
        return "a bit".to_owned();
    }
    let (_, len) = read_varint(&field.body).unwrap_or_default();
    let mut text = field.body[len..].to_vec();
    let said = match dice.below(5) {
        0 => {
            text.clear();
            "emptied"
        }
        1 => {
            text.truncate(dice.below(text.len()));
            "cut"
        }
        2 => {
            let at = dice.below(text.len() + 1);
            text.insert(at, dice.bits() as u8);
            "a byte more"
        }
        3 => {
            text = mutate(&text, dice).0;
            "a message in it"
        }
        _ => {
            let at = dice.below(text.len());
            if let Some(byte) = text.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
            "a bit"
        }
    };
    field.body = [varint(text.len() as u64), text].concat();
    said.to_owned()
}

/// A field that no etcd writes.
fn unknown(dice: &mut Dice) -> (Field, String) {
    let number = *dice.pick(&[0, 7, 15, 16, 100, 2047, 2048, 19_000, (1 << 29) - 1, 1 << 29, u64::MAX >> 3]);
    let bits = dice.bits();
    let (wire, body) = match dice.below(6) {
        0 => (0, varint(bits)),
        1 => (1, bits.to_le_bytes().to_vec()),
        2 => (5, (bits as u32).to_le_bytes().to_vec()),
        3 => (2, [vec![3], b"abc".to_vec()].concat()),
        4 => (4, Vec::new()),
        _ => (3, varint(number << 3 | 4)),
    };
    (Field { number, wire, body }, format!("unknown field {number} of wire type {wire}"))
}

/// A field in a group, which may lie in others, and may be closed by another number.
fn group(inner: &Field, dice: &mut Dice) -> Field {
    let number = dice.between(1, 20) as u64;
    let depth = *dice.pick(&[1, 1, 2, 5, 40, 10_001]);
    let close = if dice.chance(20) { number + 1 } else { number };
    let mut body = varint(number << 3 | 3).repeat(depth - 1);
    body.extend(inner.bytes());
    body.extend(varint(number << 3 | 4).repeat(depth - 1));
    body.extend(varint(close << 3 | 4));
    Field { number, wire: 3, body }
}

/// Changes bytes without a look at what they are.
fn raw(message: &[u8], dice: &mut Dice) -> (Vec<u8>, String) {
    let mut bytes = message.to_vec();
    let at = dice.below(bytes.len() + 1);
    match dice.below(4) {
        0 => {
            bytes.truncate(at);
            (bytes, format!("cut to {at} bytes"))
        }
        1 => {
            bytes.insert(at, dice.bits() as u8);
            (bytes, format!("a byte more at {at}"))
        }
        2 => {
            let zeros = dice.between(1, 3);
            bytes.extend(vec![0; zeros]);
            (bytes, format!("{zeros} zeros behind it"))
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
            (bytes, format!("a bit of byte {at}"))
        }
    }
}

/// The fields, and what cannot be read behind them.
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

/// A number and how many bytes it takes.
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
