//! Parses the YAML or JSON of a configuration into a tree whose memory is wiped.
//!
//! The number and the depth of nodes are bounded. Aliases are refused: no configuration needs them, and they can multiply nodes.

use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle};
use zeroize::Zeroizing;

/// Maximum number of nodes. A configuration has some dozens.
const MAX_NODES: usize = 20_000;

/// Maximum depth. A configuration has seven levels.
const MAX_DEPTH: usize = 32;

/// A node of the tree.
#[derive(Default)]
pub enum YamlNode {
    /// Empty, or `null`.
    #[default]
    Null,
    /// A text, a number or another scalar.
    Text(Zeroizing<String>),
    /// A list.
    List(Vec<YamlNode>),
    /// A map; each name occurs once.
    Map(Vec<(String, YamlNode)>),
}

/// Prints no contents.
impl fmt::Debug for YamlNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Text(_) => "Text(…)",
            Self::List(_) => "List(…)",
            Self::Map(_) => "Map(…)",
        })
    }
}

impl YamlNode {
    /// Returns the node with this name in a map; `None` if it is missing or null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        let node = members.iter().find(|(other, _)| other == name).map(|(_, node)| node)?;
        (!matches!(node, Self::Null)).then_some(node)
    }

    /// Whether a map contains the name, whatever its node is.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        matches!(self, Self::Map(members) if members.iter().any(|(other, _)| other == name))
    }

    /// Returns the text; `None` for other nodes.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns the items of a list; `None` for other nodes.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

/// A map or list whose end was not reached yet.
enum Open {
    List(Vec<YamlNode>),
    /// A map, with the name whose node comes next.
    Map(Vec<(String, YamlNode)>, Option<String>),
}

/// Parses one document.
///
/// # Errors
/// What is wrong, and where; without any text of the document.
pub fn read(text: &str) -> Result<YamlNode, String> {
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0_usize;
    let mut document = None;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = error.marker();
            format!("it is neither YAML nor JSON from line {}, column {} on", at.line(), at.col().saturating_add(1))
        })?;
        let wrong = |what: &str| format!("line {}: {what}", span.start.line());
        let done = match event {
            Event::Scalar(text, style, ..) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let text = Zeroizing::new(text.into_owned());
                Some(if is_null { YamlNode::Null } else { YamlNode::Text(text) })
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Some(YamlNode::List(items)),
                Some(Open::Map(members, _)) => Some(YamlNode::Map(members)),
                None => None,
            },
            Event::Alias(_) => {
                return Err(wrong(
                    "it contains an alias, which this program does not follow; write the value itself there",
                ));
            }
            Event::DocumentStart(_) if document.is_some() => return Err(wrong("a second document begins here")),
            Event::DocumentStart(_) | Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                None
            }
        };
        if open.len() > MAX_DEPTH {
            return Err(wrong("lists and maps are nested too deeply"));
        }
        let Some(node) = done else { continue };
        nodes = nodes.saturating_add(1);
        if nodes > MAX_NODES {
            return Err(wrong("it is longer than any configuration"));
        }
        match open.last_mut() {
            None => document = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map(members, name)) => match (name.take(), node) {
                (Some(name), node) => members.push((name, node)),
                (None, YamlNode::Text(text)) if members.iter().any(|(other, _)| *other == *text) => {
                    return Err(wrong("a name occurs twice"));
                }
                (None, YamlNode::Text(text)) => *name = Some(text.to_string()),
                (None, _) => return Err(wrong("a name is expected here")),
            },
        }
    }
    document.ok_or_else(|| "it is empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_read_alike() {
        for text in
            ["a:\n- b: 'x'\n  c: {}\n- ~\n", "{\"a\":[{\"b\":\"x\",\"c\":{}},null]}", "---\na: [{b: x, c: {}}, null]\n"]
        {
            let node = read(text).unwrap();
            let items = node.get("a").and_then(YamlNode::items).unwrap();
            assert_eq!(items[0].get("b").and_then(YamlNode::text), Some("x"));
            assert!(matches!(items[0].get("c"), Some(YamlNode::Map(members)) if members.is_empty()));
            assert!(matches!(items[1], YamlNode::Null));
        }
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = "[".repeat(100_000);
        let many = "- a\n".repeat(MAX_NODES + 1);
        let bomb = "a: &a [x]\nb: [*a , *a ]\n";
        for (text, why) in [
            (deep.as_str(), ""),
            (&many, "longer than any"),
            (bomb, "line 2: it contains an alias"),
            ("a: 1\na: 2\n", "line 2: a name occurs twice"),
            ("a: 1\n---\nb: 2\n", "a second document"),
            ("", "it is empty"),
            ("[a: }", "neither YAML nor JSON from line"),
            ("? [a]\n: b\n", "a name is expected"),
        ] {
            let error = read(text).expect_err(text.get(..20).unwrap_or(text));
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn errors_contain_no_text_of_the_document() {
        assert!(!format!("{:?}", read("SECRET").unwrap()).contains("SECRET"));
        assert!(!read("a: SECRET\nb: [SECRET").unwrap_err().contains("SECRET"));
    }
}
