//! Formats labels and selectors.

use super::node_path::text;
use super::object_tree::Node;

/// Formats labels as `a=b,c=d`, sorted by name; `<none>` if there are none. Source: `labels.FormatLabels`.
#[must_use]
pub fn labels(map: Option<&Node<'_>>) -> String {
    let all = pairs(map);
    if all.is_empty() { "<none>".to_owned() } else { all.join(",") }
}

/// Formats the requirements of a LabelSelector, sorted by name: `app=web,tier in (a,b),!x`. Source: `metav1.LabelSelectorAsSelector`.
#[must_use]
pub fn selector(selector: &Node<'_>) -> String {
    let equal = pairs(selector.get("matchLabels")).into_iter().map(|pair| {
        let key = pair.split('=').next().unwrap_or_default().to_owned();
        (key, pair)
    });
    let expressions = selector.get("matchExpressions").map(Node::items).unwrap_or_default();
    let expressions = expressions.iter().map(|expression| {
        let key = text(expression, "key").to_owned();
        let mut values: Vec<&str> =
            expression.get("values").map(Node::items).unwrap_or_default().iter().filter_map(Node::text).collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match text(expression, "operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        };
        (key, text)
    });
    let mut all: Vec<(String, String)> = equal.chain(expressions).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// Like [`selector`], but returns `<none>` for an empty selector. Source: `metav1.FormatLabelSelector`.
#[must_use]
pub fn selector_or_none(node: Option<&Node<'_>>) -> String {
    match node.map(selector) {
        Some(text) if !text.is_empty() => text,
        _ => "<none>".to_owned(),
    }
}

fn pairs(map: Option<&Node<'_>>) -> Vec<String> {
    let Some(Node::Object(members)) = map else { return Vec::new() };
    let mut all: Vec<String> =
        members.iter().map(|(key, value)| format!("{key}={}", value.text().unwrap_or_default())).collect();
    all.sort_unstable();
    all
}
