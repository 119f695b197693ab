//! Decodes values into objects, with secrets hidden.

use etcdsnap::core::kubernetes::conceal::{conceal, conceal_by_kind};
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::json::JsonText;
use etcdsnap::core::kubernetes::object::{self, Remarks, Unreadable};
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::{Snapshot, is_secret};

use crate::cli::exit::Exit;
use crate::cli::inspect::{encrypted, key_text};
use crate::cli::output;
use crate::cli::render::grouped_number::counted;

/// Maximum number of printed remarks; more are only counted.
const MAX_REMARKS: u64 = 10;

/// Decodes objects, and reports on stderr what cannot be decoded.
pub struct ValueReader {
    /// Whether secrets are shown.
    pub show_secrets: bool,
    remarks: u64,
    /// Objects that are not shown completely.
    damaged: u64,
    /// Whether it reports nothing, because the same objects are read once more.
    is_silent: bool,
}

impl ValueReader {
    /// Creates one that has read nothing yet.
    pub fn new(show_secrets: bool) -> Self {
        Self { show_secrets, remarks: 0, damaged: 0, is_silent: false }
    }

    /// Creates one that reports nothing and hides nothing, for objects that are not shown.
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::new(true) }
    }

    /// Decodes the value of a key; if that fails, reports it and returns `None`.
    pub fn tree<'a>(&mut self, key: &[u8], value: &'a [u8], options: Options<'a>) -> Option<Node<'a>> {
        self.read(key, value, options).map(|(node, _)| node)
    }

    /// Like [`tree`](Self::tree), but returns `None` unless every field can be decoded.
    pub fn whole<'a>(&mut self, key: &[u8], value: &'a [u8], options: Options<'a>) -> Option<Node<'a>> {
        let (node, remarks) = self.read(key, value, options)?;
        if remarks.is_empty() {
            return Some(node);
        }
        // An object with a problem was counted already.
        self.damaged = self.damaged.saturating_add(u64::from(remarks.problem.is_none()));
        None
    }

    fn read<'a>(&mut self, key: &[u8], value: &'a [u8], options: Options<'a>) -> Option<(Node<'a>, Remarks)> {
        match object::tree(value, options) {
            Ok((mut node, remarks)) => {
                self.remark(key, &remarks);
                self.hide_secrets(key, &mut node);
                Some((node, remarks))
            }
            Err(cause) => {
                self.cannot_read(key, &cause);
                None
            }
        }
    }

    /// Decodes an object without reporting anything; pass the result to [`note`](Self::note).
    ///
    /// # Errors
    /// When the value cannot be decoded as an object.
    pub fn shown<'a>(
        &self,
        key: &[u8],
        value: &'a [u8],
        options: Options<'a>,
    ) -> Result<(Node<'a>, Remarks), Unreadable> {
        let (mut node, remarks) = object::tree(value, options)?;
        self.hide_secrets(key, &mut node);
        Ok((node, remarks))
    }

    /// Reports and counts the problems of an object that [`shown`](Self::shown) decoded.
    pub fn note(&mut self, key: &[u8], found: Result<&Remarks, &Unreadable>) {
        match found {
            Ok(remarks) => self.remark(key, remarks),
            Err(cause) => self.cannot_read(key, cause),
        }
    }

    /// Returns the JSON as the API server prints it, except for hidden secrets; if the value cannot be decoded, reports it and returns `None`.
    pub fn api_json(&mut self, key: &[u8], value: &[u8], options: Options<'_>) -> Option<Vec<u8>> {
        let mut json = Vec::new();
        match object::api_json(value, options, &mut json) {
            Ok(remarks) => self.remark(key, &remarks),
            Err(cause) => {
                self.cannot_read(key, &cause);
                return None;
            }
        }
        if let Ok((node, _)) = object::tree(value, options) {
            let mut shown = node.clone();
            self.hide_secrets(key, &mut shown);
            if shown != node {
                let mut text = JsonText::default();
                shown.print(&mut text);
                json = text.finish();
            }
        }
        Some(json)
    }

    fn cannot_read(&mut self, key: &[u8], cause: &Unreadable) {
        self.damaged = self.damaged.saturating_add(1);
        // Encrypted values are reported together at the end, by the key that they need.
        if !matches!(cause, Unreadable::Encrypted(_)) {
            self.say(key, &cause.to_string());
        }
    }

    /// Whether the object under this key is a secret of which only names are shown.
    pub fn shows_only_names(&self, key: &[u8]) -> bool {
        !self.show_secrets && is_secret(key)
    }

    fn hide_secrets(&self, key: &[u8], node: &mut Node<'_>) {
        if !self.show_secrets {
            if is_secret(key) { conceal(node) } else { conceal_by_kind(node) }
        }
    }

    /// Reports a problem in an object that was decoded, and counts it.
    pub fn damaged(&mut self, key: &[u8], what: &str) {
        self.damaged = self.damaged.saturating_add(1);
        self.say(key, what);
    }

    fn remark(&mut self, key: &[u8], remarks: &Remarks) {
        self.damaged = self.damaged.saturating_add(u64::from(remarks.problem.is_some()));
        for sentence in remarks.sentences() {
            self.say(key, &sentence);
        }
    }

    fn say(&mut self, key: &[u8], what: &str) {
        self.remarks = self.remarks.saturating_add(1);
        if self.remarks <= MAX_REMARKS && !self.is_silent {
            output::warn(&format!("{}: {what}", key_text::key(key)));
        }
    }

    /// Reports the number of further remarks and the values that stayed encrypted; returns the exit code.
    pub fn finish(self, snapshot: &Snapshot) -> Exit {
        encrypted::report_counts(&snapshot.undecrypted());
        let more = self.remarks.saturating_sub(MAX_REMARKS);
        if more > 0 {
            output::warn(&format!("And {} more.", counted(more, "such remark", "such remarks")));
        }
        if self.damaged > 0 { Exit::Damage } else { Exit::Done }
    }
}
