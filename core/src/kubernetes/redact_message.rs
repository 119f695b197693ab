//! Replaces texts in a protobuf message, and corrects the lengths around them. So no type needs an encoder.

use super::decode::{MAX_DEPTH, fits};
use super::redact_json::{self, JsonPlace};
use super::redact_rules::RedactState;
use super::redact_words::{Class, class, class_of_int_or_string, has_chosen_keys, is_quantity};
use super::type_table::{Base, Field, Schema, Shape};
use crate::protobuf_raw::{WireValue, next};

/// Appends a message of the table with its texts replaced; `None` if the bytes are not a message, and the contents of `out` are then useless.
pub fn redact(raw: &[u8], message: u16, state: &mut RedactState<'_>, out: &mut Vec<u8>) -> Option<()> {
    fields(raw, Some(message), 0, state, out)
}

/// Appends a message of unknown type with all of its values replaced; `None` as for [`redact`].
pub fn redact_unknown(raw: &[u8], state: &mut RedactState<'_>, out: &mut Vec<u8>) -> Option<()> {
    fields(raw, None, 0, state, out)
}

fn fields(raw: &[u8], message: Option<u16>, depth: u32, state: &mut RedactState<'_>, out: &mut Vec<u8>) -> Option<()> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let message = message.and_then(|number| Schema::builtin().message(number));
    let mut rest = raw;
    while !rest.is_empty() {
        let before = rest;
        let (number, value) = next(&mut rest)?;
        let bytes = before.get(..before.len().saturating_sub(rest.len()))?;
        let known = message.and_then(|message| message.fields.get(message.place(number)?));
        let Some(known) = known.filter(|field| fits(field, value)) else {
            unknown(number, value, bytes, state, out);
            continue;
        };
        let WireValue::Delimited(inner) = value else {
            out.extend_from_slice(bytes);
            continue;
        };
        // Only the metadata of a secret stays, whatever names its other fields have.
        let is_private_key = message.is_some_and(|message| message.has_private_key(known.name));
        let hides = is_private_key || state.is_secret && depth == 0 && !matches!(known.name, "metadata" | "type");
        let hides = hides && !state.hides;
        state.hides |= hides;
        if !known.inline {
            state.enter(known.name);
        }
        let mut new = Vec::new();
        if state.is_shown() {
            new.extend_from_slice(inner);
        } else if known.shape != Shape::Map {
            element(known, inner, depth, state, &mut new);
        } else if entry(known, inner, depth, state, &mut new).is_none() {
            new.clear();
            state.replace(inner.len(), &mut new);
        }
        state.hides &= !hides;
        if !known.inline {
            state.leave();
        }
        put(number, &new, out);
    }
    Some(())
}

/// Appends an entry of a map, which is a message `{1 key, 2 value}`.
fn entry(field: &Field, mut rest: &[u8], depth: u32, state: &mut RedactState<'_>, out: &mut Vec<u8>) -> Option<()> {
    while !rest.is_empty() {
        let before = rest;
        let (number, value) = next(&mut rest)?;
        let bytes = before.get(..before.len().saturating_sub(rest.len()))?;
        match (number, value) {
            (1, WireValue::Delimited(key)) => {
                let mut new = Vec::new();
                if has_chosen_keys(field) {
                    state.chosen_key(key, &mut new)
                } else {
                    state.fixed_key(key, &mut new)
                }
                put(1, &new, out);
            }
            (2, WireValue::Varint(_)) if matches!(field.base, Base::Bool | Base::Int | Base::Uint) => {
                out.extend_from_slice(bytes);
            }
            (2, WireValue::Delimited(inner)) => {
                let mut new = Vec::new();
                element(field, inner, depth, state, &mut new);
                put(2, &new, out);
            }
            _ => unknown(number, value, bytes, state, out),
        }
    }
    Some(())
}

