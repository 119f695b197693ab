//! Follows paths into an object, as kubectl and definitions write them: `.spec.list[0].name`, `.metadata.labels['a.b/c']`, `[*]`, `[?(@.type=="Ready")].status`, with or without braces.
//!
//! The language is that of `k8s.io/client-go/util/jsonpath`, except that `['a.b/c']` finds the member with that name without backslashes.

use super::go_numbers;
use super::json::JsonText;
use super::json_path_reader::PathReader;
use super::json_path_steps::{Compare, FilterCondition, PathStep};
use super::object_tree::Node;

/// Maximum number of values that a column or a path of `--sort-by` may visit: a definition in a snapshot may contain any path, and an object may have any shape.
const MAX_VISITED: u64 = 1_000_000;

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<PathStep>,
}

impl JsonPath {
    /// Parses a path; `.a`, `a`, `{.a}` and `$.a` are the same.
    ///
    /// # Errors
    /// The part that is not understood, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.trim();
        let inner = inner.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(inner).trim();
        let begins_as_path = inner.is_empty() || inner.starts_with(['.', '[', '@', '$']);
        let path = if begins_as_path { inner.to_owned() } else { format!(".{inner}") };
        let mut reader = PathReader::new(&path);
        let steps = reader.steps()?;
        match reader.rest() {
            "" => Ok(Self { steps }),
            rest => Err(format!("has {rest:?}, which is not understood")),
        }
    }

    /// Returns the values to which the path leads, in order; none if a step leads nowhere.
    #[must_use]
    pub fn find<'n>(&'n self, node: &'n Node<'n>) -> Vec<&'n Node<'n>> {
        let mut walk = PathWalk { left: MAX_VISITED, is_strict: false };
        walk.steps(&self.steps, vec![node]).unwrap_or_default()
    }
}

/// Walks along paths.
pub(super) struct PathWalk {
    /// How many more values may be visited.
    pub left: u64,
    /// Whether an index beyond the end of a list, or of a value that is not a list, is an error, as in kubectl's templates.
    pub is_strict: bool,
}

/// Values that were found.
type Nodes<'n> = Vec<&'n Node<'n>>;

impl PathWalk {
    /// Follows steps from some values; returns the values to which they lead.
    ///
    /// # Errors
    /// The reason for the failure, as a sentence without its full stop.
    pub(super) fn steps<'n>(&mut self, steps: &'n [PathStep], from: Nodes<'n>) -> Result<Nodes<'n>, String> {
        let mut found = from;
        for step in steps {
            let mut next = Vec::new();
            if let PathStep::Union(paths) = step {
                // As for kubectl, all results of the first path come before those of the second one.
                for path in paths {
                    next.append(&mut self.steps(path, found.clone())?);
                }
            } else {
                for node in found {
                    let before = next.len();
                    self.step(step, node, &mut next)?;
                    // Results are charged, too: a value that was found many times adds its members each time.
                    self.charge(next.len().saturating_sub(before) as u64)?;
                }
            }
            found = next;
        }
        Ok(found)
    }

    fn step<'n>(&mut self, step: &'n PathStep, node: &'n Node<'n>, next: &mut Nodes<'n>) -> Result<(), String> {
        self.charge(1)?;
        match step {
            PathStep::Member(name) => next.extend(node.get(name)),
            PathStep::Quoted(name, path) => match node.get(name) {
                Some(value) => next.push(value),
                None if path.is_empty() => {}
                None => next.append(&mut self.steps(path, vec![node])?),
            },
            PathStep::Element(number) => {
                if let Some(items) = self.list(node)? {
                    next.extend(self.element(items, *number)?);
                }
            }
            PathStep::Slice(first, end, step) => {
                if let Some(items) = self.list(node)? {
                    next.append(&mut self.slice(items, *first, *end, *step)?);
                }
            }
            PathStep::All if matches!(node, Node::Array(_)) || self.is_strict => {
                next.extend(self.list(node)?.unwrap_or_default());
            }
            PathStep::All | PathStep::Members => next.extend(children(node)),
            PathStep::Descend => self.descend(node, next)?,
            PathStep::Union(_) => {}
            PathStep::Where(condition) => {
                for item in self.list(node)?.unwrap_or_default() {
                    if self.meets(condition, item)? {
                        next.push(item);
                    }
                }
            }
            PathStep::Literal(value) => next.push(value),
        }
        Ok(())
    }

    fn charge(&mut self, values: u64) -> Result<(), String> {
        self.left = self.left.checked_sub(values).ok_or("the path leads through too many values")?;
        Ok(())
    }

    /// Returns the elements of a list; `None` if the value is not a list.
    fn list<'n>(&self, node: &'n Node<'n>) -> Result<Option<&'n [Node<'n>]>, String> {
        match node {
            Node::Array(items) => Ok(Some(items)),
            Node::Null => Ok(None),
            _ if self.is_strict => Err(format!("{} is not a list", shape(node))),
            _ => Ok(None),
        }
    }

    fn element<'n>(&self, items: &'n [Node<'n>], number: i64) -> Result<Option<&'n Node<'n>>, String> {
        let found = position(number, items.len()).and_then(|at| items.get(at));
        match found {
            None if self.is_strict => Err(format!("a list of {} elements has no index {number}", items.len())),
            found => Ok(found),
        }
    }

    fn slice<'n>(
        &self,
        items: &'n [Node<'n>],
        first: Option<i64>,
        end: Option<i64>,
        step: Option<i64>,
    ) -> Result<Nodes<'n>, String> {
        let len = items.len();
        let place = |number: Option<i64>, other| number.map_or(Some(other), |number| position(number, len));
        let (from, to) = (place(first, 0), place(end, len));
        let step = usize::try_from(step.unwrap_or(1)).ok().filter(|step| *step > 0);
        let found = match (from, to, step) {
            (Some(from), Some(to), Some(_)) if from == to => Some([].as_slice()),
            (Some(from), Some(to), Some(_)) if from < len => items.get(from..to),
            _ => None,
        };
        match found {
            Some(found) => Ok(found.iter().step_by(step.unwrap_or(1)).collect()),
            None if self.is_strict => Err(format!("a list of {len} elements has no such part")),
            None => Ok(Vec::new()),
        }
    }

    /// Adds a value and all values below it to `next`, except empty ones, numbers and booleans.
    fn descend<'n>(&mut self, node: &'n Node<'n>, next: &mut Nodes<'n>) -> Result<(), String> {
        self.charge(1)?;
        let is_text = matches!(node, Node::Text(text) if !text.is_empty());
        let below = children(node);
        if is_text || !below.is_empty() {
            next.push(node);
        }
        below.into_iter().try_for_each(|child| self.descend(child, next))
    }

    fn meets<'n>(&mut self, condition: &'n FilterCondition, item: &'n Node<'n>) -> Result<bool, String> {
        let left = self.steps(&condition.left, vec![item])?;
        let Some((compare, right)) = &condition.compared else { return Ok(!left.is_empty()) };
        let right = self.steps(right, vec![item])?;
        if self.is_strict && (left.len() > 1 || right.len() > 1) {
            return Err("a filter compares one value, and several were found".to_owned());
        }
        let both = left.first().zip(right.first());
        Ok(both.is_some_and(|(left, right)| compares(left, *compare, right)))
    }
}

