//! Objects on stdout, one after the other, in the forms of kubectl.

use std::io::{self, IsTerminal};

use etcdsnap::core::key_syntax::is_unprintable;
use etcdsnap::core::kubernetes::json::JsonText;
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::pretty;
use etcdsnap::core::kubernetes::yaml::to_yaml;

use crate::cli::args_kube::KubeForm;
use crate::cli::failure::Failure;
use crate::cli::output::Lines;

/// Writes objects one by one; in YAML or JSON, several become the items of a List.
pub struct ObjectWriter {
    lines: Lines,
    form: KubeForm,
    is_list: bool,
    count: u64,
    /// Whether stdout is a terminal.
    to_terminal: bool,
}

impl ObjectWriter {
    /// Starts writing. As for kubectl, it is a list unless one object was asked for by its name.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn begin(form: KubeForm, is_list: bool) -> Result<Self, Failure> {
        let to_terminal = io::stdout().is_terminal();
        let mut writer = Self { lines: Lines::new(), form, is_list, count: 0, to_terminal };
        match form {
            KubeForm::Yaml if is_list => writer.lines.write(b"apiVersion: v1\n")?,
            KubeForm::Json if is_list => writer.lines.write(b"{\n    \"apiVersion\": \"v1\",\n")?,
            _ => {}
        }
        Ok(writer)
    }

    /// Whether the reader of stdout is still there.
    pub fn wanted(&self) -> bool {
        self.lines.wanted()
    }

    /// Writes an object.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn object(&mut self, mut node: Node<'_>) -> Result<(), Failure> {
        let first = self.count == 0;
        self.count = self.count.saturating_add(1);
        match (self.form, self.is_list) {
            (KubeForm::Yaml, false) => self.lines.write(to_yaml(&node).as_bytes()),
            (KubeForm::Yaml, true) => {
                if first {
                    self.lines.write(b"items:\n")?;
                }
                self.lines.write(to_yaml(&Node::Array(vec![node])).as_bytes())
            }
            (KubeForm::Json, false) => {
                node.sort();
                let json = pretty::to_json(&node);
                self.json(&json)
            }
            (KubeForm::Json, true) => {
                node.sort();
                let mut json = if first { b"    \"items\": [\n        ".to_vec() } else { b",\n        ".to_vec() };
                pretty::append(&node, 2, &mut json);
                self.json(&json)
            }
            (form, _) => {
                if form == KubeForm::Jsonl {
                    node.sort();
                }
                let mut text = JsonText::default();
                node.print(&mut text);
                let mut json = text.finish();
                json.push(b'\n');
                self.json(&json)
            }
        }
    }

    /// Writes an object in JSON on a line of its own.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn line(&mut self, mut json: Vec<u8>) -> Result<(), Failure> {
        self.count = self.count.saturating_add(1);
        json.push(b'\n');
        self.json(&json)
    }

    /// Ends the list and writes everything buffered.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        let empty = self.count == 0;
        match self.form {
            KubeForm::Yaml if self.is_list => {
                if empty {
                    self.lines.write(b"items: []\n")?;
                }
                self.lines.write(b"kind: List\nmetadata:\n  resourceVersion: \"\"\n")?;
            }
            KubeForm::Json if self.is_list => {
                self.lines.write(if empty { b"    \"items\": [],\n" } else { b"\n    ],\n" })?;
                let rest =
                    "    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n";
                self.lines.write(rest.as_bytes())?;
            }
            _ => {}
        }
        self.lines.finish()
    }

    /// Writes JSON. On a terminal, characters that would control it are escaped; control characters are escaped everywhere, because files are shown on terminals, too. The text stays the same for a JSON parser.
    fn json(&mut self, json: &[u8]) -> Result<(), Failure> {
        match std::str::from_utf8(json) {
            Ok(text) if self.to_terminal && text.contains(is_odd) => self.lines.write(escaped(text, is_odd).as_bytes()),
            Ok(text) if text.contains(is_control) => self.lines.write(escaped(text, is_control).as_bytes()),
            _ => self.lines.write(json),
        }
    }
}

fn is_odd(sign: char) -> bool {
    is_unprintable(sign) && sign != '\n'
}

/// DEL and the control characters beyond ASCII; JSON escapes those below by itself.
fn is_control(sign: char) -> bool {
    matches!(sign, '\u{7f}'..='\u{9f}')
}

fn escaped(text: &str, is_escaped: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        if is_escaped(sign) {
            for unit in sign.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(sign);
        }
    }
    out
}
