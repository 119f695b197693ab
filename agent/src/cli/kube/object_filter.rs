//! The objects that `-l` and `--field-selector` choose, and the order of `--sort-by`.

use std::cmp::Ordering;

use etcdsnap::core::kubernetes::field_query::FieldQuery;
use etcdsnap::core::kubernetes::json_path::{self, JsonPath};
use etcdsnap::core::kubernetes::label_query::LabelQuery;
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::{Cluster, printable};

use super::selection::Wanted;
use crate::cli::failure::Failure;

/// The conditions on labels and fields.
#[derive(Default)]
pub struct ObjectFilter {
    labels: Option<LabelQuery>,
    fields: FieldQuery,
}

impl ObjectFilter {
    /// Parses both selectors.
    ///
    /// # Errors
    /// When one of them cannot be parsed.
    pub fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Failure> {
        let labels = labels.map(LabelQuery::parse).transpose().map_err(|part| {
            let what = format!("--selector: cannot read {:?} as a condition on labels", printable(&part));
            Failure::new(what, "Write conditions with commas between, such as app=web,tier!=db,env in (a,b),!old.")
        })?;
        let fields = FieldQuery::parse(fields.unwrap_or_default()).map_err(|part| {
            let what = format!("--field-selector: cannot read {:?} as FIELD=VALUE", printable(&part));
            Failure::new(
                what,
                "Write conditions with commas between, such as status.phase=Running,spec.nodeName!=node-1.",
            )
        })?;
        Ok(Self { labels, fields })
    }

    /// Checks that an API server can select objects of all these types by the fields.
    ///
    /// # Errors
    /// When it cannot: no object would match.
    pub fn check(&self, wanted: &[Wanted], cluster: &Cluster) -> Result<(), Failure> {
        for wanted in wanted {
            let known = cluster.selectable_fields(&wanted.resource);
            if let Some(field) = self.fields.fields().find(|field| !known.contains(field)) {
                let plural = printable(&wanted.resource.plural);
                let what = format!("--field-selector: {plural} cannot be selected by {}", printable(field));
                let advice = format!("Fields of {plural} are {}.", printable(&known.join(", ")));
                return Err(Failure::new(what, advice));
            }
        }
        Ok(())
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.labels.is_none() && self.fields.is_empty()
    }

    /// Whether an object meets all conditions.
    pub fn has(&self, object: &Node<'_>) -> bool {
        self.fields.matches(object) && self.labels.as_ref().is_none_or(|labels| labels.matches(object))
    }
}

/// Parses a path of `--sort-by` or of a column.
///
/// # Errors
/// When it cannot be parsed.
pub fn path(flag: &str, text: &str) -> Result<JsonPath, Failure> {
    JsonPath::parse(text).map_err(|cause| {
        let what = format!("{flag}: the path {} {}", printable(text), printable(&cause));
        Failure::new(
            what,
            "Paths are such as .spec.list[0].name, .metadata.labels['a.b/c'], [*], [?(@.type==\"x\")].status.",
        )
    })
}

/// A value to sort by, ordered as by kubectl: absent values first, quantities and numbers by value, other texts by their bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum SortValue {
    Nothing,
    /// A list or an object, which cannot be ordered.
    NoOrder,
    Number(f64),
    Text(String),
}

impl SortValue {
    /// Returns the first value at a path.
    pub fn of(object: &Node<'_>, path: &JsonPath) -> Self {
        match path.find(object).first() {
            None | Some(Node::Null) => Self::Nothing,
            Some(Node::Array(_) | Node::Object(_)) => Self::NoOrder,
            Some(Node::Text(text)) => Self::Text(text.clone().into_owned()),
            Some(node) => json_path::number(node).map_or_else(|| Self::Text(json_path::go_text(node)), Self::Number),
        }
    }

    /// Compares two values.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => match quantity(a).zip(quantity(b)) {
                Some((a, b)) => a.total_cmp(&b),
                None => a.cmp(b),
            },
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Nothing | Self::NoOrder => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

/// Checks that some object has a value at the path, and none has a list or an object there; kubectl does the same.
///
/// # Errors
/// When the objects cannot be sorted by the path.
pub fn check_order<'v>(mut values: impl Iterator<Item = &'v SortValue> + Clone, path: &str) -> Result<(), Failure> {
    let advice = "Write a path to a text or a number, such as .metadata.creationTimestamp.";
    if values.clone().any(|value| *value == SortValue::NoOrder) {
        let what = format!("--sort-by: a list or an object is at {}, which has no order", printable(path));
        return Err(Failure::new(what, advice));
    }
    let is_empty = values.clone().next().is_none();
    if is_empty || values.any(|value| *value != SortValue::Nothing) {
        return Ok(());
    }
    Err(Failure::new(format!("--sort-by: no object has a field at {}", printable(path)), advice))
}

/// Parses a quantity such as `100m`, `1Gi`, `1e3`.
fn quantity(text: &str) -> Option<f64> {
    let end = text.find(|sign: char| sign.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let is_number = digits.ends_with(|sign: char| sign.is_ascii_digit() || sign == '.');
    let value: f64 = digits.parse().ok().filter(|_| is_number)?;
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        unit => return unit.strip_prefix(['e', 'E'])?.parse::<i32>().ok().map(|power| value * 10_f64.powi(power)),
    };
    Some(value * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_ordered_by_their_value() {
        let text = |text: &str| SortValue::Text(text.to_owned());
        let order = ["100m", "1", "1e1", "1k", "1Ki", "1Gi"];
        for pair in order.windows(2) {
            assert_eq!(text(pair[0]).order(&text(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(text("10.0.0.9").order(&text("10.0.0.10")), Ordering::Greater);
        assert_eq!(SortValue::Nothing.order(&text("a")), Ordering::Less);
        assert_eq!(SortValue::Number(2.0).order(&SortValue::Number(10.0)), Ordering::Less);
    }
}
