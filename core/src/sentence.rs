//! Makes a sentence of a clause, for messages.

/// Adds a capital letter and a full stop to a clause; a sentence stays unchanged.
#[must_use]
pub fn sentence(clause: impl Into<String>) -> String {
    let mut text = clause.into();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.is_empty() && !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}