/// Appends one delimited value of a field.
fn element(field: &Field, bytes: &[u8], depth: u32, state: &mut RedactState<'_>, out: &mut Vec<u8>) {
    let done = match field.base {
        Base::String => {
            state.text(class(field.name), bytes, out);
            Some(())
        }
        Base::Bytes => {
            state.text(Class::Free, bytes, out);
            Some(())
        }
        Base::Message | Base::Wrapped => fields(bytes, Some(field.message), depth.saturating_add(1), state, out),
        Base::Time | Base::MicroTime | Base::Duration => special(bytes, |_, _| Class::Free, state, out),
        Base::Quantity => {
            let keeps = |number, text: &[u8]| number == 1 && is_quantity(text);
            special(bytes, |number, text| if keeps(number, text) { Class::Word } else { Class::Free }, state, out)
        }
        Base::IntOrString => {
            let class = |number, text: &[u8]| if number == 3 { class_of_int_or_string(text) } else { Class::Free };
            special(bytes, class, state, out)
        }
        Base::RawJson => raw_json(field, bytes, state, out),
        // Packed numbers cannot be distinguished from text, and API servers do not pack numbers.
        Base::Bool | Base::Int | Base::Uint | Base::Double => None,
    };
    if done.is_none() {
        out.clear();
        state.replace(bytes.len(), out);
    }
}

/// Appends a message of numbers and texts; `class` returns the class of a text.
fn special(
    mut rest: &[u8],
    class: impl Fn(u32, &[u8]) -> Class,
    state: &mut RedactState<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    while !rest.is_empty() {
        let before = rest;
        match next(&mut rest)? {
            (number, WireValue::Delimited(text)) => {
                let mut new = Vec::new();
                state.text(class(number, text), text, &mut new);
                put(number, &new, out);
            }
            (number, value) => {
                let bytes = before.get(..before.len().saturating_sub(rest.len()))?;
                match value {
                    WireValue::Varint(_) if number <= 2 => out.extend_from_slice(bytes),
                    value => unknown(number, value, bytes, state, out),
                }
            }
        }
    }
    Some(())
}

/// Appends a message `{1 JSON}`.
fn raw_json(field: &Field, mut rest: &[u8], state: &mut RedactState<'_>, out: &mut Vec<u8>) -> Option<()> {
    let place = match field.name {
        "fieldsV1" => JsonPlace::ManagedFields,
        _ => JsonPlace::Texts(Class::Free),
    };
    while !rest.is_empty() {
        let before = rest;
        let (number, value) = next(&mut rest)?;
        let bytes = before.get(..before.len().saturating_sub(rest.len()))?;
        match (number, value) {
            (1, WireValue::Delimited(json)) => {
                let mut new = Vec::new();
                if redact_json::redact(json, place, state, &mut new).is_none() {
                    state.replace(json.len(), &mut new);
                }
                put(1, &new, out);
            }
            _ => unknown(number, value, bytes, state, out),
        }
    }
    Some(())
}

/// Appends an unknown field: its number and wire type stay, and its value is replaced.
pub(crate) fn unknown(number: u32, value: WireValue<'_>, bytes: &[u8], state: &mut RedactState<'_>, out: &mut Vec<u8>) {
    match value {
        WireValue::Delimited(inner) => {
            let mut new = Vec::new();
            state.text(Class::Free, inner, &mut new);
            put(number, &new, out);
        }
        _ if state.is_shown() => out.extend_from_slice(bytes),
        WireValue::Varint(_) => {
            state.replaced = state.replaced.saturating_add(1);
            let start = out.len();
            tag(number, 0, out);
            // A zero can be encoded in as many bytes as the number.
            let len =
                if state.rules.keep_size { bytes.len().saturating_sub(out.len().saturating_sub(start)) } else { 1 };
            out.resize(out.len().saturating_add(len.saturating_sub(1)), 0x80);
            out.push(0);
        }
        WireValue::Fixed64(inner) | WireValue::Fixed32(inner) => {
            state.replaced = state.replaced.saturating_add(1);
            tag(number, if inner.len() == 8 { 1 } else { 5 }, out);
            out.resize(out.len().saturating_add(inner.len()), 0);
        }
    }
}

/// Appends a delimited field.
pub fn put(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    tag(number, 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn tag(number: u32, wire: u64, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | wire, out);
}

/// Appends a number.
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
