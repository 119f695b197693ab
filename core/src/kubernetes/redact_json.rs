//! Replaces texts in JSON. The structure, the order and the blanks stay, and outside of secrets the numbers, too.

use std::borrow::Cow;

use super::raw_json::is_json;
use super::redact_rules::RedactState;
use super::redact_words::{Class, class, class_of_definition, class_of_int_or_string, has_chosen_keys, is_quantity};
use super::special_types::parse_rfc3339;
use super::type_table::{Base, Field, Schema, Shape};

/// Fields that are maps whose keys people choose.
const MAPS: &[&str] = &[
    "annotations",
    "binaryData",
    "data",
    "labels",
    "matchLabels",
    "nodeSelector",
    "options",
    "parameters",
    "selector",
    "stringData",
    "volumeAttributes",
];

/// The meaning of a value in JSON, which decides what stays of it.
#[derive(Debug, Clone, Copy)]
pub enum JsonPlace {
    /// An object of a message of the table.
    Message(u16),
    /// The value of a field of the table, or a list or map of such values.
    Field(&'static Field),
    /// A custom resource. Only its metadata and the conditions of its status have known fields.
    Custom,
    /// The status of a custom resource.
    CustomStatus,
    /// The conditions of that status.
    Conditions,
    /// A CustomResourceDefinition, or a part of it; texts are of this class.
    Definition(Class),
    /// A map from names of properties, in such a definition, to their schemas.
    Properties,
    /// `metav1.FieldsV1`: its member names are names of fields, some of which contain values.
    ManagedFields,
    /// The part of it below a map, such as `f:labels`: its member names are the keys of that map.
    ManagedKeys,
    /// A map whose keys people choose, and whose values are replaced.
    FreeMap,
    /// A text of this class, or a list or map of such texts.
    Texts(Class),
}

/// Appends JSON with its texts replaced; `None` if it is not JSON, and `out` is then unchanged.
pub fn redact(json: &[u8], place: JsonPlace, state: &mut RedactState<'_>, out: &mut Vec<u8>) -> Option<()> {
    if !is_json(json) {
        return None;
    }
    let before = out.len();
    let mut walk = JsonWalk { rest: json, state, out };
    let done = walk.value(place).and_then(|()| walk.blanks()).filter(|()| walk.rest.is_empty());
    if done.is_none() {
        out.truncate(before);
    }
    done
}

/// Walks over JSON that was checked before, so it is valid and at most 128 levels deep.
struct JsonWalk<'w, 'j, 'r> {
    rest: &'j [u8],
    state: &'w mut RedactState<'r>,
    out: &'w mut Vec<u8>,
}

