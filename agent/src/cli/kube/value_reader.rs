//! Objects out of values, as they are shown.

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

/// Remarks that are printed; more are only counted.
const MAX_REMARKS: u64 = 10;

/// Reads objects, and says on stderr what of them cannot be read.
pub struct ValueReader {
    /// Whether secrets are shown.
    pub show_secrets: bool,
    remarks: u64,
    /// Objects that are not shown whole.
    damaged: u64,
    /// Whether nothing is said, because the same objects are read once more.
    is_silent: bool,
}

impl ValueReader {
    /// Nothing read yet.
    pub fn new(show_secrets: bool) -> Self {
        Self { show_secrets, remarks: 0, damaged: 0, is_silent: false }
    }

    /// One that says nothing and hides nothing, for what is not shown.
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::new(true) }
    }

    /// The object in the value of a key at a revision; none where it cannot be read, which is said.
    pub fn tree<'a>(&mut self, key: &[u8], value: &'a [u8], options: Options<'a>) -> Option<Node<'a>> {
        self.read(key, value, options).map(|(node, _)| node)
    }

    /// The same, but none unless it can be read to its last field.
    pub fn whole<'a>(&mut self, key: &[u8], value: &'a [u8], options: Options<'a>) -> Option<Node<'a>> {
        let (node, remarks) = self.read(key, value, options)?;
        if remarks.is_empty() {
            return Some(node);
        }
        // One with a problem is counted already.
        self.damaged = self.damaged.saturating_add(u64::from(remarks.problem.is_none()));
        None
    }

    fn read<'a>(&mut self, key: &[u8], value: &'a [u8], options: Options<'a>) -> Option<(Node<'a>, Remarks)> {
        match object::tree(value, options) {
            Ok((mut node, remarks)) => {
                self.remark(key, &remarks);
                self.hide(key, &mut node);
                Some((node, remarks))
            }
            Err(cause) => {
                self.cannot_read(key, &cause);
                None
            }
        }
    }

    /// An object as it is shown, without a word of what is wrong with it: that is for [`note`](Self::note).
    ///
    /// # Errors
    /// When it is no object that can be read.
    pub fn shown<'a>(
        &self,
        key: &[u8],
        value: &'a [u8],
        options: Options<'a>,
    ) -> Result<(Node<'a>, Remarks), Unreadable> {
        let (mut node, remarks) = object::tree(value, options)?;
        self.hide(key, &mut node);
        Ok((node, remarks))
    }

    /// Says and counts what was found of an object that [`shown`](Self::shown) read.
    pub fn note(&mut self, key: &[u8], found: Result<&Remarks, &Unreadable>) {
        match found {
            Ok(remarks) => self.remark(key, remarks),
            Err(cause) => self.cannot_read(key, cause),
        }
    }

    /// The JSON of the API server itself, to the last digit unless something is hidden; none where it cannot be read, which is said.
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
            self.hide(key, &mut shown);
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
        // What stays encrypted is told together at the end, by the key that it needs.
        if !matches!(cause, Unreadable::Encrypted(_)) {
            self.say(key, &cause.to_string());
        }
    }

    /// Whether everything of the object under a key is hidden but what names it.
    pub fn hides_all(&self, key: &[u8]) -> bool {
        !self.show_secrets && is_secret(key)
    }

    fn hide(&self, key: &[u8], node: &mut Node<'_>) {
        if !self.show_secrets {
            if is_secret(key) { conceal(node) } else { conceal_by_kind(node) }
        }
    }

    /// Says what is wrong with something in an object that was read, and counts it.
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

    /// Says how much more there was to say, and what of the snapshot stayed encrypted; the exit code.
    pub fn finish(self, snapshot: &Snapshot) -> Exit {
        encrypted::tell(&snapshot.unopened());
        let more = self.remarks.saturating_sub(MAX_REMARKS);
        if more > 0 {
            output::warn(&format!("And {} more.", counted(more, "such remark", "such remarks")));
        }
        if self.damaged > 0 { Exit::Damage } else { Exit::Done }
    }
}
