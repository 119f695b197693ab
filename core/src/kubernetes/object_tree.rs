//! An object as a tree, for uses that need all of it at once: sorted output, columns, comparison.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::object_visitor::{MAX_VALUES, Sink};
use super::raw_json;

/// A JSON value. Texts are borrowed from the decoded bytes if possible.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer greater than those of [`Int`](Self::Int).
    Uint(u64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list.
    Array(Vec<Node<'a>>),
    /// An object: its members, in the order in which they arrived.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Returns a member of an object; `None` for other values.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns a member of an object, mutably.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node<'a>> {
        match self {
            Self::Object(members) => members.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the member at the end of a path of names.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Node<'a>> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// Returns a text; `None` for other values.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the elements of a list; empty for other values.
    #[must_use]
    pub fn items(&self) -> &[Node<'a>] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// Sets a member of an object.
    pub fn set(&mut self, name: &'static str, value: Node<'a>) {
        if let Self::Object(members) = self {
            match members.iter_mut().find(|(key, _)| key == name) {
                Some((_, there)) => *there = value,
                None => members.push((Cow::Borrowed(name), value)),
            }
        }
    }

    /// Removes a member from an object and returns it.
    pub fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let Self::Object(members) = self else { return None };
        let at = members.iter().position(|(key, _)| key == name)?;
        Some(members.remove(at).1)
    }

    /// Returns the value with owned texts.
    #[must_use]
    pub fn into_owned(self) -> Node<'static> {
        match self {
            Self::Null => Node::Null,
            Self::Bool(value) => Node::Bool(value),
            Self::Int(value) => Node::Int(value),
            Self::Uint(value) => Node::Uint(value),
            Self::Float(value) => Node::Float(value),
            Self::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
            Self::Array(items) => Node::Array(items.into_iter().map(Node::into_owned).collect()),
            Self::Object(members) => {
                let owned = |(key, value): (Cow<'a, str>, Self)| (Cow::Owned(key.into_owned()), value.into_owned());
                Node::Object(members.into_iter().map(owned).collect())
            }
        }
    }

    /// Passes the value to a sink.
    pub fn print<'b>(&'b self, sink: &mut impl Sink<'b>) {
        match self {
            Self::Null => sink.null(),
            Self::Bool(value) => sink.bool(*value),
            Self::Int(value) => sink.int(*value),
            Self::Uint(value) => sink.uint(*value),
            Self::Float(value) => sink.float(*value),
            Self::Text(text) => sink.string(Cow::Borrowed(text)),
            Self::Array(items) => {
                sink.begin_array();
                items.iter().for_each(|item| item.print(sink));
                sink.end_array();
            }
            Self::Object(members) => {
                sink.begin_object();
                for (key, value) in members {
                    sink.key(Cow::Borrowed(key));
                    value.print(sink);
                }
                sink.end_object();
            }
        }
    }

    /// Removes all but the last of members with the same name, as API servers do when they read JSON. In JSON that they wrote, names are sorted and unique.
    pub fn drop_repeated(&mut self) {
        match self {
            Self::Array(items) => items.iter_mut().for_each(Node::drop_repeated),
            Self::Object(members) => {
                let rises = members.iter().zip(members.iter().skip(1)).all(|(a, b)| a.0 < b.0);
                if !rises {
                    let mut seen = HashSet::new();
                    let mut kept: Vec<_> = std::mem::take(members)
                        .into_iter()
                        .rev()
                        .filter(|(name, _)| seen.insert(name.clone()))
                        .collect();
                    kept.reverse();
                    *members = kept;
                }
                members.iter_mut().for_each(|(_, value)| value.drop_repeated());
            }
            _ => {}
        }
    }

    /// Sorts the members of all objects by the bytes of their names; of members with the same name, only the last stays.
    pub fn sort(&mut self) {
        match self {
            Self::Array(items) => items.iter_mut().for_each(Node::sort),
            Self::Object(members) => {
                members.sort_by(|a, b| a.0.cmp(&b.0));
                members.reverse();
                members.dedup_by(|later, kept| later.0 == kept.0);
                members.reverse();
                members.iter_mut().for_each(|(_, value)| value.sort());
            }
            _ => {}
        }
    }
}

/// A sink that builds a tree.
#[derive(Debug, Default)]
pub struct Builder<'a> {
    open: Vec<(Option<Cow<'a, str>>, Node<'a>)>,
    key: Option<Cow<'a, str>>,
    whole: Option<Node<'a>>,
    values: u32,
    is_cut: bool,
}

