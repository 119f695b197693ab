//! Writes YAML as `kubectl get -o yaml` does.
//!
//! Keys are in natural order, lists are not indented below their key, texts of several lines follow `|`, and long lines are folded at the first blank after column 80. Texts that YAML 1.1 would
//! parse as another type are in quotes. Unlike kubectl, this writer also escapes invisible characters that affect a terminal, such as U+202E, and U+2028 and U+2029, which readers would fold;
//! and it quotes `<<`, `=` and invalid dates. The output reads back as the same texts.

use std::borrow::Cow;

use super::go_numbers;
use super::natural_order;
use super::object_tree::Node;
use super::yaml_plain::{Style, is_escaped, style};

/// Lines are folded at the first blank after this column.
const WIDTH: usize = 80;
/// Keys with more bytes follow a question mark.
const SIMPLE_KEY: usize = 128;
/// Maximum depth of lists and objects; deeper values are left out. No decoded object is as deep.
const MAX_DEPTH: usize = 300;

/// Writes a value as a document, with a line break at its end.
#[must_use]
pub fn to_yaml(node: &Node<'_>) -> String {
    let mut writer = Writer { out: String::new(), column: 0, depth: 0 };
    match node {
        Node::Object(members) if !members.is_empty() => writer.members(members, 0),
        Node::Array(items) if !items.is_empty() => writer.items(items, 0),
        other => writer.scalar(other, 0),
    }
    if !writer.out.ends_with('\n') {
        writer.out.push('\n');
    }
    writer.out
}

struct Writer {
    out: String,
    /// Characters since the last line break.
    column: usize,
    depth: usize,
}

impl Writer {
    /// Writes the members of an object; the first one continues the current line, as after `- `.
    fn members(&mut self, members: &[(Cow<'_, str>, Node<'_>)], indent: usize) {
        let mut sorted: Vec<&(Cow<'_, str>, Node<'_>)> = members.iter().collect();
        natural_order::sort(&mut sorted, |member| &member.0);
        for (key, value) in sorted {
            self.line(indent);
            if key.len() > SIMPLE_KEY {
                self.put("? ");
                self.text(key, indent.saturating_add(2), false);
                self.line(indent);
                self.put(":");
                self.inner(value, indent, true);
            } else {
                self.text(key, indent.saturating_add(2), true);
                self.put(":");
                self.inner(value, indent, false);
            }
        }
    }

    fn items(&mut self, items: &[Node<'_>], indent: usize) {
        for item in items {
            self.line(indent);
            self.put("-");
            self.inner(item, indent, true);
        }
    }

    /// Writes a value after `:` or `-`. Lists after `:` are not indented; objects and lists after `-` continue the same line.
    fn inner(&mut self, value: &Node<'_>, indent: usize, same_line: bool) {
        let deeper = indent.saturating_add(2);
        self.depth = self.depth.saturating_add(1);
        match value {
            _ if self.depth > MAX_DEPTH => self.put(" null"),
            Node::Object(members) if !members.is_empty() => self.members(members, deeper),
            Node::Array(items) if !items.is_empty() => self.items(items, if same_line { deeper } else { indent }),
            other => self.scalar(other, deeper),
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn scalar(&mut self, value: &Node<'_>, indent: usize) {
        if self.column > 0 {
            self.put(" ");
        }
        match value {
            Node::Null => self.put("null"),
            Node::Bool(true) => self.put("true"),
            Node::Bool(false) => self.put("false"),
            Node::Int(number) => self.put(&number.to_string()),
            Node::Uint(number) => self.put(&number.to_string()),
            Node::Float(number) => self.put(&go_numbers::yaml(*number)),
            Node::Text(text) => self.text(text, indent, false),
            Node::Array(_) => self.put("[]"),
            Node::Object(_) => self.put("{}"),
        }
    }

    /// Begins a line, or continues the current one after `- `.
    fn line(&mut self, indent: usize) {
        let behind_indicator = self.column > 0
            && self.column < indent
            && self.out.ends_with(['-', ':', '?'])
            && self.out.rsplit('\n').next().is_some_and(|line| line.bytes().all(|byte| b" -:?".contains(&byte)));
        if self.column > 0 && !behind_indicator {
            self.break_line();
        }
        while self.column < indent {
            self.out.push(' ');
            self.column = self.column.saturating_add(1);
        }
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column = self.column.saturating_add(text.len());
    }

    fn sign(&mut self, sign: char) {
        self.out.push(sign);
        self.column = self.column.saturating_add(1);
    }

    fn break_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn fold(&mut self, indent: usize) {
        self.break_line();
        self.line(indent);
    }

    fn text(&mut self, text: &str, indent: usize, is_key: bool) {
        match style(text, is_key) {
            Style::Plain => self.folded(text, indent, is_key, Style::Plain),
            Style::Single => {
                self.put("'");
                self.folded(text, indent, is_key, Style::Single);
                self.put("'");
            }
            Style::Double => self.double(text, indent, is_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// Writes a text without escapes: a blank after the maximum width becomes a line break, which reads as a blank.
    fn folded(&mut self, text: &str, indent: usize, is_key: bool, style: Style) {
        let mut after_blank = false;
        let mut signs = text.char_indices().peekable();
        while let Some((at, sign)) = signs.next() {
            if sign == ' ' {
                let following = signs.peek().map(|(_, sign)| *sign);
                let inside = style == Style::Plain || (at > 0 && following.is_some());
                if !is_key && !after_blank && self.column > WIDTH && inside && following != Some(' ') {
                    self.fold(indent);
                } else {
                    self.sign(' ');
                }
                after_blank = true;
                continue;
            }
            after_blank = false;
            if sign == '\'' && style == Style::Single {
                self.sign('\'');
            }
            self.sign(sign);
        }
    }

    fn double(&mut self, text: &str, indent: usize, is_key: bool) {
        self.put("\"");
        let mut after_blank = false;
        let mut signs = text.char_indices().peekable();
        while let Some((at, sign)) = signs.next() {
            if sign == ' ' {
                let following = signs.peek().map(|(_, sign)| *sign);
                if !is_key && !after_blank && self.column > WIDTH && at > 0 && following.is_some() {
                    self.fold(indent);
                    if following == Some(' ') {
                        self.put("\\");
                    }
                } else {
                    self.sign(' ');
                }
                after_blank = true;
                continue;
            }
            after_blank = false;
            let odd = matches!(sign, '"' | '\\') || is_escaped(sign);
            if odd { self.put(&escape(sign)) } else { self.sign(sign) }
        }
        self.put("\"");
    }

    /// Writes a text of several lines. A number gives the indentation if the first line does not show it; `-` and `+` give the number of line breaks at the end.
    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put("2");
        }
        let without = text.strip_suffix('\n');
        match without {
            None => self.put("-"),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.put("+"),
            Some(_) => {}
        }
        self.break_line();
        let lines = without.unwrap_or(text).split('\n');
        let mut first = true;
        for line in lines {
            if !first {
                self.break_line();
            }
            first = false;
            if !line.is_empty() {
                self.line(indent);
                line.chars().for_each(|sign| self.sign(sign));
            }
        }
        if without.is_some() {
            self.break_line();
        }
    }
}

fn escape(sign: char) -> Cow<'static, str> {
    Cow::Borrowed(match sign {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        other => {
            let code = u32::from(other);
            return Cow::Owned(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    })
}
