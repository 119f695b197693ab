//! Which keys a list shows.

use etcdsnap_core::store::Key;
use etcdsnap_core::words::key_bytes;
use memchr::memmem::Finder;
use serde::Deserialize;

/// What the page asks for; as `Filter` in `calls.ts`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    pub text: String,
    pub prefix: bool,
    pub show: Show,
    pub leased: bool,
    pub min_bytes: Option<f64>,
    pub max_bytes: Option<f64>,
    pub min_revision: Option<i64>,
    pub max_revision: Option<i64>,
}

/// Which of the two states of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Show {
    #[default]
    Live,
    Deleted,
    All,
}

impl Filter {
    /// The filter, ready to be asked of many keys.
    pub(crate) fn matcher(&self) -> impl Fn(&Key<'_>) -> bool + '_ {
        // Half a quoted key is no key yet: it is looked for as it stands.
        let part = key_bytes(&self.text).unwrap_or_else(|| self.text.as_bytes().to_vec());
        let finder = Finder::new(&part).into_owned();
        move |key| {
            let shown = match self.show {
                Show::Live => !key.deleted,
                Show::Deleted => key.deleted,
                Show::All => true,
            };
            let size = f64::from(key.value_len);
            let revision = key.revision.main;
            shown
                && (!self.leased || key.lease != 0)
                && self.min_bytes.is_none_or(|least| size >= least)
                && self.max_bytes.is_none_or(|most| size <= most)
                && self.min_revision.is_none_or(|least| revision >= least)
                && self.max_revision.is_none_or(|most| revision <= most)
                && if self.prefix { key.key.starts_with(&part) } else { finder.find(key.key).is_some() }
        }
    }
}