impl<'a> Builder<'a> {
    /// Returns the tree; `null` if no value arrived.
    #[must_use]
    pub fn finish(self) -> Node<'a> {
        self.whole.unwrap_or(Node::Null)
    }

    /// Whether values beyond [`MAX_VALUES`] were left out.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn put(&mut self, key: Option<Cow<'a, str>>, value: Node<'a>) {
        // The decoder limits its values itself; this limit is for JSON, whose values the decoder does not count.
        self.values = self.values.saturating_add(1);
        if self.values > MAX_VALUES {
            self.is_cut = true;
            return;
        }
        match self.open.last_mut() {
            Some((_, Node::Array(items))) => items.push(value),
            Some((_, Node::Object(members))) => members.push((key.unwrap_or_default(), value)),
            _ => self.whole = Some(value),
        }
    }

    fn leaf(&mut self, value: Node<'a>) {
        let key = self.key.take();
        self.put(key, value);
    }

    fn end(&mut self) {
        if let Some((key, value)) = self.open.pop() {
            self.put(key, value);
        }
    }
}

impl<'a> Sink<'a> for Builder<'a> {
    fn begin_object(&mut self) {
        let key = self.key.take();
        self.open.push((key, Node::Object(Vec::new())));
    }

    fn end_object(&mut self) {
        self.end();
    }

    fn begin_array(&mut self) {
        let key = self.key.take();
        self.open.push((key, Node::Array(Vec::new())));
    }

    fn end_array(&mut self) {
        self.end();
    }

    fn key(&mut self, key: Cow<'a, str>) {
        self.key = Some(key);
    }

    fn null(&mut self) {
        self.leaf(Node::Null);
    }

    fn bool(&mut self, value: bool) {
        self.leaf(Node::Bool(value));
    }

    fn int(&mut self, value: i64) {
        self.leaf(Node::Int(value));
    }

    fn uint(&mut self, value: u64) {
        self.leaf(i64::try_from(value).map_or(Node::Uint(value), Node::Int));
    }

    fn float(&mut self, value: f64) {
        self.leaf(Node::Float(value));
    }

    fn string(&mut self, value: Cow<'a, str>) {
        self.leaf(Node::Text(value));
    }

    fn bytes(&mut self, value: &'a [u8]) {
        self.leaf(Node::Text(STANDARD.encode(value).into()));
    }

    fn raw(&mut self, json: &'a [u8]) {
        if raw_json::read(json, self).is_err() {
            self.leaf(Node::Text(String::from_utf8_lossy(json)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_members_with_one_name_the_last_remains() {
        let mut builder = Builder::default();
        raw_json::read(br#"{"b":1,"a":[{"x":1,"x":2}],"b":{"c":1,"c":3},"d":0}"#, &mut builder).unwrap();
        let mut tree = builder.finish();
        tree.drop_repeated();
        let mut json = super::super::json::JsonText::default();
        tree.print(&mut json);
        assert_eq!(json.finish(), br#"{"a":[{"x":2}],"b":{"c":3},"d":0}"#);
    }

    #[test]
    fn members_are_sorted_and_the_last_of_equal_ones_remains() {
        let mut builder = Builder::default();
        raw_json::read(br#"{"b":1,"a":{"d":[{"z":1,"y":2}],"c":null},"b":2}"#, &mut builder).unwrap();
        let mut tree = builder.finish();
        tree.sort();
        let mut json = super::super::json::JsonText::default();
        tree.print(&mut json);
        assert_eq!(json.finish(), br#"{"a":{"c":null,"d":[{"y":2,"z":1}]},"b":2}"#);
    }
}
