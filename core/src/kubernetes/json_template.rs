//! Prints objects by templates of `kubectl get -o jsonpath=…`: text with paths in braces, and `{range …}…{end}`.
//!
//! ```text
//! {range .items[*]}{.metadata.name}{"\t"}{.status.phase}{"\n"}{end}
//! ```
//!
//! Source of the language: `k8s.io/client-go/util/jsonpath`. Values are printed as by Go's `%v`, lists and objects as JSON, and several values are separated by blanks.

use super::json_path::{PathWalk, go_text, json_text};
use super::json_path_reader::PathReader;
use super::json_path_steps::Part;
use super::object_tree::Node;
use super::pretty;

/// Maximum depth of ranges within ranges.
const MAX_NESTED: u8 = 16;
/// Maximum number of values that a template visits. It is high because the template comes from the user, and may visit every object of a large cluster.
const MAX_VISITED: u64 = 1_000_000_000;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonTemplate {
    parts: Vec<Part>,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateForm {
    /// As text, one after the other.
    Text,
    /// As a JSON list for each part, like `-o jsonpath-as-json`.
    Json,
}

impl JsonTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// The part that is not understood, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let parts = parts(&mut rest, 0)?;
        Ok(Self { parts })
    }

    /// Whether the template has no path, so that its output is the same for every object.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Returns the parts.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Appends the template's output for an object to `out`.
    ///
    /// # Errors
    /// The reason why there is no output, as a sentence without its full stop.
    pub fn print<'n>(&'n self, object: &'n Node<'n>, form: TemplateForm, out: &mut Vec<u8>) -> Result<(), String> {
        let mut walk = PathWalk { left: MAX_VISITED, is_strict: true };
        print(&self.parts, object, form, &mut walk, out)
    }
}

fn print<'n>(
    parts: &'n [Part],
    object: &'n Node<'n>,
    form: TemplateForm,
    walk: &mut PathWalk,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    for part in parts {
        match part {
            Part::Text(text) => values(&[text], form, out),
            Part::Path(steps) => values(&walk.steps(steps, vec![object])?, form, out),
            Part::Range(steps, inner) => {
                for value in walk.steps(steps, vec![object])? {
                    print(inner, value, form, walk, out)?;
                }
            }
        }
    }
    Ok(())
}

fn values(found: &[&Node<'_>], form: TemplateForm, out: &mut Vec<u8>) {
    if form == TemplateForm::Json {
        let mut list = Node::Array(found.iter().map(|node| (*node).clone()).collect());
        list.sort();
        out.extend(pretty::to_json(&list));
        return;
    }
    for (number, node) in found.iter().enumerate() {
        if number > 0 {
            out.push(b' ');
        }
        let text = match node {
            Node::Null => "null".to_owned(),
            Node::Array(_) | Node::Object(_) => json_text(node),
            scalar => go_text(scalar),
        };
        out.extend(text.as_bytes());
    }
}

/// Parses the parts up to the end of the text or of the enclosing range. A range without `{end}` extends to the end of the text, as in kubectl.
fn parts(rest: &mut &str, nested: u8) -> Result<Vec<Part>, String> {
    if nested > MAX_NESTED {
        return Err("has too many nested ranges".to_owned());
    }
    let mut all = Vec::new();
    while !rest.is_empty() {
        let open = rest.find('{').unwrap_or(rest.len());
        let (text, from) = rest.split_at_checked(open).unwrap_or((rest, ""));
        if !text.is_empty() {
            all.push(Part::Text(Node::Text(text.to_owned().into())));
        }
        *rest = from;
        let Some(action) = from.strip_prefix('{') else { continue };
        let mut reader = PathReader::new(action);
        let is_range = reader.take_word("range");
        let is_end = !is_range && reader.take_word("end");
        let steps = reader.steps()?;
        *rest = reader.rest().strip_prefix('}').ok_or("lacks a closing brace")?;
        if is_end {
            return if nested > 0 { Ok(all) } else { Err("has an {end} without a {range}".to_owned()) };
        }
        all.push(if is_range { Part::Range(steps, parts(rest, nested.saturating_add(1))?) } else { Part::Path(steps) });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::object_tree::Builder;
    use super::super::raw_json;
    use super::*;

    const LIST: &[u8] = br#"{"kind":"List","items":[{"n":"a","l":{"x":1,"y":null},"c":[{"i":"p"},{"i":"q"}]},{"n":"b","c":[],"f":1.5}]}"#;

    fn printed(template: &str, form: TemplateForm) -> Result<String, String> {
        let mut builder = Builder::default();
        raw_json::read(LIST, &mut builder).unwrap();
        let node = builder.finish();
        let mut out = Vec::new();
        JsonTemplate::parse(template)?.print(&node, form, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn templates_print_the_values_that_they_find() {
        for (template, want) in [
            ("{.kind} of {.items[*].n}\n", "List of a b\n"),
            (r#"{range .items[*]}{.n}{"\t"}{.c[*].i}{"\n"}{end}."#, "a\tp q\nb\t\n."),
            ("{range .items[*]}{range .c[*]}<{.i}>{end}|{end}", "<p><q>||"),
            ("{range .items[*]}{.n}", "ab"),
            ("{.items[0].l}{.items[0].l.y}{.items[1].f}", r#"{"x":1,"y":null}null1.5"#),
            ("{.nothing}{.items[*].nothing[3]}", ""),
            ("{$.kind}{@.kind}{ .kind }{1}{2.5}{true}", "ListListList12.5true"),
            ("{..i}", "p q"),
            ("no path", "no path"),
        ] {
            assert_eq!(printed(template, TemplateForm::Text).as_deref(), Ok(want), "{template}");
        }
        let json = printed("{.items[*].n}", TemplateForm::Json).unwrap();
        assert_eq!(json, "[\n    \"a\",\n    \"b\"\n]\n");
    }

    #[test]
    fn errors_name_the_problem() {
        for template in
            ["{.a", "{end}", "{range .items[*]}{end}{end}", "{foo}", "{.items[9]}", "{.kind[0]}", "{.kind[*]}"]
        {
            assert!(printed(template, TemplateForm::Text).is_err(), "{template}");
        }
        assert!(printed(&"{range .a}".repeat(100), TemplateForm::Text).is_err());
    }
}
