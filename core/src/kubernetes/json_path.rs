//! Paths into an object, as kubectl and definitions write them: `.spec.list[0].name`, `.metadata.labels['a.b/c']`, `[*]`, `[?(@.type=="Ready")].status`, with braces around or without.
//!
//! That is the part of `k8s.io/client-go/util/jsonpath` that columns and sorting use; ranges, unions, `..` and texts between paths are refused.

use super::go_numbers;
use super::json::JsonText;
use super::tree::Node;

/// Steps of a path at most; each walks over what the one before found.
const MAX_STEPS: usize = 64;
/// Values that a path finds at most.
const MAX_FOUND: usize = 100_000;

/// A path that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    /// Negative ones count from the end.
    Element(i64),
    All,
    /// Elements whose value at a path compares so with a literal; all that have one without.
    Where(Vec<Step>, Option<(Compare, Literal)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(f64),
    Bool(bool),
}

impl JsonPath {
    /// Reads a path; `.a`, `a`, `{.a}` and `$.a` are the same.
    ///
    /// # Errors
    /// What of it is not understood, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.trim();
        let inner = inner.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(inner).trim();
        let mut reader = Reader { rest: inner.strip_prefix('$').or(inner.strip_prefix('@')).unwrap_or(inner) };
        let steps = reader.steps(false)?;
        if !reader.rest.is_empty() {
            return Err(format!("has {:?}, which is not understood", reader.rest));
        }
        Ok(Self { steps })
    }

    /// What is there, in order; nothing when a step leads nowhere.
    #[must_use]
    pub fn find<'n>(&self, node: &'n Node<'n>) -> Vec<&'n Node<'n>> {
        walk(&self.steps, node)
    }
}

fn walk<'n>(steps: &[Step], node: &'n Node<'n>) -> Vec<&'n Node<'n>> {
    let mut found = vec![node];
    for step in steps {
        let mut next: Vec<&'n Node<'n>> = Vec::new();
        for node in found {
            match step {
                Step::Member(name) => next.extend(node.get(name)),
                Step::Element(number) => next.extend(element(node.items(), *number)),
                Step::All => match node {
                    Node::Object(members) => next.extend(members.iter().map(|(_, value)| value)),
                    other => next.extend(other.items()),
                },
                Step::Where(path, condition) => {
                    let meets = |node: &&Node<'_>| {
                        let there = walk(path, node);
                        match condition {
                            None => !there.is_empty(),
                            Some((compare, literal)) => {
                                there.first().is_some_and(|value| meets(value, *compare, literal))
                            }
                        }
                    };
                    next.extend(node.items().iter().filter(meets));
                }
            }
            if next.len() > MAX_FOUND {
                break;
            }
        }
        found = next;
    }
    found
}

fn element<'n>(items: &'n [Node<'n>], number: i64) -> Option<&'n Node<'n>> {
    let from_end = usize::try_from(number.unsigned_abs()).ok()?;
    items.get(if number < 0 { items.len().checked_sub(from_end)? } else { from_end })
}

fn meets(value: &Node<'_>, compare: Compare, literal: &Literal) -> bool {
    let order = match (value, literal) {
        (Node::Text(text), Literal::Text(wanted)) => Some((**text).cmp(wanted.as_str())),
        (Node::Bool(value), Literal::Bool(wanted)) => Some(value.cmp(wanted)),
        (value, Literal::Number(wanted)) => number(value).and_then(|value| value.partial_cmp(wanted)),
        _ => None,
    };
    match (order, compare) {
        (Some(order), Compare::Equal) => order.is_eq(),
        (order, Compare::Unequal) => order.is_none_or(|order| order.is_ne()),
        (Some(order), Compare::Less) => order.is_lt(),
        (Some(order), Compare::LessOrEqual) => order.is_le(),
        (Some(order), Compare::Greater) => order.is_gt(),
        (Some(order), Compare::GreaterOrEqual) => order.is_ge(),
        (None, _) => false,
    }
}

/// A number as a float.
#[must_use]
pub fn number(node: &Node<'_>) -> Option<f64> {
    match node {
        Node::Int(value) => Some(*value as f64),
        Node::Uint(value) => Some(*value as f64),
        Node::Float(value) => Some(*value),
        _ => None,
    }
}

