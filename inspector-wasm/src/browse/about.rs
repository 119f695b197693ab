//! A description of the store: when it was taken, whether it is from Kubernetes, and its largest kinds.

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{key_text, printable};
use etcdsnap_core::kubernetes::kind_usage::kind_usage;
use etcdsnap_core::restore::quota::DEFAULT_QUOTA;

use super::answers::{About, KindUse, UsageSum};
use super::view::View;

/// Most kinds in the answer.
const KINDS: usize = 200;

impl<S: Source + ?Sized> View<'_, S> {
    pub(crate) fn about(&mut self) -> About {
        let current = self.store.current();
        let taken = self.time_at(current);
        let kinds = kind_usage(&self.index, &self.prefixes);
        let text = |part: &[u8]| printable(&String::from_utf8_lossy(part));
        let point = |group: &[u8]| if group.is_empty() { "" } else { "." };
        About {
            taken,
            objects: kinds.iter().map(|kind| kind.sum.keys).sum(),
            kinds: kinds
                .iter()
                .take(KINDS)
                .map(|kind| KindUse {
                    kind: format!("{}{}{}", text(kind.resource), point(kind.group), text(kind.group)),
                    prefix: key_text(kind.prefix),
                    sum: UsageSum::from(&kind.sum),
                })
                .collect(),
            quota: DEFAULT_QUOTA,
        }
    }
}