impl<'j> JsonWalk<'_, 'j, '_> {
    fn value(&mut self, place: JsonPlace) -> Option<()> {
        self.blanks()?;
        match self.rest.first()? {
            b'{' => self.object(place),
            b'[' => self.array(place),
            b'"' => {
                let text = self.quoted()?;
                self.out.push(b'"');
                self.text(place, text);
                self.out.push(b'"');
                Some(())
            }
            _ => {
                let is_part = |byte: &u8| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                let len = self.rest.iter().take_while(|byte| is_part(byte)).count();
                let (scalar, tail) = self.rest.split_at_checked(len).filter(|_| len > 0)?;
                let is_number = scalar.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit());
                let is_metadata = matches!(place, JsonPlace::Message(_) | JsonPlace::Field(_));
                self.rest = tail;
                if is_number && self.state.is_secret && !is_metadata {
                    self.zero(len);
                } else {
                    self.out.extend_from_slice(scalar);
                }
                Some(())
            }
        }
    }

    /// Appends a zero for a number of `len` characters; with as many characters if the rules keep sizes.
    fn zero(&mut self, len: usize) {
        self.state.replaced = self.state.replaced.saturating_add(1);
        match len {
            2 if self.state.rules.keep_size => self.out.extend_from_slice(b"-0"),
            3.. if self.state.rules.keep_size => {
                self.out.extend_from_slice(b"0.");
                self.out.resize(self.out.len().saturating_add(len.saturating_sub(2)), b'0');
            }
            _ => self.out.push(b'0'),
        }
    }

    fn object(&mut self, place: JsonPlace) -> Option<()> {
        self.copy(1)?;
        loop {
            self.blanks()?;
            match self.rest.first()? {
                b'}' => return self.copy(1),
                b',' => self.copy(1)?,
                b'"' => {
                    let name = self.quoted()?;
                    self.out.push(b'"');
                    self.name(place, name);
                    self.out.push(b'"');
                    self.blanks()?;
                    self.copy(1)?;
                    let name = unescaped(name);
                    self.state.enter(&name);
                    let done = self.value(member(place, &name, self.state.is_secret));
                    self.state.leave();
                    done?;
                }
                _ => return None,
            }
        }
    }

    fn array(&mut self, place: JsonPlace) -> Option<()> {
        self.copy(1)?;
        loop {
            self.blanks()?;
            match self.rest.first()? {
                b']' => return self.copy(1),
                b',' => self.copy(1)?,
                _ => self.value(place)?,
            }
        }
    }

    /// Appends a member name, given without its quotes. Names stay, except for values in the names of managed fields.
    fn name(&mut self, place: JsonPlace, name: &[u8]) {
        let plain = unescaped(name);
        match (place, plain.get(..2)) {
            (JsonPlace::ManagedFields | JsonPlace::ManagedKeys, Some(kind @ ("k:" | "v:")))
                if !self.state.is_shown() =>
            {
                self.out.extend_from_slice(kind.as_bytes());
                self.state.replace_numbered(name.len().saturating_sub(2), self.out);
            }
            (JsonPlace::ManagedKeys, Some("f:")) if !MAPS.contains(&plain.get(2..).unwrap_or_default()) => {
                self.out.extend_from_slice(b"f:");
                self.key(name.get(2..).unwrap_or_default());
            }
            (JsonPlace::FreeMap, _) => self.key(name),
            (JsonPlace::Field(field), _) if field.shape == Shape::Map && has_chosen_keys(field) => self.key(name),
            _ => self.out.extend_from_slice(name),
        }
    }

    /// Appends a map key that people choose, given without its quotes. A key with escapes cannot be a name.
    fn key(&mut self, key: &[u8]) {
        if key.contains(&b'\\') && !self.state.is_shown() {
            self.state.replace_numbered(key.len(), self.out);
        } else {
            self.state.chosen_key(key, self.out);
        }
    }

    /// Appends a text, given without its quotes. A text with escapes is neither a word nor a name.
    fn text(&mut self, place: JsonPlace, text: &[u8]) {
        let class = match place {
            _ if text.contains(&b'\\') => Class::Free,
            JsonPlace::Field(field) => class_of_value(field, text),
            JsonPlace::Texts(class) | JsonPlace::Definition(class) => class,
            _ => Class::Free,
        };
        self.state.text(class, text, self.out);
    }

    /// Removes a text from the front of the rest; returns the bytes between its quotes.
    fn quoted(&mut self) -> Option<&'j [u8]> {
        let rest = self.rest.strip_prefix(b"\"")?;
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        })?;
        let (text, tail) = rest.split_at_checked(end)?;
        self.rest = tail.get(1..)?;
        Some(text)
    }

    fn blanks(&mut self) -> Option<()> {
        let len = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.copy(len)
    }

    fn copy(&mut self, len: usize) -> Option<()> {
        let (copied, tail) = self.rest.split_at_checked(len)?;
        self.out.extend_from_slice(copied);
        self.rest = tail;
        Some(())
    }
}

