//! The space used below a prefix.

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{key_bytes, key_text};
use etcdsnap_core::kubernetes::usage_below::{UsageBelow, UsageLimits};
use etcdsnap_core::store::Key;

use super::answers::{KeyRow, NamespaceUse, UsageAnswer, UsageGroup, UsageSum, narrow};
use super::view::{Refusal, View};

/// Maximum number of groups, as many as the treemap of the page can show, and of keys in each list beside it.
const LIMITS: UsageLimits = UsageLimits { groups: 1000, keys: 20 };

impl<S: Source + ?Sized> View<'_, S> {
    pub(crate) fn usage(&self, prefix: &str) -> Result<UsageAnswer, Refusal> {
        let asked = key_bytes(prefix).ok_or_else(|| format!("{prefix} is not a valid key in quotes."))?;
        let below = UsageBelow::of(&self.index, &self.all, &asked, &self.prefixes, LIMITS);
        let rows = |keys: &[Key<'_>]| -> Vec<KeyRow> { keys.iter().filter_map(|key| self.row_of(key)).collect() };
        Ok(UsageAnswer {
            prefix: prefix.to_owned(),
            total: (&below.total).into(),
            groups: below
                .groups
                .iter()
                .map(|found| UsageGroup {
                    prefix: key_text(found.prefix),
                    name: key_text(found.prefix.get(asked.len()..).unwrap_or_default()),
                    folder: found.folder,
                    sum: (&found.sum).into(),
                })
                .collect(),
            namespaces: below
                .namespaces
                .iter()
                .map(|(name, sum)| NamespaceUse { name: key_text(name), sum: sum.into() })
                .collect(),
            rest: UsageSum::from(&below.rest.0),
            rest_count: narrow(below.rest.1),
            largest: rows(&below.largest),
            busiest: rows(&below.busiest),
        })
    }
}
