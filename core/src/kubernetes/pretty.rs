//! Writes JSON as `kubectl get -o json` does: members sorted, indented by four blanks.

use super::json::{JsonText, quote};
use super::object_tree::Node;

/// Writes a sorted tree ([`Node::sort`]) with a line break at its end.
#[must_use]
pub fn to_json(node: &Node<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    put(node, 0, &mut out);
    out.push(b'\n');
    out
}

/// Appends a sorted tree at this depth, without a line break at its end.
pub fn append(node: &Node<'_>, depth: usize, out: &mut Vec<u8>) {
    put(node, depth, out);
}

fn put(node: &Node<'_>, depth: usize, out: &mut Vec<u8>) {
    let deeper = depth.saturating_add(1);
    match node {
        Node::Object(members) if !members.is_empty() => {
            out.push(b'{');
            for (number, (key, value)) in members.iter().enumerate() {
                line(number > 0, deeper, out);
                quote(key, out);
                out.extend_from_slice(b": ");
                put(value, deeper, out);
            }
            line(false, depth, out);
            out.push(b'}');
        }
        Node::Array(items) if !items.is_empty() => {
            out.push(b'[');
            for (number, item) in items.iter().enumerate() {
                line(number > 0, deeper, out);
                put(item, deeper, out);
            }
            line(false, depth, out);
            out.push(b']');
        }
        scalar => {
            let mut text = JsonText::into(std::mem::take(out));
            scalar.print(&mut text);
            *out = text.finish();
        }
    }
}

fn line(comma: bool, depth: usize, out: &mut Vec<u8>) {
    if comma {
        out.push(b',');
    }
    out.push(b'\n');
    out.resize(out.len().saturating_add(depth.saturating_mul(4)), b' ');
}
