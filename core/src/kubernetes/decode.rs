//! Decodes protobuf objects of every kind, by the table of types ([`type_table`](super::type_table)), into JSON values in the order of the API.
//!
//! The result is what the server that wrote the object would print. A field that is absent on the wire is not printed unless it is a pointer, list, map or bytes: writers put every
//! other field there, even if it is zero, so its absence means that the writer's version had no such field. An absent field that can be null is left out with `omitempty`, and `null` without.
//! A zero is left out with `omitempty`. A struct that is not a pointer is always printed.
//!
//! Fields that are not in the table are shown by number and counted. A truncated message is shown up to the truncated field.

use std::borrow::Cow;

use super::field_choice::{Chosen, FieldChoice};
use super::object_visitor::{MAX_VALUES, Sink};
use super::special_types::{self, IntOrString};
use super::type_table::{Base, Field, Message, Schema, Shape};
use super::{raw_json, unknown_fields};
use crate::protobuf_raw::{WireValue, next};
use crate::varint::varint;

/// Maximum depth of nested messages. Those of the table are not half as deep.
pub const MAX_DEPTH: u32 = 64;

/// Options of the decoder.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'o> {
    /// The value of `metadata.resourceVersion`, which stored objects lack: the revision that wrote the object.
    pub resource_version: Option<&'o str>,
    /// Whether a zero `creationTimestamp`, as in pod templates, is printed as `null`, as by servers up to 1.33. Later ones leave it out.
    pub null_creation_timestamp: bool,
    /// Whether to decode only kind, version and metadata.
    pub only_metadata: bool,
    /// Fields that are not decoded.
    pub skip: Skip,
}

/// Fields to leave out: often most of an object, and of the time to decode it. Objects that are stored as JSON keep all fields.
#[derive(Debug, Clone, Copy, Default)]
pub enum Skip {
    /// None.
    #[default]
    Nothing,
    /// `metadata.managedFields`.
    ManagedFields,
    /// All fields except these.
    AllBut(&'static FieldChoice),
}

/// Problems found while decoding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The number of fields that are not in the table, or have another wire type; each is shown by its number.
    pub unknown_fields: u64,
    /// The first part that could not be decoded; the object is shown without it.
    pub problem: Option<Problem>,
}

/// A part that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its path: names of fields, separated by dots; empty for the object itself.
    pub path: String,
    /// The problem, as the end of a sentence that begins with the path.
    pub what: &'static str,
}

/// Decodes the message `number` of the table into `sink`; `api_version` and `kind` come first, unless they are empty.
pub fn object<'a>(
    schema: &Schema,
    number: u16,
    (api_version, kind): (&'a str, &'a str),
    raw: &'a [u8],
    options: Options<'a>,
    sink: &mut impl Sink<'a>,
) -> Decoded {
    let mut decoder = Decoder {
        schema,
        options,
        entries: Vec::with_capacity(USUAL),
        slots: Vec::with_capacity(USUAL),
        trail: Vec::new(),
        values: 0,
        decoded: Decoded::default(),
    };
    sink.begin_object();
    for (name, text) in [("kind", kind), ("apiVersion", api_version)] {
        if !text.is_empty() {
            sink.key(Cow::Borrowed(name));
            sink.string(Cow::Borrowed(text));
        }
    }
    decoder.fields(raw, number, sink);
    sink.end_object();
    decoder.decoded
}

/// A field on the wire, in the list of those of the same message with the same place.
#[derive(Clone, Copy)]
struct WireEntry<'a> {
    value: WireValue<'a>,
    number: u32,
    next: u32,
}

/// First and last entry of a place.
#[derive(Clone, Copy)]
struct Slot {
    first: u32,
    last: u32,
}

const NONE: u32 = u32::MAX;

/// Number of fields that are open at a time in most objects.
const USUAL: usize = 128;

struct Decoder<'s, 'a> {
    schema: &'s Schema,
    options: Options<'a>,
    /// A stack: entries of the messages around the present one come first. So do slots.
    entries: Vec<WireEntry<'a>>,
    slots: Vec<Slot>,
    /// The names of the fields that contain the current one.
    trail: Vec<&'static str>,
    values: u32,
    decoded: Decoded,
}

