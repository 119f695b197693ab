//! The table of Kubernetes' types: the fields of each message, in the order of the Go struct, and the message of each kind.
//!
//! `schema.bin` is made from Kubernetes' own Go modules, of 1.8 up to [`Schema::newest`], and OpenShift's, by `cargo xtask kubernetes`: equal messages are merged, and a message has the fields of all versions.
//! No field number was ever used again for another meaning. The layout of the file is drawn in `tests/reference/kubernetes/pack.go`, which writes it.

use std::sync::OnceLock;

use crate::varint::varint;

const TABLE: &[u8] = include_bytes!("schema.bin");
const MAGIC: &[u8] = b"k8sfacts\x02";

/// The type of a field, or of each element of a list or map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Text.
    String,
    /// Bytes, in JSON as base64.
    Bytes,
    /// `true` or `false`.
    Bool,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    Uint,
    /// A `float64`.
    Double,
    /// A message of the table.
    Message,
    /// `metav1.Time`.
    Time,
    /// `metav1.MicroTime`.
    MicroTime,
    /// `metav1.Duration`.
    Duration,
    /// `resource.Quantity`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// JSON in a message: `metav1.FieldsV1`, `runtime.RawExtension`.
    RawJson,
    /// A named slice: a message with a list as its only field, in JSON the list.
    Wrapped,
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Exactly one.
    One,
    /// One or none.
    Pointer,
    /// A list.
    List,
    /// A map with text keys.
    Map,
}

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its number on the wire.
    pub number: u32,
    /// Its name in JSON; empty when it is inline.
    pub name: &'static str,
    /// Its type.
    pub base: Base,
    /// How many values it has.
    pub shape: Shape,
    /// Whether JSON leaves it out if it is zero (`omitempty`; `omitzero` for a struct that is not a pointer).
    pub omitempty: bool,
    /// Whether JSON has the fields of its message in its place.
    pub inline: bool,
    /// The message of [`Base::Message`] and [`Base::Wrapped`].
    pub message: u16,
}

/// The fields of a message, in the order in which JSON has them.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The fields.
    pub fields: Vec<Field>,
    /// For each field number, the index of its field plus one; 0 for none.
    places: Vec<u8>,
}

/// A kind of object that the API server stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its group; empty for the core group.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its name.
    pub kind: &'static str,
    /// Whether its objects are in no namespace.
    pub cluster_wide: bool,
    /// Its message.
    pub message: u16,
}

/// The whole table.
#[derive(Debug, Default)]
pub struct Schema {
    newest: &'static str,
    messages: Vec<Message>,
    kinds: Vec<Kind>,
}

impl Schema {
    /// Returns the table of this program.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        // The table is part of the program, and a test parses it.
        SCHEMA.get_or_init(|| Self::parse(TABLE).unwrap_or_default())
    }

    /// Returns the newest minor version of Kubernetes in the table, such as `1.37`.
    #[must_use]
    pub fn newest(&self) -> &'static str {
        self.newest
    }

    /// Returns all kinds, ordered by group, version and name.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Returns the kind with this `api_version` (`apps/v1`, `v1`) and name.
    ///
    /// OpenShift up to 3.6 stored its objects in the core group; they are found in the groups that they have had since.
    #[must_use]
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<&Kind> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let key = (group, version, kind);
        if let Ok(at) = self.kinds.binary_search_by(|known| (known.group, known.version, known.kind).cmp(&key)) {
            return self.kinds.get(at);
        }
        let moved =
            |known: &&Kind| known.kind == kind && known.version == version && known.group.ends_with(".openshift.io");
        self.kinds.iter().find(moved).filter(|_| group.is_empty())
    }

    /// Returns all messages, indexed by number.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Returns a message by its number.
    #[must_use]
    #[inline]
    pub fn message(&self, number: u16) -> Option<&Message> {
        self.messages.get(usize::from(number))
    }

    fn parse(table: &'static [u8]) -> Option<Self> {
        let mut rest = table.strip_prefix(MAGIC)?;
        let newest = std::str::from_utf8(delimited(&mut rest)?).ok()?;
        let names = std::str::from_utf8(delimited(&mut rest)?).ok()?;
        let mut names = Met::new(names.split_terminator('\0').collect());
        let mut column = || delimited(&mut rest);
        let [mut groups, mut versions, mut kind_names, mut wide, mut of_kinds] =
            [column()?, column()?, column()?, column()?, column()?];
        let [counts, mut numbers, mut field_names, mut types, mut targets] =
            [column()?, column()?, column()?, column()?, column()?];
        let mut numbered = Met::new((0..=u16::MAX).collect());
        let mut kinds = Vec::new();
        while !wide.is_empty() {
            let [group, version, kind] =
                [names.next(&mut groups)?, names.next(&mut versions)?, names.next(&mut kind_names)?];
            let cluster_wide = varint(&mut wide)? == 1;
            kinds.push(Kind { group, version, kind, cluster_wide, message: numbered.next(&mut of_kinds)? });
        }
        let mut messages = Vec::new();
        let mut counts = counts;
        while !counts.is_empty() {
            let mut fields = Vec::new();
            let mut number = 0_i64;
            for _ in 0..varint(&mut counts)? {
                let step = varint(&mut numbers)?;
                // Zigzag: an odd number is a step back.
                number = number.checked_add((step >> 1).cast_signed() ^ (step & 1).cast_signed().wrapping_neg())?;
                let name = names.next(&mut field_names)?;
                let (packed, behind) = types.split_first()?;
                types = behind;
                let mut field = field(u32::try_from(number).ok()?, name, *packed)?;
                if matches!(field.base, Base::Message | Base::Wrapped) {
                    field.message = numbered.next(&mut targets)?;
                }
                fields.push(field);
            }
            messages.push(Message::new(fields));
        }
        let all = [groups, versions, kind_names, of_kinds, numbers, field_names, types, targets, rest];
        let is_whole = all.iter().all(|column| column.is_empty()) && messages.len() == numbered.met;
        is_whole.then_some(Self { newest, messages, kinds })
    }
}

