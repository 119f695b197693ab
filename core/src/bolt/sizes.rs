//! Sizes of the parts of bbolt's pages.

/// Length of a page header, in bytes.
pub const HEADER: usize = 16;
/// Length of an element of a branch or leaf page, in bytes.
pub const ELEMENT: usize = 16;
