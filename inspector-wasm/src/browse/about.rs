//! What the whole store is: of when, of Kubernetes or not, and what it holds most of.

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{key_text, printable};
use etcdsnap_core::kubernetes::kind_usage::kind_usage;
use etcdsnap_core::kubernetes::special_types::rfc3339;
use etcdsnap_core::kubernetes::{time_marks, time_text};
use etcdsnap_core::restore::quota::DEFAULT_QUOTA;

use super::answers::{About, KindUse, Taken, UsageSum};
use super::view::{Refusal, View, told};

/// Kinds that go out.
const KINDS: usize = 200;

impl<S: Source + ?Sized> View<'_, S> {
    pub(crate) fn about(&self) -> Result<About, Refusal> {
        let line = time_marks::time_line(&self.store).map_err(told)?;
        let kinds = kind_usage(&self.index, &self.prefixes);
        let text = |part: &[u8]| printable(&String::from_utf8_lossy(part));
        let point = |group: &[u8]| if group.is_empty() { "" } else { "." };
        Ok(About {
            taken: line.map(|line| line.at(self.store.current())).map(|moment| Taken {
                iso: rfc3339(moment.seconds, None),
                text: time_text::about(moment),
                seconds: moment.seconds,
            }),
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
        })
    }
}
