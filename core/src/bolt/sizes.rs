//! Lengths that bolt's pages are made of.

/// Bytes of a page header.
pub const HEADER: usize = 16;
/// Bytes of an element of a branch or a leaf page.
pub const ELEMENT: usize = 16;