/// Values that a column refers to by number: 0 for the first one that did not occur yet, otherwise one more than the index of an earlier one.
struct Met<T> {
    all: Vec<T>,
    met: usize,
}

impl<T: Copy> Met<T> {
    fn new(all: Vec<T>) -> Self {
        Self { all, met: 0 }
    }

    /// Returns the value of a column's next reference.
    fn next(&mut self, column: &mut &[u8]) -> Option<T> {
        let place = match usize::try_from(varint(column)?).ok()?.checked_sub(1) {
            Some(place) => place,
            None => {
                self.met = self.met.checked_add(1)?;
                self.met.checked_sub(1)?
            }
        };
        self.all.get(place).copied().filter(|_| place < self.met)
    }
}

impl Message {
    /// Whether a field is a private key: in a message that also has a certificate, the private key is the field `key`, a name that means something else elsewhere.
    pub(super) fn has_private_key(&self, field: &str) -> bool {
        field == "key" && self.fields.iter().any(|field| field.name == "certificate")
    }

    fn new(fields: Vec<Field>) -> Self {
        let mut places = Vec::new();
        for (place, field) in (1_u8..).zip(&fields) {
            let number = field.number as usize;
            if places.len() <= number {
                places.resize(number.saturating_add(1), 0);
            }
            if let Some(slot) = places.get_mut(number) {
                *slot = place;
            }
        }
        Self { fields, places }
    }

    /// Returns the index in [`fields`](Self::fields) of the field with this number.
    #[must_use]
    #[inline]
    pub fn place(&self, number: u32) -> Option<usize> {
        usize::from(*self.places.get(number as usize)?).checked_sub(1)
    }
}

fn delimited(rest: &mut &'static [u8]) -> Option<&'static [u8]> {
    let len = usize::try_from(varint(rest)?).ok()?;
    let (bytes, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(bytes)
}

/// Unpacks a field without its message; `packed` has everything except its number and name.
fn field(number: u32, name: &'static str, packed: u8) -> Option<Field> {
    const BASES: [Base; 14] = [
        Base::String,
        Base::Bytes,
        Base::Bool,
        Base::Int,
        Base::Uint,
        Base::Double,
        Base::Message,
        Base::Time,
        Base::MicroTime,
        Base::Duration,
        Base::Quantity,
        Base::IntOrString,
        Base::RawJson,
        Base::Wrapped,
    ];
    let base = *BASES.get(usize::from(packed >> 4))?;
    let shape = match packed >> 2 & 3 {
        0 => Shape::One,
        1 => Shape::Pointer,
        2 => Shape::List,
        _ => Shape::Map,
    };
    Some(Field { number, name, base, shape, omitempty: packed & 2 != 0, inline: packed & 1 != 0, message: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let schema = Schema::parse(TABLE).expect("a table");
        assert!(schema.kinds.len() > 200, "{}", schema.kinds.len());
        assert!(schema.newest.starts_with("1."));
        for message in &schema.messages {
            assert!(message.fields.len() < 255);
            for (place, field) in message.fields.iter().enumerate() {
                assert_eq!(message.place(field.number), Some(place), "{field:?}");
                assert!(schema.message(field.message).is_some());
                assert_eq!(field.name.is_empty(), field.inline, "{field:?}");
            }
        }
        assert!(schema.kinds.iter().all(|kind| schema.message(kind.message).is_some()));
    }

    #[test]
    fn kinds_are_found_by_api_version_and_name() {
        let schema = Schema::builtin();
        for (api_version, kind, group, cluster_wide) in [
            ("v1", "Pod", "", false),
            ("v1", "Node", "", true),
            ("v1", "RangeAllocation", "", true),
            ("apps/v1", "Deployment", "apps", false),
            ("extensions/v1beta1", "Deployment", "extensions", false),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", "rbac.authorization.k8s.io", true),
            ("policy/v1beta1", "PodSecurityPolicy", "policy", true),
            ("apiregistration.k8s.io/v1", "APIService", "apiregistration.k8s.io", true),
            ("route.openshift.io/v1", "Route", "route.openshift.io", false),
            ("v1", "DeploymentConfig", "apps.openshift.io", false),
        ] {
            let found = schema.kind(api_version, kind);
            let found = found.map(|kind| (kind.group, kind.cluster_wide || kind.kind == "RangeAllocation"));
            assert_eq!(found, Some((group, cluster_wide)), "{api_version} {kind}");
        }
        assert_eq!(schema.kind("example.com/v1", "Widget"), None);
    }
}
