//! Parses a JSONPath as kubectl understands it. Source of the language: `k8s.io/client-go/util/jsonpath`.

use super::json_path_steps::{Compare, FilterCondition, PathStep};
use super::object_tree::Node;

/// Maximum number of steps of a path. Each step visits all results of the one before.
const MAX_STEPS: usize = 64;
/// Maximum depth of filters within filters: a definition in a snapshot may contain any path.
const MAX_NESTED: u8 = 8;

/// The characters of operators in filters.
const OPERATOR_SIGNS: [char; 4] = ['!', '<', '>', '='];

/// Parses steps from the front of a text.
pub(super) struct PathReader<'t> {
    rest: &'t str,
    nested: u8,
}

impl<'t> PathReader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, nested: 0 }
    }

    /// Returns the rest of the text, which was not parsed yet.
    pub(super) fn rest(&self) -> &'t str {
        self.rest
    }

    /// Parses steps up to the end of the text or a closing brace.
    ///
    /// # Errors
    /// The part that is not understood, as the end of a sentence.
    pub(super) fn steps(&mut self) -> Result<Vec<PathStep>, String> {
        let mut steps = Vec::new();
        loop {
            if steps.len() > MAX_STEPS {
                return Err("is too long".to_owned());
            }
            // The current object needs no step.
            self.rest = self.rest.trim_start_matches([' ', '@', '$']);
            let mut signs = self.rest.chars();
            let (first, second) = (signs.next(), signs.next());
            match first {
                None | Some('}') => return Ok(steps),
                Some('.') if second == Some('.') => {
                    if steps.last() == Some(&PathStep::Descend) {
                        return Err("has .. twice".to_owned());
                    }
                    self.skip(2);
                    steps.push(PathStep::Descend);
                    if self.rest.starts_with(|sign: char| sign == '_' || sign.is_alphanumeric()) {
                        steps.push(PathStep::Member(self.name()));
                    }
                }
                Some('.') => {
                    self.skip(1);
                    steps.extend(self.member()?);
                }
                Some('[') => {
                    self.skip(1);
                    steps.push(self.bracket()?);
                }
                Some('"' | '\'') => steps.push(PathStep::Literal(Node::Text(self.quoted()?.into()))),
                Some('+' | '-' | '0'..='9') => steps.push(PathStep::Literal(self.number()?)),
                Some(_) => match self.word() {
                    "true" => steps.push(PathStep::Literal(Node::Bool(true))),
                    "false" => steps.push(PathStep::Literal(Node::Bool(false))),
                    "" => return Err(format!("has {:?}, which is not understood", self.rest)),
                    word => return Err(format!("has {word:?}, which is not understood: members begin with a point")),
                },
            }
        }
    }

    /// Skips a word such as `range` if it comes next, before a blank, a brace or another step; returns whether it did.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let text = self.rest.trim_start();
        match text.strip_prefix(word) {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '}', '.', '[', '@', '$']) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Parses the step after a dot. A dot alone means the object itself, and one before a bracket has no meaning.
    fn member(&mut self) -> Result<Option<PathStep>, String> {
        if self.rest.is_empty() || self.rest.starts_with(['[', ' ', '}']) {
            return Ok(None);
        }
        match self.name() {
            name if name == "*" => Ok(Some(PathStep::Members)),
            name if name.is_empty() => Err(format!("has no name before {:?}", self.rest)),
            name => Ok(Some(PathStep::Member(name))),
        }
    }

    /// Parses a name up to the start of the next step; a backslash escapes the next character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let mut signs = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '\\' => name.extend(signs.next().map(|(_, sign)| sign)),
                '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}' | ' ' | '\t' | '\r' | '\n' => {
                    end = at;
                    break;
                }
                sign => name.push(sign),
            }
        }
        self.skip(end);
        name
    }

    /// Parses a word of letters and digits.
    fn word(&mut self) -> &'t str {
        let end = self.rest.find(|sign: char| sign != '_' && !sign.is_alphanumeric()).unwrap_or(self.rest.len());
        let word = self.rest.get(..end).unwrap_or_default();
        self.skip(end);
        word
    }

    fn number(&mut self) -> Result<Node<'static>, String> {
        let is_of_number = |sign: char| sign == '.' || sign.is_ascii_digit();
        let digits = self.rest.strip_prefix(['+', '-']).unwrap_or(self.rest);
        let end = digits.find(|sign| !is_of_number(sign)).unwrap_or(digits.len());
        let text = self.rest.get(..self.rest.len().saturating_sub(digits.len()).saturating_add(end));
        let text = text.unwrap_or_default();
        self.skip(text.len());
        let integer = text.parse().map(Node::Int).ok();
        integer
            .or_else(|| text.parse().map(Node::Float).ok())
            .ok_or_else(|| format!("has {text:?}, which is not a number"))
    }

    /// Parses the step after an opening bracket, up to the closing one.
    fn bracket(&mut self) -> Result<PathStep, String> {
        if self.take("?(") {
            return self.filter();
        }
        let mut all = vec![self.index()?];
        while self.take(",") {
            all.push(self.index()?);
        }
        if !self.take("]") {
            return Err("lacks a ]".to_owned());
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => PathStep::Union(all.into_iter().map(|step| vec![step]).collect()),
        })
    }

    /// Parses a name in quotes, a number, a slice or `*`, with blanks around it.
    fn index(&mut self) -> Result<PathStep, String> {
        self.rest = self.rest.trim_start();
        let step = if self.take("*") {
            PathStep::All
        } else if self.rest.starts_with(['\'', '"']) {
            let name = self.quoted()?;
            let is_path = name.contains('.') && self.nested < MAX_NESTED;
            let path = if is_path { self.nested(&format!(".{name}"))? } else { Vec::new() };
            PathStep::Quoted(name, path)
        } else {
            let end = self.rest.find([']', ',']).unwrap_or(self.rest.len());
            let text = self.rest.get(..end).unwrap_or_default().trim();
            self.skip(end);
            slice(text).ok_or_else(|| format!("has [{text}], which is not understood"))?
        };
        self.rest = self.rest.trim_start();
        Ok(step)
    }

    /// Parses a filter after `[?(`: a path, which an operator and another operand may follow.
    fn filter(&mut self) -> Result<PathStep, String> {
        let end = filter_end(self.rest).ok_or("lacks a )] behind its filter")?;
        let text = self.rest.get(..end).unwrap_or_default();
        self.skip(end.saturating_add(2));
        let Some((left, rest)) = text.find(OPERATOR_SIGNS).and_then(|at| text.split_at_checked(at)) else {
            return Ok(PathStep::Where(FilterCondition { left: self.nested(text)?, compared: None }));
        };
        let right = rest.trim_start_matches(OPERATOR_SIGNS);
        let compare = match rest.strip_suffix(right).unwrap_or_default() {
            "==" => Compare::Equal,
            "!=" => Compare::Unequal,
            "<" => Compare::Less,
            "<=" => Compare::LessOrEqual,
            ">" => Compare::Greater,
            ">=" => Compare::GreaterOrEqual,
            other => return Err(format!("has the operator {other:?}, which is not understood")),
        };
        let (left, right) = (self.nested(left)?, self.nested(right)?);
        if left.is_empty() || right.is_empty() {
            return Err("has a filter that lacks a side".to_owned());
        }
        Ok(PathStep::Where(FilterCondition { left, compared: Some((compare, right)) }))
    }

    /// Parses the steps of a text within the path.
    fn nested(&self, text: &str) -> Result<Vec<PathStep>, String> {
        if self.nested >= MAX_NESTED {
            return Err("has too many nested filters".to_owned());
        }
        let mut reader = PathReader { rest: text, nested: self.nested.saturating_add(1) };
        let steps = reader.steps()?;
        if reader.rest.is_empty() { Ok(steps) } else { Err(format!("has {:?}, which is not understood", reader.rest)) }
    }

    /// Parses a text in single or double quotes.
    fn quoted(&mut self) -> Result<String, String> {
        let mut signs = self.rest.char_indices();
        let quote = signs.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, sign)) = signs.next() {
            if Some(sign) == quote {
                self.skip(at.saturating_add(1));
                return Ok(text);
            }
            if sign != '\\' {
                text.push(sign);
                continue;
            }
            text.extend(signs.next().map(|(_, sign)| match sign {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }));
        }
        Err("lacks a closing quote".to_owned())
    }
}

/// Parses an index or a slice: `3`, `-1`, `1:5`, `:2`, `::2`.
fn slice(text: &str) -> Option<PathStep> {
    let mut parts = text.split(':');
    let part = |part: Option<&str>| match part {
        None | Some("") => Some(None),
        Some(digits) if !digits.starts_with('+') => digits.parse::<i64>().ok().map(Some),
        Some(_) => None,
    };
    let (first, end, step) = (part(parts.next())?, parts.next(), part(parts.clone().next())?);
    let Some(end) = end else { return first.map(PathStep::Element) };
    (parts.count() <= 1).then_some(PathStep::Slice(first, part(Some(end))?, step))
}

/// Returns the position of the `)]` that ends a filter, outside of quotes.
fn filter_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match (sign, quote) {
            ('\\', Some(_)) => {
                signs.next();
            }
            (sign, Some(open)) if sign == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(sign),
            (')', None) if text.get(at..)?.starts_with(")]") => return Some(at),
            _ => {}
        }
    }
    None
}
