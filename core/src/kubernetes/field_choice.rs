//! Which fields of an object are read, where a few of many are enough.

use super::type_table::{Message, Schema};

/// Fields that are read, by their names in whatever depth. Without a look at the others a Pod is read in a tenth of the time.
#[derive(Debug)]
pub struct FieldChoice {
    /// By the number of the message.
    chosen: Vec<Chosen>,
    /// Names of lists whose elements are shown empty.
    counted: &'static [&'static str],
}

/// The chosen fields of a message.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Where they are among all fields of the message, in order.
    pub places: Vec<usize>,
    /// Of each field of the message whether it is one of them.
    has: Vec<bool>,
}

impl FieldChoice {
    /// The fields of these names. What stands inline in a message has no name, and is among them. Of lists that are `counted` only the number of elements is read.
    #[must_use]
    pub fn of(schema: &Schema, names: &[&str], counted: &'static [&'static str]) -> Self {
        let chosen = schema.messages().iter().map(|message| Chosen::of(message, names)).collect();
        Self { chosen, counted }
    }

    /// Whether of a field only the number of elements is read.
    pub(super) fn counts(&self, name: &str) -> bool {
        self.counted.contains(&name)
    }

    /// Those of a message.
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

    /// Whether the field at a place is one of them.
    #[inline]
    pub fn has(&self, place: usize) -> bool {
        self.has.get(place).copied().unwrap_or_default()
    }
}
