//! Why a call failed.

/// The reason, as a sentence.
pub(crate) type Refusal = String;
