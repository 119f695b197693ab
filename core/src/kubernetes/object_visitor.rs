//! The trait of sinks, which receive decoded objects value by value, in the order of the API.

use std::borrow::Cow;

/// Maximum number of values of one object. An object of 1.5 MiB, the default maximum of etcd, has some 100,000; a forged one could hold
/// millions of empty messages or members, each of which takes 56 bytes of a tree and prints as a hundred. What is beyond is left out, and said.
pub const MAX_VALUES: u32 = 500_000;

/// Receives JSON values; within an object, each value follows its key.
pub trait Sink<'a> {
    /// An object begins.
    fn begin_object(&mut self);
    /// The innermost object ends.
    fn end_object(&mut self);
    /// A list begins.
    fn begin_array(&mut self);
    /// The innermost list ends.
    fn end_array(&mut self);
    /// Receives the name of the value that follows.
    fn key(&mut self, key: Cow<'a, str>);
    /// `null`.
    fn null(&mut self);
    /// `true` or `false`.
    fn bool(&mut self, value: bool);
    /// An integer.
    fn int(&mut self, value: i64);
    /// An integer above those of [`int`](Self::int).
    fn uint(&mut self, value: u64);
    /// A number with a fraction or an exponent.
    fn float(&mut self, value: f64);
    /// A text.
    fn string(&mut self, value: Cow<'a, str>);
    /// Bytes, which become base64 in JSON.
    fn bytes(&mut self, value: &'a [u8]);
    /// A value that is already JSON, as [`raw_json::is_json`](super::raw_json::is_json) checks.
    fn raw(&mut self, json: &'a [u8]);
}
