//! Sorts members in the order of the API's types, for objects of built-in types that are stored as JSON: CustomResourceDefinitions and APIServices. They are stored with sorted keys, but an
//! API server prints them in the order of their types, like all others.

use super::decode::MAX_DEPTH;
use super::object_tree::Node;
use super::type_table::{Base, Field, Schema, Shape};

/// Sorts the members of an object of a kind; members that its type does not have come last.
pub(super) fn arrange(object: &mut Node<'_>, schema: &Schema, message: u16) {
    order(object, schema, message, 0);
    let Node::Object(members) = object else { return };
    // The type does not include kind and apiVersion.
    members.sort_by_key(|(name, _)| match &**name {
        "kind" => 0_u8,
        "apiVersion" => 1,
        _ => 2,
    });
}

fn order(node: &mut Node<'_>, schema: &Schema, message: u16, depth: u32) {
    let Node::Object(members) = node else { return };
    if depth > MAX_DEPTH {
        return;
    }
    let mut fields = Vec::new();
    collect(schema, message, 0, &mut fields);
    let place = |name: &str| fields.iter().position(|field| field.name == name).unwrap_or(usize::MAX);
    members.sort_by_cached_key(|(name, _)| (place(name), name.clone()));
    for (name, value) in members {
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            value.sort();
            continue;
        };
        let inner = |value: &mut Node<'_>| match field.base {
            Base::Message => order(value, schema, field.message, depth.saturating_add(1)),
            _ => value.sort(),
        };
        match (field.shape, value) {
            (Shape::List, Node::Array(items)) => items.iter_mut().for_each(inner),
            (Shape::Map, Node::Object(members)) => {
                members.sort_by(|a, b| a.0.cmp(&b.0));
                members.iter_mut().for_each(|(_, value)| inner(value));
            }
            (_, value) => inner(value),
        }
    }
}

/// Collects the fields of a message, including those of inlined messages.
fn collect<'s>(schema: &'s Schema, message: u16, depth: u32, into: &mut Vec<&'s Field>) {
    let Some(message) = schema.message(message) else { return };
    for field in &message.fields {
        if field.inline && depth < MAX_DEPTH {
            collect(schema, field.message, depth.saturating_add(1), into);
        } else {
            into.push(field);
        }
    }
}