impl<'a> Decoder<'_, 'a> {
    /// Passes the fields of a message to the sink, each with its key.
    fn fields(&mut self, raw: &'a [u8], number: u16, sink: &mut impl Sink<'a>) {
        let schema = self.schema;
        let Some(message) = schema.message(number) else { return };
        if self.trail.len() >= MAX_DEPTH as usize {
            return self.fail("is nested too deeply for a Kubernetes object");
        }
        let (slots, entries) = (self.slots.len(), self.entries.len());
        let chosen = match self.options.skip {
            Skip::AllBut(choice) => choice.of_message(number),
            Skip::Nothing | Skip::ManagedFields => None,
        };
        self.scan(raw, message, chosen, slots);
        match chosen {
            Some(chosen) => {
                for place in &chosen.places {
                    let Some(field) = message.fields.get(*place) else { break };
                    self.one_of(field, slots.saturating_add(*place), sink);
                }
            }
            None => {
                for (place, field) in message.fields.iter().enumerate() {
                    self.one_of(field, slots.saturating_add(place), sink);
                }
            }
        }
        if let Some(slot) = self.slots.last().copied().filter(|slot| slot.first != NONE) {
            self.unknown(slot, sink);
        }
        self.slots.truncate(slots);
        self.entries.truncate(entries);
    }

    /// Passes a field of the current message to the sink, unless it is left out.
    fn one_of(&mut self, field: &Field, slot: usize, sink: &mut impl Sink<'a>) {
        let Some(slot) = self.slots.get(slot).copied() else { return };
        if self.options.only_metadata && self.trail.is_empty() && field.name != "metadata" {
            return;
        }
        if slot.first != NONE && self.is_skipped(field.name) {
            return;
        }
        self.trail.push(field.name);
        self.field(field, slot, sink);
        self.trail.pop();
    }

    /// Whether a present field of the current message is left out.
    fn is_skipped(&self, name: &str) -> bool {
        matches!(self.options.skip, Skip::ManagedFields)
            && name == "managedFields"
            && self.trail.as_slice() == ["metadata"]
    }

    /// Whether only the number of elements of this list is wanted.
    fn is_counted(&self, name: &str) -> bool {
        matches!(self.options.skip, Skip::AllBut(choice) if choice.counts(name))
    }

    /// Sorts the fields of a message into the slots of the table's fields. Unknown fields go into one more slot after them; fields that are not chosen are skipped.
    fn scan(&mut self, raw: &'a [u8], message: &Message, chosen: Option<&Chosen>, base: usize) {
        let unknown = message.fields.len();
        self.slots.resize(base.saturating_add(unknown).saturating_add(1), Slot { first: NONE, last: NONE });
        let mut rest = raw;
        while !rest.is_empty() {
            let Some((number, value)) = next(&mut rest) else {
                return self.fail("ends within a field");
            };
            let place = message
                .place(number)
                .filter(|place| message.fields.get(*place).is_some_and(|field| fits(field, value)))
                .unwrap_or(unknown);
            if place != unknown && chosen.is_some_and(|chosen| !chosen.has(place)) {
                continue;
            }
            let at = u32::try_from(self.entries.len()).unwrap_or(NONE);
            if at >= MAX_VALUES {
                return self.fail("has more fields than any Kubernetes object");
            }
            self.entries.push(WireEntry { value, number, next: NONE });
            let Some(slot) = self.slots.get_mut(base.saturating_add(place)) else { return };
            if slot.first == NONE {
                slot.first = at;
            } else if let Some(last) = self.entries.get_mut(slot.last as usize) {
                last.next = at;
            }
            slot.last = at;
        }
    }

    fn field(&mut self, field: &Field, slot: Slot, sink: &mut impl Sink<'a>) {
        let last = self.entries.get(slot.last as usize).copied();
        if field.name == "resourceVersion"
            && self.trail.len() == 2
            && self.trail.first() == Some(&"metadata")
            && let Some(version) = self.options.resource_version
        {
            sink.key(Cow::Borrowed(field.name));
            return sink.string(Cow::Borrowed(version));
        }
        let Some(entry) = last else {
            let nullable = field.shape != Shape::One || field.base == Base::Bytes;
            if nullable && !field.omitempty && !field.inline && self.count_value() {
                sink.key(Cow::Borrowed(field.name));
                sink.null();
            }
            return;
        };
        if field.inline {
            if let WireValue::Delimited(bytes) = entry.value {
                self.fields(bytes, field.message, sink);
            }
            return;
        }
        if field.shape == Shape::One && field.omitempty && self.is_zero(field, entry.value) {
            return;
        }
        if !self.count_value() {
            return;
        }
        sink.key(Cow::Borrowed(field.name));
        match field.shape {
            Shape::One | Shape::Pointer => self.value(field, entry.value, sink),
            Shape::List => self.list(field, slot, sink),
            Shape::Map => self.map(field, slot, sink),
        }
    }

    /// Whether `omitempty`, or `omitzero` of a struct, leaves a value out.
    fn is_zero(&self, field: &Field, value: WireValue<'a>) -> bool {
        match (field.base, value) {
            (Base::Time | Base::MicroTime, WireValue::Delimited(bytes)) => {
                special_types::timestamp(bytes).is_none()
                    && !(self.options.null_creation_timestamp && field.name == "creationTimestamp")
            }
            (_, WireValue::Delimited(bytes) | WireValue::Fixed64(bytes) | WireValue::Fixed32(bytes)) => {
                bytes.iter().all(|byte| *byte == 0)
                    && (matches!(value, WireValue::Fixed64(_) | WireValue::Fixed32(_)) || bytes.is_empty())
            }
            (_, WireValue::Varint(number)) => number == 0,
        }
    }

    fn list(&mut self, field: &Field, slot: Slot, sink: &mut impl Sink<'a>) {
        sink.begin_array();
        let mut at = slot.first;
        while let Some(entry) = self.entries.get(at as usize).copied() {
            at = entry.next;
            match (field.base, entry.value) {
                (Base::Bool | Base::Int | Base::Uint, WireValue::Delimited(mut packed)) => {
                    while !packed.is_empty() && self.count_value() {
                        let Some(number) = varint(&mut packed) else {
                            self.fail("ends within a number");
                            break;
                        };
                        self.value(field, WireValue::Varint(number), sink);
                    }
                }
                _ if self.count_value() => self.value(field, entry.value, sink),
                _ => break,
            }
        }
        sink.end_array();
    }

    /// Passes a map, which is a list of messages `{1 key, 2 value}`: its keys in order, and of equal keys the last.
    fn map(&mut self, field: &Field, slot: Slot, sink: &mut impl Sink<'a>) {
        let mut pairs: Vec<(&'a [u8], WireValue<'a>)> = Vec::new();
        let mut at = slot.first;
        while let Some(entry) = self.entries.get(at as usize).copied() {
            at = entry.next;
            let WireValue::Delimited(mut rest) = entry.value else { continue };
            let empty = if matches!(field.base, Base::Bool | Base::Int | Base::Uint) {
                WireValue::Varint(0)
            } else {
                WireValue::Delimited(&[])
            };
            let (mut key, mut value): (&[u8], _) = (&[], empty);
            while !rest.is_empty() {
                match next(&mut rest) {
                    Some((1, WireValue::Delimited(bytes))) => key = bytes,
                    Some((2, found)) if fits_base(field.base, found) => value = found,
                    Some(_) => self.decoded.unknown_fields = self.decoded.unknown_fields.saturating_add(1),
                    None => {
                        self.fail("ends within an entry");
                        break;
                    }
                }
            }
            pairs.push((key, value));
        }
        pairs.sort_by(|a, b| a.0.cmp(b.0));
        sink.begin_object();
        for (at, (key, value)) in pairs.iter().enumerate() {
            if pairs.get(at.saturating_add(1)).is_some_and(|following| following.0 == *key) {
                continue;
            }
            if !self.count_value() {
                break;
            }
            sink.key(String::from_utf8_lossy(key));
            self.value(field, *value, sink);
        }
        sink.end_object();
    }

    /// Passes a value whose wire type fits.
    fn value(&mut self, field: &Field, value: WireValue<'a>, sink: &mut impl Sink<'a>) {
        match value {
            WireValue::Varint(number) => match field.base {
                Base::Bool => sink.bool(number != 0),
                Base::Uint => sink.uint(number),
                _ => sink.int(number.cast_signed()),
            },
            WireValue::Fixed64(bytes) => {
                let bytes = bytes.first_chunk::<8>().copied().unwrap_or_default();
                sink.float(f64::from_le_bytes(bytes));
            }
            WireValue::Fixed32(_) => sink.null(),
            WireValue::Delimited(bytes) => self.delimited(field, bytes, sink),
        }
    }

    fn delimited(&mut self, field: &Field, bytes: &'a [u8], sink: &mut impl Sink<'a>) {
        match field.base {
            Base::Message => {
                sink.begin_object();
                if !self.is_counted(field.name) {
                    self.fields(bytes, field.message, sink);
                }
                sink.end_object();
            }
            Base::Wrapped => self.wrapped(field, bytes, sink),
            Base::Time => match special_types::timestamp(bytes) {
                Some((seconds, _)) => sink.string(special_types::rfc3339(seconds, None).into()),
                None => sink.null(),
            },
            Base::MicroTime => match special_types::timestamp(bytes) {
                Some((seconds, nanos)) => {
                    let micros = nanos.clamp(0, 999_999_999).div_euclid(1000);
                    sink.string(special_types::rfc3339(seconds, Some(micros)).into());
                }
                None => sink.null(),
            },
            Base::Duration => sink.string(special_types::go_duration(special_types::duration(bytes)).into()),
            Base::Quantity => match special_types::inner(bytes) {
                [] => sink.string(Cow::Borrowed("0")),
                text => sink.string(String::from_utf8_lossy(text)),
            },
            Base::IntOrString => match special_types::int_or_string(bytes) {
                IntOrString::Int(number) => sink.int(number),
                IntOrString::Text(text) => sink.string(String::from_utf8_lossy(text)),
            },
            Base::RawJson => match special_types::inner(bytes) {
                [] => sink.null(),
                json if raw_json::is_json(json) => sink.raw(json),
                other => {
                    self.fail("is not JSON");
                    sink.string(String::from_utf8_lossy(other));
                }
            },
            Base::Bytes => sink.bytes(bytes),
            _ => sink.string(String::from_utf8_lossy(bytes)),
        }
    }

    /// Passes a message with a single list, which is that list in JSON.
    fn wrapped(&mut self, field: &Field, bytes: &'a [u8], sink: &mut impl Sink<'a>) {
        let schema = self.schema;
        let inner = schema.message(field.message).and_then(|message| message.fields.first());
        sink.begin_array();
        let mut rest = bytes;
        while !rest.is_empty() && self.count_value() {
            match next(&mut rest) {
                Some((1, value)) if inner.is_some_and(|inner| fits(inner, value)) => {
                    if let Some(inner) = inner {
                        self.value(inner, value, sink);
                    }
                }
                Some(_) => self.decoded.unknown_fields = self.decoded.unknown_fields.saturating_add(1),
                None => {
                    self.fail("ends within a list");
                    break;
                }
            }
        }
        sink.end_array();
    }

    /// Passes unknown fields by their numbers.
    fn unknown(&mut self, slot: Slot, sink: &mut impl Sink<'a>) {
        let mut found = Vec::new();
        let mut at = slot.first;
        while let Some(entry) = self.entries.get(at as usize).copied() {
            at = entry.next;
            found.push((entry.number, entry.value));
        }
        self.decoded.unknown_fields = self.decoded.unknown_fields.saturating_add(found.len() as u64);
        if self.count_value() {
            let mut left = MAX_VALUES.saturating_sub(self.values);
            unknown_fields::fields(&mut found, 0, &mut left, sink);
            self.values = MAX_VALUES.saturating_sub(left);
        }
    }

    /// Counts a value; returns false beyond the maximum.
    fn count_value(&mut self) -> bool {
        self.values = self.values.saturating_add(1);
        if self.values > MAX_VALUES {
            self.fail("has more values than any Kubernetes object; the others are left out");
        }
        self.values <= MAX_VALUES
    }

    fn fail(&mut self, what: &'static str) {
        if self.decoded.problem.is_none() {
            let names: Vec<&str> = self.trail.iter().copied().filter(|name| !name.is_empty()).collect();
            self.decoded.problem = Some(Problem { path: names.join("."), what });
        }
    }
}

/// Whether a value has the wire type of a field. Lists of numbers may be packed.
#[inline]
pub(super) fn fits(field: &Field, value: WireValue<'_>) -> bool {
    match field.shape {
        Shape::Map => matches!(value, WireValue::Delimited(_)),
        Shape::List if matches!(field.base, Base::Bool | Base::Int | Base::Uint) => {
            matches!(value, WireValue::Varint(_) | WireValue::Delimited(_))
        }
        _ => fits_base(field.base, value),
    }
}

#[inline]
fn fits_base(base: Base, value: WireValue<'_>) -> bool {
    match base {
        Base::Bool | Base::Int | Base::Uint => matches!(value, WireValue::Varint(_)),
        Base::Double => matches!(value, WireValue::Fixed64(_)),
        _ => matches!(value, WireValue::Delimited(_)),
    }
}
