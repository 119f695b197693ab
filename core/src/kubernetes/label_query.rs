//! Selects objects by labels, as `kubectl get -l` does: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

use super::object_tree::Node;

/// Requirements, all of which an object must meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelQuery {
    all: Vec<LabelRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LabelRequirement {
    key: String,
    /// Whether the label must have one of the values, or must not.
    wanted: bool,
    /// The values; `None` for any value.
    values: Option<Vec<String>>,
}

impl LabelQuery {
    /// Parses a selector.
    ///
    /// # Errors
    /// The part that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in parts(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            all.push(requirement(part).ok_or_else(|| part.to_owned())?);
        }
        Ok(Self { all })
    }

    /// Whether an object's labels meet all requirements.
    #[must_use]
    pub fn matches(&self, object: &Node<'_>) -> bool {
        let labels = object.at(&["metadata", "labels"]);
        self.all.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Node::text);
            let is_met = value.is_some_and(|value| {
                requirement.values.as_ref().is_none_or(|values| values.iter().any(|wanted| wanted == value))
            });
            is_met == requirement.wanted
        })
    }
}

/// Splits a selector at commas outside of parentheses.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut is_inside) = (Vec::new(), 0, false);
    for (at, sign) in text.char_indices() {
        match sign {
            '(' => is_inside = true,
            ')' => is_inside = false,
            ',' if !is_inside => {
                parts.extend(text.get(from..at));
                from = at.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.extend(text.get(from..));
    parts
}

fn requirement(part: &str) -> Option<LabelRequirement> {
    let is_key = |key: &str| !key.is_empty() && !key.contains(['=', '!', '(', ')', ' ', ',', '<', '>']);
    let of = |key: &str, wanted, values| {
        let key = key.trim();
        is_key(key).then(|| LabelRequirement { key: key.to_owned(), wanted, values })
    };
    if let Some(key) = part.strip_prefix('!') {
        return of(key, false, None);
    }
    if let Some((head, values)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let (key, word) = head.trim().rsplit_once(' ')?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match word {
            "in" => of(key, true, Some(values)),
            "notin" => of(key, false, Some(values)),
            _ => None,
        };
    }
    for (word, wanted) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((key, value)) = part.split_once(word) {
            let value = value.trim();
            let is_value = value.is_empty() || is_key(value);
            return is_value.then(|| of(key, wanted, Some(vec![value.to_owned()]))).flatten();
        }
    }
    of(part, true, None)
}

#[cfg(test)]
mod tests {
    use super::super::object_tree::Builder;
    use super::super::raw_json;
    use super::*;

    #[test]
    fn labels_are_selected() {
        let mut builder = Builder::default();
        raw_json::read(br#"{"metadata":{"labels":{"app":"shop","tier":"web","empty":"","a.b/c":"d"}}}"#, &mut builder)
            .unwrap();
        let object = builder.finish();
        for (text, want) in [
            ("", true),
            ("app=shop", true),
            ("app==shop,tier=web", true),
            ("app=other", false),
            ("app!=other", true),
            ("nothing!=x", true),
            ("app", true),
            ("!app", false),
            ("!nothing", true),
            ("app in (a, shop)", true),
            ("app notin (a,shop)", false),
            ("nothing notin (a)", true),
            ("nothing in (a)", false),
            ("empty=", true),
            ("a.b/c=d, tier in (web)", true),
        ] {
            assert_eq!(LabelQuery::parse(text).unwrap().matches(&object), want, "{text}");
        }
        for text in ["a b", "a in b", "=x", "a=b=c", "a in (b", "(a)", "!"] {
            assert!(LabelQuery::parse(text).is_err(), "{text}");
        }
    }
}