/// Returns the values of an object's members, or the elements of a list.
fn children<'n>(node: &'n Node<'n>) -> Nodes<'n> {
    match node {
        Node::Object(members) => members.iter().map(|(_, value)| value).collect(),
        other => other.items().iter().collect(),
    }
}

/// Converts an index to a position in a list; a negative index counts from the end.
fn position(number: i64, len: usize) -> Option<usize> {
    let distance = usize::try_from(number.unsigned_abs()).ok()?;
    if number < 0 { len.checked_sub(distance) } else { Some(distance) }
}

/// Names the type of a value, for messages.
fn shape(node: &Node<'_>) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "a boolean",
        Node::Int(_) | Node::Uint(_) | Node::Float(_) => "a number",
        Node::Text(_) => "a text",
        Node::Array(_) => "a list",
        Node::Object(_) => "an object",
    }
}

fn compares(left: &Node<'_>, compare: Compare, right: &Node<'_>) -> bool {
    let order = match (left, right) {
        (Node::Text(left), Node::Text(right)) => Some(left.cmp(right)),
        (Node::Bool(left), Node::Bool(right)) => Some(left.cmp(right)),
        (left, right) => number(left).zip(number(right)).and_then(|(left, right)| left.partial_cmp(&right)),
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

/// Converts a number to a float.
#[must_use]
pub fn number(node: &Node<'_>) -> Option<f64> {
    match node {
        Node::Int(value) => Some(*value as f64),
        Node::Uint(value) => Some(*value as f64),
        Node::Float(value) => Some(*value),
        _ => None,
    }
}

/// Formats a value as Go's `%v` does, which custom columns use.
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

/// Formats a float as Go's `%v` does: in scientific notation if the decimal exponent is below -4 or at least 21.
pub(super) fn go_float(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 { go_numbers::yaml(value) } else { go_numbers::json(value) }
}

/// Formats a value as JSON with sorted members.
pub(super) fn json_text(node: &Node<'_>) -> String {
    let mut sorted = node.clone();
    sorted.sort();
    let mut text = JsonText::default();
    sorted.print(&mut text);
    String::from_utf8_lossy(&text.finish()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::object_tree::Builder;
    use super::super::raw_json;
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
            (".a..n", "1,2.5"),
            (".a.list[0:1].type", "x"),
            (".a.list[-1:].type", "Ready"),
            (".a.list[0,1].type", "x,Ready"),
            (".a['list','b.c/d']", "[map[n:1 type:x] map[n:2.5 status:True type:Ready]],1"),
            ("['a.list'][0].n", "1"),
        ] {
            assert_eq!(found(path), want, "{path}");
        }
        assert!(found("@").starts_with("map[a:map[b.c/d:1 list:[map"));
        assert_eq!(found("."), found("@"));
    }

    #[test]
    fn errors_quote_the_part_that_is_not_understood() {
        let nested = "[?(".repeat(1000) + &")]".repeat(1000);
        for path in [
            ".a[",
            ".a[x]",
            ".a['b",
            "[?(a==1)]",
            "[?(@.a==b)]",
            "[?(@.a==1]",
            ".a....b",
            ".a]",
            "{.a",
            "[1:2:3:4]",
            "[?(@.a=1)]",
            "[?(@.a==)]",
            "[]",
            &nested,
        ] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_forged_path_takes_bounded_room() {
        let members: Vec<String> = (0..20_000).map(|number| format!("\"k{number}\":0")).collect();
        let json = format!("{{\"a\":{{{}}}}}", members.join(","));
        let mut builder = Builder::default();
        raw_json::read(json.as_bytes(), &mut builder).unwrap();
        let node = builder.finish();
        let few = ["'a'"; 10].join(",");
        assert_eq!(JsonPath::parse(&format!("[{few}].*")).unwrap().find(&node).len(), 200_000);
        let many = ["'a'"; 5000].join(",");
        assert!(JsonPath::parse(&format!("[{many}].*")).unwrap().find(&node).is_empty());
        assert!(JsonPath::parse(&format!("[{many}]..x")).unwrap().find(&node).is_empty());
    }
}
