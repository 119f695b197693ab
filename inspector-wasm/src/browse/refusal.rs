//! Why a question has no answer.

/// The reason, in a sentence.
pub(crate) type Refusal = String;
