//! Which objects `-l` and `--field-selector` choose, and in which order `--sort-by` puts them.

use std::cmp::Ordering;

use etcdsnap::core::kubernetes::json_path::{self, JsonPath};
use etcdsnap::core::kubernetes::label_query::LabelQuery;
use etcdsnap::core::kubernetes::tree::Node;
use etcdsnap::printable;

use crate::cli::exit::Failure;

/// Fields that `--field-selector` knows.
const FIELDS: [&str; 6] =
    ["metadata.name", "metadata.namespace", "status.phase", "spec.nodeName", "type", "involvedObject.name"];

/// What an object must meet.
#[derive(Default)]
pub struct ObjectFilter {
    labels: Option<LabelQuery>,
    fields: Vec<FieldRequirement>,
}

struct FieldRequirement {
    path: Vec<String>,
    value: String,
    is_equal: bool,
}

impl ObjectFilter {
    /// Reads both selectors.
    ///
    /// # Errors
    /// When one of them is not understood.
    pub fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Failure> {
        let labels = labels.map(LabelQuery::parse).transpose().map_err(|part| {
            let what = format!("--selector: {} is no requirement of labels", printable(&part));
            Failure::new(what, "Write such as app=web,tier!=db,env in (a,b),!old.")
        })?;
        let fields = fields.unwrap_or_default().split(',').filter(|part| !part.trim().is_empty()).map(field);
        Ok(Self { labels, fields: fields.collect::<Result<_, _>>()? })
    }

    /// Whether every object meets it.
    pub fn is_empty(&self) -> bool {
        self.labels.is_none() && self.fields.is_empty()
    }

    /// Whether an object meets it.
    pub fn has(&self, object: &Node<'_>) -> bool {
        let fields = self.fields.iter().all(|field| {
            let path: Vec<&str> = field.path.iter().map(String::as_str).collect();
            let value = object.at(&path).and_then(Node::text).unwrap_or_default();
            (value == field.value) == field.is_equal
        });
        fields && self.labels.as_ref().is_none_or(|labels| labels.matches(object))
    }
}

fn field(part: &str) -> Result<FieldRequirement, Failure> {
    let words = [("!=", false), ("==", true), ("=", true)];
    let mut split = words.iter().filter_map(|(word, is_equal)| Some((part.split_once(word)?, *is_equal)));
    let advice = format!("Write FIELD=VALUE or FIELD!=VALUE; fields are {}.", FIELDS.join(", "));
    match split.next() {
        Some(((name, value), is_equal)) if FIELDS.contains(&name.trim()) => {
            let path = name.trim().split('.').map(str::to_owned).collect();
            Ok(FieldRequirement { path, value: value.trim().to_owned(), is_equal })
        }
        _ => Err(Failure::new(format!("--field-selector: {} is not understood", printable(part)), advice)),
    }
}

/// Reads a path of `--sort-by` or of a column.
///
/// # Errors
/// When it is not understood.
pub fn path(flag: &str, text: &str) -> Result<JsonPath, Failure> {
    JsonPath::parse(text).map_err(|cause| {
        let what = format!("{flag}: the path {} {}", printable(text), printable(&cause));
        Failure::new(
            what,
            "Paths are such as .spec.list[0].name, .metadata.labels['a.b/c'], [*], [?(@.type==\"x\")].status.",
        )
    })
}

/// What objects are ordered by: quantities and numbers by their value, other texts by their bytes, nothing before everything, as kubectl does.
#[derive(Debug, Clone, PartialEq)]
pub enum SortValue {
    Nothing,
    Number(f64),
    Text(String),
}

impl SortValue {
    /// The first value at a path.
    pub fn of(object: &Node<'_>, path: &JsonPath) -> Self {
        match path.find(object).first() {
            None | Some(Node::Null) => Self::Nothing,
            Some(Node::Text(text)) => Self::Text(text.clone().into_owned()),
            Some(node) => json_path::number(node).map_or_else(|| Self::Text(json_path::go_text(node)), Self::Number),
        }
    }

    /// Which one comes first.
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
            Self::Nothing => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

/// The value of a quantity such as `100m`, `1Gi`, `1e3`.
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

    #[test]
    fn fields_that_are_not_known_are_refused() {
        assert!(ObjectFilter::parse(None, Some("status.phase=Running,spec.nodeName!=a,type==x")).is_ok());
        for fields in ["status.reason=x", "status.phase", "=x"] {
            assert!(ObjectFilter::parse(None, Some(fields)).is_err(), "{fields}");
        }
    }
}