/// Returns the meaning of a member of a value.
fn member(place: JsonPlace, name: &str, is_secret: bool) -> JsonPlace {
    match place {
        JsonPlace::Message(message) => match field(message, name, 0) {
            Some(_) if Schema::builtin().message(message).is_some_and(|message| message.has_private_key(name)) => {
                JsonPlace::Texts(Class::Free)
            }
            Some(field) if field.base == Base::RawJson && field.name == "fieldsV1" => JsonPlace::ManagedFields,
            Some(field) => JsonPlace::Field(field),
            // In the table, the messages of objects lack the fields of `TypeMeta`.
            None if matches!(name, "apiVersion" | "kind") => JsonPlace::Texts(Class::Word),
            None => JsonPlace::Texts(Class::Free),
        },
        JsonPlace::Field(field) => match (field.base, field.shape) {
            (Base::Message, Shape::Map) => JsonPlace::Message(field.message),
            (_, Shape::Map) => JsonPlace::Field(field),
            (Base::Message, _) => member(JsonPlace::Message(field.message), name, is_secret),
            _ => JsonPlace::Texts(Class::Free),
        },
        JsonPlace::Custom => match name {
            "apiVersion" | "kind" => JsonPlace::Texts(Class::Word),
            "metadata" => metadata().map_or(JsonPlace::Texts(Class::Free), JsonPlace::Message),
            "data" | "stringData" | "binaryData" if is_secret => JsonPlace::FreeMap,
            "status" if !is_secret => JsonPlace::CustomStatus,
            _ => JsonPlace::Texts(Class::Free),
        },
        JsonPlace::CustomStatus if name == "conditions" => JsonPlace::Conditions,
        JsonPlace::CustomStatus => JsonPlace::Texts(Class::Free),
        JsonPlace::Conditions => match name {
            "reason" | "status" | "type" => JsonPlace::Texts(Class::Word),
            _ => JsonPlace::Texts(Class::Free),
        },
        JsonPlace::Definition(_) => match name {
            "metadata" => metadata().map_or(JsonPlace::Texts(Class::Free), JsonPlace::Message),
            "clientConfig" | "default" | "enum" | "example" | "examples" => JsonPlace::Texts(Class::Free),
            "definitions" | "patternProperties" | "properties" => JsonPlace::Properties,
            "apiVersion" => JsonPlace::Texts(Class::Word),
            _ => JsonPlace::Definition(class_of_definition(name)),
        },
        JsonPlace::Properties => JsonPlace::Definition(Class::Free),
        JsonPlace::ManagedFields | JsonPlace::ManagedKeys => {
            let is_map = name.strip_prefix("f:").is_some_and(|name| MAPS.contains(&name));
            if is_map { JsonPlace::ManagedKeys } else { JsonPlace::ManagedFields }
        }
        JsonPlace::FreeMap | JsonPlace::Texts(_) => JsonPlace::Texts(Class::Free),
    }
}

/// Returns the message `metav1.ObjectMeta` of the table.
pub fn metadata() -> Option<u16> {
    let schema = Schema::builtin();
    let pod = schema.message(schema.kind("v1", "Pod")?.message)?;
    pod.fields.iter().find(|field| field.name == "metadata").map(|field| field.message)
}

/// Returns a field of a message by its name, including fields of inlined messages.
fn field(message: u16, name: &str, depth: u8) -> Option<&'static Field> {
    let fields = &Schema::builtin().message(message)?.fields;
    fields.iter().find(|field| !field.inline && field.name == name).or_else(|| {
        let inline = fields.iter().filter(|field| field.inline && depth < 4);
        inline.into_iter().find_map(|inline| self::field(inline.message, name, depth.saturating_add(1)))
    })
}

/// Returns the class of a text in a field of the table.
fn class_of_value(field: &Field, text: &[u8]) -> Class {
    let keep = match field.base {
        Base::String => return class(field.name),
        Base::Time | Base::MicroTime => std::str::from_utf8(text).is_ok_and(|text| parse_rfc3339(text).is_some()),
        Base::Duration | Base::Quantity => is_quantity(text),
        Base::IntOrString => return class_of_int_or_string(text),
        _ => false,
    };
    if keep { Class::Word } else { Class::Free }
}

fn unescaped(name: &[u8]) -> Cow<'_, str> {
    if name.contains(&b'\\') {
        let quoted = [b"\"", name, b"\""].concat();
        return serde_json::from_slice::<String>(&quoted).unwrap_or_default().into();
    }
    String::from_utf8_lossy(name)
}
