//! Reads Events of the core group and of events.k8s.io, and formats their times as `kubectl events` does.

use super::age::human;
use super::object_tree::Node;
use super::special_types::parse_rfc3339;

/// The facts about an Event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// Such as `BackOff`.
    pub reason: String,
    /// The object that the Event is about, as `Pod/web`.
    pub object: String,
    /// Kind, name and apiVersion of that object; old Events lack the apiVersion.
    pub about: [String; 3],
    /// The text of the Event.
    pub message: String,
    /// When it was first observed, in seconds since 1970.
    pub first: Option<i64>,
    /// When it was last observed.
    pub last: Option<i64>,
    /// How often it was observed.
    pub count: i64,
}

impl EventFacts {
    /// Reads an Event; the two groups have the same facts under different names.
    #[must_use]
    pub fn of(event: &Node<'_>) -> Self {
        let text = |paths: [&[&str]; 2]| {
            let found = paths.into_iter().filter_map(|path| event.at(path)?.text()).find(|text| !text.is_empty());
            found.unwrap_or_default().to_owned()
        };
        let time = |path: &[&str]| parse_rfc3339(event.at(path)?.text()?);
        let number = |path: &[&str]| match event.at(path)? {
            Node::Int(number) => Some(*number),
            _ => None,
        };
        let seen = time(&["eventTime"]);
        let old_first = time(&["firstTimestamp"]).or_else(|| time(&["deprecatedFirstTimestamp"]));
        let old_last = time(&["lastTimestamp"]).or_else(|| time(&["deprecatedLastTimestamp"]));
        let created = time(&["metadata", "creationTimestamp"]);
        let first = seen.or(old_first).or(old_last).or(created);
        let kind = text([&["involvedObject", "kind"], &["regarding", "kind"]]);
        let name = text([&["involvedObject", "name"], &["regarding", "name"]]);
        let version = text([&["involvedObject", "apiVersion"], &["regarding", "apiVersion"]]);
        let count =
            number(&["series", "count"]).or_else(|| number(&["count"])).or_else(|| number(&["deprecatedCount"]));
        Self {
            kind: text([&["type"], &["type"]]),
            reason: text([&["reason"], &["reason"]]),
            object: if kind.is_empty() && name.is_empty() { "<unknown>".into() } else { format!("{kind}/{name}") },
            about: [kind, name, version],
            message: text([&["message"], &["note"]]).trim().to_owned(),
            first,
            last: time(&["series", "lastObservedTime"]).or(old_last).or(first),
            count: count.unwrap_or(1).max(1),
        }
    }

    /// Formats how long before `now` it was observed: `5m`, or `10s (x3 over 5m)`; `<unknown>` for a missing time. Source: `getInterval` of k8s.io/kubectl/pkg/cmd/events.
    #[must_use]
    pub fn last_seen(&self, now: Option<i64>) -> String {
        let since = |time: Option<i64>| match (now, time) {
            (Some(now), Some(time)) => human(now.saturating_sub(time).max(0)),
            _ => "<unknown>".to_owned(),
        };
        if self.count > 1 {
            return format!("{} (x{} over {})", since(self.last), self.count, since(self.first));
        }
        since(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::parsed;
    use super::*;

    #[test]
    fn both_groups_say_the_same() {
        let core = parsed(
            r#"{"kind":"Event","type":"Warning","reason":"BackOff","message":" again ","involvedObject":{"kind":"Pod","name":"web"},"firstTimestamp":"1970-01-01T00:01:00Z","lastTimestamp":"1970-01-01T00:05:00Z","count":3,"eventTime":null}"#,
        );
        let newer = parsed(
            r#"{"kind":"Event","type":"Warning","reason":"BackOff","note":"again","regarding":{"kind":"Pod","name":"web"},"eventTime":"1970-01-01T00:01:00.000000Z","series":{"count":3,"lastObservedTime":"1970-01-01T00:05:00.000000Z"}}"#,
        );
        let facts = EventFacts::of(&core);
        assert_eq!(facts, EventFacts::of(&newer));
        assert_eq!(facts.last_seen(Some(360)), "60s (x3 over 5m)");
        assert_eq!(facts.last_seen(None), "<unknown> (x3 over <unknown>)");
        let once = EventFacts { count: 1, ..facts };
        assert_eq!(once.last_seen(Some(360)), "5m");
        assert_eq!(EventFacts::of(&parsed("{}")).last_seen(Some(1)), "<unknown>");
    }
}
