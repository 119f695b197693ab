//! The dependents and Events of an object. Finding them reads the whole file.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::key_text;
use etcdsnap_core::kubernetes::decode::Skip;
use etcdsnap_core::kubernetes::event_facts::EventFacts;
use etcdsnap_core::kubernetes::object_tree::Node;
use etcdsnap_core::kubernetes::object_trouble::relations;
use etcdsnap_core::store::{LastPuts, Mentions};

use super::object_answers::{ObjectOwner, RelatedEvent, RelatedObjects};
use crate::browse::answers::narrow;
use crate::browse::purpose::{Purpose, Reading, query, unread};
use crate::browse::view::{Refusal, View};

/// Minimum and maximum bytes of a uid. A shorter one would occur in too many values.
const UID: std::ops::RangeInclusive<usize> = 8..=128;

impl<'s, S: Source + ?Sized> View<'s, S> {
    /// Starts looking for values that contain the uid of an object.
    pub(crate) fn begin_related(&mut self, uid: &str) -> Result<(), Refusal> {
        if !UID.contains(&uid.len()) {
            return Err("This object has no uid, so its dependents and Events cannot be found.".into());
        }
        let query = query(&self.store, self.revision);
        self.begin(self.store.lost(), Purpose::Mentions(Mentions::of(query, uid.as_bytes())));
        Ok(())
    }

    pub(crate) fn finish_related(&mut self, uid: &str) -> Result<RelatedObjects, Refusal> {
        let Some(Reading { purpose: Purpose::Mentions(mentions), lost, .. }) = self.reading.take() else {
            return Err(unread());
        };
        let more = mentions.is_cut();
        let mut out = RelatedObjects { dependents: Vec::new(), events: Vec::new(), more, lost: lost.places };
        for (key, mention) in mentions.into_found() {
            let Some(state) = self.index.get(&key).filter(|key| !key.deleted && key.revision == mention.revision)
            else {
                continue;
            };
            // A value that cannot be read does not show its owner.
            let _ = self.with_object(&key, (state.place, state.revision.main), Skip::ManagedFields, |node, _| {
                let text = |path: &[&str]| node.at(path).and_then(Node::text).unwrap_or_default();
                if text(&["involvedObject", "uid"]) == uid || text(&["regarding", "uid"]) == uid {
                    let facts = EventFacts::of(&node);
                    out.events.push(RelatedEvent {
                        key: key_text(&key),
                        of: facts.kind,
                        reason: facts.reason,
                        message: facts.message,
                        last: facts.last,
                        count: facts.count,
                    });
                } else if relations(&node).owners.iter().any(|owner| owner.uid == uid) {
                    let (kind, name) = (text(&["kind"]).to_owned(), text(&["metadata", "name"]).to_owned());
                    out.dependents.push(ObjectOwner { kind, name, key: Some(key_text(&key)) });
                }
            });
        }
        out.events.sort_by_key(|event| std::cmp::Reverse(event.last));
        Ok(out)
    }

    /// Starts reading the last states of all deleted objects; returns false if they were already read, or there are none.
    pub(crate) fn begin_last_states(&mut self) -> bool {
        if self.objects.last.is_some() {
            return false;
        }
        let objects = self.index.iter().filter(|key| key.deleted && self.object(key.key).is_some());
        let keys: HashSet<Cow<'static, [u8]>> = objects.map(|key| Cow::Owned(key.key.to_vec())).collect();
        if keys.is_empty() {
            self.objects.last = Some(Default::default());
            return false;
        }
        let query = query(&self.store, self.revision);
        self.begin(self.store.lost(), Purpose::LastStates(LastPuts::new(query, Arc::new(keys))));
        true
    }

    pub(crate) fn finish_last_states(&mut self) -> Result<(), Refusal> {
        let Some(Reading { purpose: Purpose::LastStates(puts), .. }) = self.reading.take() else {
            return Err(unread());
        };
        let puts = puts.into_puts().into_iter();
        let puts = puts.filter_map(|(key, event)| Some((narrow(self.all.find(&self.index, &key)?), event)));
        self.objects.last = Some(puts.collect());
        Ok(())
    }
}
