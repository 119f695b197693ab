//! Fields that differ, in JSON.

use etcdsnap::core::kubernetes::field_changes::{FieldChange, FieldChanges};
use serde_json::{Map, Value};

/// Adds the changed fields to a JSON object as `fields`, with the number of further ones.
pub fn put(object: &mut Map<String, Value>, changes: &FieldChanges) {
    object.insert("fields".into(), changes.list.iter().map(|change| Value::Object(field(change))).collect());
    if changes.more > 0 {
        object.insert("moreFields".into(), changes.more.into());
    }
}

fn field(change: &FieldChange) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("path".into(), change.path.clone().into());
    if change.hidden {
        object.insert("hidden".into(), true.into());
    }
    for (name, value) in [("old", &change.old), ("new", &change.new)] {
        if let Some(text) = value.as_ref().filter(|_| !change.hidden) {
            // Every value is JSON, except the order of a list's elements, which is a list of names.
            let value = serde_json::from_str(text).unwrap_or_else(|_| text.clone().into());
            object.insert(name.into(), value);
        }
    }
    object
}
