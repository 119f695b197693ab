//! Visits chosen fields of a message, for readers that need a few of them and no tree.

use super::decode::fits;
use super::field_choice::FieldChoice;
use super::type_table::{Field, Schema};
use crate::protobuf_raw::{WireValue, next};

/// Calls `take` with each chosen field of a message, whose type has this number in the table. Returns `None` if the message ends within a field, has a field that the table does not know or that has another
/// wire type, or `take` returns `None`: the decoder of [`decode`](super::decode) then says what is wrong with it.
pub(super) fn each_chosen_field<'a>(
    schema: &Schema,
    choice: &FieldChoice,
    number: u16,
    mut raw: &'a [u8],
    mut take: impl FnMut(&Field, WireValue<'a>) -> Option<()>,
) -> Option<()> {
    let (message, chosen) = (schema.message(number)?, choice.of_message(number)?);
    while !raw.is_empty() {
        let (number, value) = next(&mut raw)?;
        let place = message.place(number)?;
        let field = message.fields.get(place).filter(|field| fits(field, value))?;
        if chosen.has(place) {
            take(field, value)?;
        }
    }
    Some(())
}

/// Returns the bytes of a message or text field; `None` for a number.
pub(super) fn bytes(value: WireValue<'_>) -> Option<&[u8]> {
    match value {
        WireValue::Delimited(bytes) => Some(bytes),
        _ => None,
    }
}

/// Returns the text of a field; `None` if it is not UTF-8.
pub(super) fn text(value: WireValue<'_>) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

/// Returns the integer of a field; `None` for a text.
pub(super) fn int(value: WireValue<'_>) -> Option<i64> {
    match value {
        WireValue::Varint(number) => Some(number.cast_signed()),
        _ => None,
    }
}