/// Reads the steps of a path from the front of a text.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The steps up to the end; within a filter up to what cannot be a step.
    fn steps(&mut self, in_filter: bool) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            if steps.len() > MAX_STEPS {
                return Err("is too long".to_owned());
            }
            if self.rest.is_empty() {
                return Ok(steps);
            }
            if self.take("..") {
                return Err("has .., which is not understood".to_owned());
            }
            if self.take("[") {
                steps.push(self.bracket(in_filter)?);
            } else if self.take(".") || steps.is_empty() && !in_filter {
                // A point alone is the object itself, and one before a bracket says nothing.
                if self.rest.is_empty() || self.rest.starts_with('[') {
                    continue;
                }
                if self.take("*") {
                    steps.push(Step::All);
                    continue;
                }
                let name = self.name();
                if name.is_empty() {
                    return Err(format!("has no name before {:?}", self.rest));
                }
                steps.push(Step::Member(name));
            } else if in_filter {
                return Ok(steps);
            } else {
                return Err(format!("has {:?}, which is not understood", self.rest));
            }
        }
    }

    /// A name up to a point, a bracket or an operator; a backslash takes the next character as it is.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let mut signs = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '\\' => name.extend(signs.next().map(|(_, sign)| sign)),
                '.' | '[' | ']' | ')' | '=' | '!' | '<' | '>' | ' ' | '{' | '}' => {
                    end = at;
                    break;
                }
                sign => name.push(sign),
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        name
    }

    fn bracket(&mut self, in_filter: bool) -> Result<Step, String> {
        self.blanks();
        let step = if self.take("*") {
            Step::All
        } else if !in_filter && self.take("?(") {
            self.filter()?
        } else if self.rest.starts_with(['\'', '"']) {
            Step::Member(self.quoted()?)
        } else {
            let end = self.rest.find(']').unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
            self.rest = rest;
            Step::Element(number.trim().parse().map_err(|_| format!("has [{number}], which is not understood"))?)
        };
        self.blanks();
        if self.take("]") { Ok(step) } else { Err("lacks a ]".to_owned()) }
    }

    fn filter(&mut self) -> Result<Step, String> {
        self.blanks();
        if !self.take("@") {
            return Err("has a filter that does not begin with @".to_owned());
        }
        let path = self.steps(true)?;
        self.blanks();
        let words = [
            ("==", Compare::Equal),
            ("!=", Compare::Unequal),
            ("<=", Compare::LessOrEqual),
            (">=", Compare::GreaterOrEqual),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ];
        let compare = words.into_iter().find(|(word, _)| self.take(word)).map(|(_, compare)| compare);
        let condition = match compare {
            Some(compare) => {
                self.blanks();
                Some((compare, self.literal()?))
            }
            None => None,
        };
        self.blanks();
        if self.take(")") { Ok(Step::Where(path, condition)) } else { Err("lacks a ) behind its filter".to_owned()) }
    }

    fn literal(&mut self) -> Result<Literal, String> {
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(Literal::Text);
        }
        let end = self.rest.find(')').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        match word.trim() {
            "true" => Ok(Literal::Bool(true)),
            "false" => Ok(Literal::Bool(false)),
            word => word
                .parse()
                .map(Literal::Number)
                .map_err(|_| format!("compares with {word:?}, which is not understood")),
        }
    }

    /// A text in quotes of either kind.
    fn quoted(&mut self) -> Result<String, String> {
        let mut signs = self.rest.char_indices();
        let quote = signs.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, sign)) = signs.next() {
            if Some(sign) == quote {
                self.rest = self.rest.get(at.saturating_add(1)..).unwrap_or_default();
                return Ok(text);
            }
            if sign == '\\' {
                text.extend(signs.next().map(|(_, sign)| sign));
            } else {
                text.push(sign);
            }
        }
        Err("lacks a closing quote".to_owned())
    }
}

/// A value as Go's `%v` prints it, which is what custom columns have.
#[must_use]
pub fn go_text(node: &Node<'_>) -> String {
    match node {
        Node::Null => "<nil>".to_owned(),
        Node::Text(text) => text.clone().into_owned(),
        Node::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Node::Object(members) => {
            let mut all: Vec<(&str, String)> = members.iter().map(|(key, value)| (&**key, go_text(value))).collect();
            all.sort();
            let all: Vec<String> = all.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("map[{}]", all.join(" "))
        }
        Node::Float(value) => go_float(*value),
        scalar => json_text(scalar),
    }
}

/// A float as Go's `%v` prints it: with an exponent below -4 and from 21 on.
pub(super) fn go_float(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 { go_numbers::yaml(value) } else { go_numbers::json(value) }
}

/// A value as JSON, sorted.
pub(super) fn json_text(node: &Node<'_>) -> String {
    let mut sorted = node.clone();
    sorted.sort();
    let mut text = JsonText::default();
    sorted.print(&mut text);
    String::from_utf8_lossy(&text.finish()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::raw_json;
    use super::super::tree::Builder;
    use super::*;

    const OBJECT: &[u8] = br#"{"a":{"b.c/d":1,"list":[{"type":"x","n":1},{"type":"Ready","status":"True","n":2.5}]},"t":"text","ok":true}"#;

    fn found(path: &str) -> String {
        let mut builder = Builder::default();
        raw_json::read(OBJECT, &mut builder).unwrap();
        let node = builder.finish();
        let path = JsonPath::parse(path).unwrap_or_else(|error| panic!("{path} {error}"));
        path.find(&node).into_iter().map(go_text).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn paths_lead_to_values() {
        for (path, want) in [
            (".t", "text"),
            ("t", "text"),
            ("{.t}", "text"),
            ("{ $.t }", "text"),
            (".a['b.c/d']", "1"),
            (r".a['b\.c/d']", "1"),
            (r".a.b\.c/d", "1"),
            (r#".a["b.c/d"]"#, "1"),
            (".a.list[0].type", "x"),
            (".a.list[-1].type", "Ready"),
            (".a.list[7].type", ""),
            (".a.list[*].type", "x,Ready"),
            (r#".a.list[?(@.type=="Ready")].status"#, "True"),
            (".a.list[?(@.type == 'Ready')].n", "2.5"),
            (".a.list[?(@.type!='Ready')].n", "1"),
            (".a.list[?(@.n>1)].type", "Ready"),
            (".a.list[?(@.status)].type", "Ready"),
            (".a.list[0]", "map[n:1 type:x]"),
            (".nothing.at.all", ""),
            (".ok", "true"),
        ] {
            assert_eq!(found(path), want, "{path}");
        }
        assert!(found("@").starts_with("map[a:map[b.c/d:1 list:[map"));
        assert_eq!(found("."), found("@"));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for path in ["..a", ".a[", ".a[x]", ".a['b", "[?(a==1)]", "[?(@.a==b)]", "[?(@.a==1]", ".a..b", ".a]", "{.a"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
