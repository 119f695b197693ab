//! Finds the client that wrote an object last, by its `managedFields`.

use super::field_changes::FieldChange;
use super::object_tree::Node;
use super::special_types::parse_rfc3339;

/// The client in an entry of `managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldManager {
    /// Such as `kubectl-client-side-apply`.
    pub name: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// Such as `status`; empty for the object itself.
    pub subresource: String,
    /// When it last changed fields, in seconds since 1970.
    pub seconds: Option<i64>,
}

/// Returns the newest entry; of several with the same time, the last one. `None` if there are no entries. A write that changes none of its manager's fields does not appear in them.
#[must_use]
pub fn newest(object: &Node<'_>) -> Option<FieldManager> {
    newest_of(object, |_| true)
}

/// Returns the client that made these changes. For changes of the status, it is the newest entry of subresource `status`, because only such writes can change it; otherwise the newest entry of all.
/// Times have a precision of a second, so a user's edit and the reaction of a controller can have the same time. If only the number of replicas changed, it is the owner of that field
/// through `scale`; such an entry may have no time.
#[must_use]
pub fn author(object: &Node<'_>, changes: &[FieldChange]) -> Option<FieldManager> {
    let is_status = changes.iter().any(|change| change.path.starts_with(".status"))
        && changes.iter().all(|change| change.path.starts_with(".status") || change.path.starts_with(".metadata"));
    let of_status = || newest_of(object, |entry| entry.get("subresource").and_then(Node::text) == Some("status"));
    let is_scale = changes.iter().any(|change| change.path == ".spec.replicas")
        && changes.iter().all(|change| change.path == ".spec.replicas" || change.path.starts_with(".metadata"));
    let of_scale = || {
        newest_of(object, |entry| {
            entry.get("subresource").and_then(Node::text) == Some("scale")
                && entry.at(&["fieldsV1", "f:spec", "f:replicas"]).is_some()
        })
    };
    let known = is_status.then(of_status).or_else(|| is_scale.then(of_scale)).flatten();
    known.or_else(|| newest(object))
}

fn newest_of(object: &Node<'_>, is_wanted: impl Fn(&Node<'_>) -> bool) -> Option<FieldManager> {
    let entries = object.at(&["metadata", "managedFields"])?.items();
    let entry = entries.iter().filter(|entry| is_wanted(entry)).max_by_key(|entry| time(entry))?;
    let text = |name: &str| entry.get(name).and_then(Node::text).unwrap_or_default().to_owned();
    let manager = FieldManager {
        name: text("manager"),
        operation: text("operation"),
        subresource: text("subresource"),
        seconds: time(entry),
    };
    Some(manager).filter(|manager| !manager.name.is_empty())
}

fn time(entry: &Node<'_>) -> Option<i64> {
    parse_rfc3339(entry.get("time")?.text()?)
}

impl std::fmt::Display for FieldManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        let how: Vec<&str> = [&self.operation, &self.subresource]
            .into_iter()
            .map(String::as_str)
            .filter(|word| !word.is_empty())
            .collect();
        if how.is_empty() { Ok(()) } else { write!(f, " ({})", how.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::parsed;
    use super::*;

    #[test]
    fn a_status_is_attributed_to_a_writer_of_the_status() {
        let object = parsed(
            r#"{"metadata":{"managedFields":[{"manager":"controller","operation":"Update","subresource":"status","time":"2026-03-09T10:00:00Z"},{"manager":"kubectl-set","operation":"Update","time":"2026-03-09T10:00:00Z"}]}}"#,
        );
        let change = |path: &str| FieldChange { path: path.into(), old: None, new: Some("1".into()), hidden: false };
        let author = |paths: &[&str]| {
            let changes: Vec<FieldChange> = paths.iter().map(|path| change(path)).collect();
            author(&object, &changes).map(|manager| manager.name)
        };
        assert_eq!(author(&[".status.replicas", ".metadata.annotations.a"]).as_deref(), Some("controller"));
        assert_eq!(author(&[".spec.replicas", ".metadata.generation"]).as_deref(), Some("kubectl-set"));
        assert_eq!(author(&[]).as_deref(), Some("kubectl-set"));
        let nobody = parsed(r#"{"metadata":{"managedFields":[{"manager":"a","time":"2026-03-09T10:00:00Z"}]}}"#);
        assert_eq!(super::author(&nobody, &[change(".status.a")]).map(|manager| manager.name).as_deref(), Some("a"));
    }

    #[test]
    fn replicas_are_attributed_to_the_client_that_scaled() {
        let object = parsed(
            r#"{"metadata":{"managedFields":[{"manager":"kubectl-create","operation":"Update","time":"2026-03-09T10:00:00Z"},{"manager":"kubectl","operation":"Update","subresource":"scale","fieldsV1":{"f:spec":{"f:replicas":{}}}}]}}"#,
        );
        let change = |path: &str| FieldChange { path: path.into(), old: None, new: Some("1".into()), hidden: false };
        let name = |path: &str| author(&object, &[change(path), change(".metadata.generation")]).map(|who| who.name);
        assert_eq!(name(".spec.replicas").as_deref(), Some("kubectl"));
        assert_eq!(name(".spec.paused").as_deref(), Some("kubectl-create"));
    }

    #[test]
    fn the_newest_entry_is_found() {
        let object = parsed(
            r#"{"metadata":{"managedFields":[{"manager":"kubectl","operation":"Apply","time":"2026-03-09T10:00:00Z"},{"manager":"hpa","operation":"Update","subresource":"scale","time":"2026-03-09T10:05:00Z"},{"manager":"old","time":"2020-01-01T00:00:00Z"},{"manager":"timeless"}]}}"#,
        );
        assert_eq!(newest(&object).map(|manager| manager.to_string()).as_deref(), Some("hpa (Update, scale)"));
        assert_eq!(newest(&parsed(r#"{"metadata":{"managedFields":[]}}"#)), None);
        assert_eq!(newest(&parsed("{}")), None);
    }
}
