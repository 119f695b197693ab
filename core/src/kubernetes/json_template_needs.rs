//! Finds the fields of a List's items that a template uses, so that the other fields of many objects need not be kept in memory.

use super::json_path_steps::{Part, PathStep};
use super::json_template::JsonTemplate;
use super::object_tree::Node;

/// The position that a path has reached.
#[derive(Clone)]
enum At {
    /// The List.
    List,
    /// Its member `items`.
    Items,
    /// This field of an item; elements of lists count as the list.
    Field(Vec<String>),
    /// A place outside of the items.
    Elsewhere,
}

/// The fields that are needed.
#[derive(Default)]
struct Needs {
    fields: Vec<Vec<String>>,
    all: bool,
}

/// Returns the fields of items that a template for a List needs, as paths of names; `None` if it needs all of them.
#[must_use]
pub fn needs_of_items(template: &JsonTemplate) -> Option<Vec<Vec<String>>> {
    let mut needs = Needs::default();
    needs.parts(template.parts(), &At::List);
    (!needs.all).then_some(needs.fields)
}

impl Needs {
    fn parts(&mut self, parts: &[Part], at: &At) {
        for part in parts {
            match part {
                Part::Text(_) => {}
                Part::Path(steps) => {
                    let end = self.walk(steps, at.clone());
                    self.whole(end);
                }
                Part::Range(steps, inner) => {
                    let end = self.walk(steps, at.clone());
                    self.parts(inner, &end);
                }
            }
        }
    }

    /// Notes that everything below a place is needed.
    fn whole(&mut self, at: At) {
        match at {
            At::List | At::Items => self.all = true,
            At::Field(path) if path.is_empty() => self.all = true,
            At::Field(path) => self.fields.push(path),
            At::Elsewhere => {}
        }
    }

    /// Follows steps; returns the place to which they lead. If a step leads to many places, everything below them is needed.
    fn walk(&mut self, steps: &[PathStep], from: At) -> At {
        let mut at = from;
        for step in steps {
            at = match (at, step) {
                (At::Elsewhere, _) | (_, PathStep::Literal(_)) => At::Elsewhere,
                (At::List, PathStep::Member(name)) if name == "items" => At::Items,
                (At::List, PathStep::Member(_)) => At::Elsewhere,
                (At::Items, PathStep::Element(_) | PathStep::Slice(..) | PathStep::All) => At::Field(Vec::new()),
                (At::Items, PathStep::Where(condition)) => {
                    let right = condition.compared.as_ref().map(|(_, right)| right);
                    for side in std::iter::once(&condition.left).chain(right) {
                        let end = self.walk(side, At::Field(Vec::new()));
                        self.whole(end);
                    }
                    At::Field(Vec::new())
                }
                (At::Field(path), PathStep::Element(_) | PathStep::Slice(..) | PathStep::All) => At::Field(path),
                (At::Field(mut path), PathStep::Member(name)) => {
                    path.push(name.clone());
                    At::Field(path)
                }
                (at, _) => {
                    self.whole(at);
                    At::Elsewhere
                }
            };
        }
        at
    }
}

/// Removes all fields of an object except those at some paths of names.
pub fn keep_fields(object: &mut Node<'_>, paths: &[&[String]]) {
    if paths.iter().any(|path| path.is_empty()) {
        return;
    }
    match object {
        Node::Array(items) => items.iter_mut().for_each(|item| keep_fields(item, paths)),
        Node::Object(members) => members.retain_mut(|(key, value)| {
            let begins = paths.iter().filter_map(|path| path.split_first().filter(|(name, _)| *name == key));
            let below: Vec<&[String]> = begins.map(|(_, rest)| rest).collect();
            keep_fields(value, &below);
            !below.is_empty()
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_through_ranges_and_filters() {
        let needs = |template: &str| {
            let needs = needs_of_items(&JsonTemplate::parse(template).unwrap());
            needs.map(|needs| needs.iter().map(|path| path.join(".")).collect::<Vec<_>>())
        };
        let some = |fields: &[&str]| Some(fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>());
        assert_eq!(needs("{.items[*].metadata.name} {.kind}"), some(&["metadata.name"]));
        assert_eq!(needs("{range .items[*]}{.a.b[0].c}{range .d}{.e}{end}{end}"), some(&["a.b.c", "d.e"]));
        assert_eq!(needs("{.items[?(@.x.y==@.z)].w}"), some(&["x.y", "z", "w"]));
        assert_eq!(needs("{.items[*].a..b}{.items[*].c['d','e']}{.items[0].f.*}"), some(&["a", "c", "f"]));
        for all in
            ["{}", "{.items}", "{..x}", "{.items[0]}", "{.items[*]['a','b']}", "{range .items[*]}{@}{end}", "{.*}"]
        {
            assert_eq!(needs(all), None, "{all}");
        }
        assert_eq!(needs("text {1}"), some(&[]));
    }
}
