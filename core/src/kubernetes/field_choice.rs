//! Chooses the fields of objects to decode, if a few of many are enough.

use super::type_table::{Message, Schema};

/// Names of the fields to decode, at any depth. Without the others, a Pod is decoded in a tenth of the time.
#[derive(Debug)]
pub struct FieldChoice {
    /// The chosen fields of each message, by its number.
    chosen: Vec<Chosen>,
    /// Names of lists whose elements stay empty.
    counted: &'static [&'static str],
}

/// The chosen fields of a message.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Their indexes among all fields of the message, in order.
    pub places: Vec<usize>,
    /// For each field of the message, whether it is one of them.
    has: Vec<bool>,
}

impl FieldChoice {
    /// Chooses the fields with these names, and inline fields, which have no name. Elements of the lists `counted` are not decoded, only counted.
    #[must_use]
    pub fn of(schema: &Schema, names: &[&str], counted: &'static [&'static str]) -> Self {
        let chosen = schema.messages().iter().map(|message| Chosen::of(message, names)).collect();
        Self { chosen, counted }
    }

    /// Whether the elements of this list are only counted.
    pub(super) fn counts(&self, name: &str) -> bool {
        self.counted.contains(&name)
    }

    /// Returns the chosen fields of a message.
    pub(super) fn of_message(&self, number: u16) -> Option<&Chosen> {
        self.chosen.get(usize::from(number))
    }
}

impl Chosen {
    fn of(message: &Message, names: &[&str]) -> Self {
        let has: Vec<bool> = message.fields.iter().map(|field| field.inline || names.contains(&field.name)).collect();
        let places = has.iter().enumerate().filter(|(_, has)| **has).map(|(place, _)| place).collect();
        Self { places, has }
    }

    /// Whether the field at this index is chosen.
    #[inline]
    pub fn has(&self, place: usize) -> bool {
        self.has.get(place).copied().unwrap_or_default()
    }
}
