//! Makes a new file from the one in a blob: redacted, compacted or salvaged. Passes its pages on as they are made, and returns the meta pages, which belong at its start.
//!
//! The new file has no SHA-256 yet: the caller assembles the file, verifies it, and appends the SHA-256.

use etcdsnap_core::bolt::write::file_builder::{BuiltFile, PageSink};
use etcdsnap_core::kubernetes::redact_rules::RedactRules;
use etcdsnap_core::kubernetes::registry_keys::PREFIXES;
use etcdsnap_core::pass::reading::Accumulator as _;
use etcdsnap_core::rewrite::{
    AuthPolicy, Limits, Plan, RedactReport, Redaction, RewriteError, Salvage, SalvageReport, write,
};
use etcdsnap_core::store::{OpenedStore, Store, SurvivorSearch, Survivors};
use etcdsnap_core::{Error, MetaChoice, Revision, ScanProgress};
use js_sys::{Function, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use crate::blob::BlobSource;
use crate::browse::meta_choice;
use crate::convert::{Progress, error_of_kind, into_error, to_js};
use crate::random_key::random;

/// Bytes passed on at once.
const PIECE: usize = 4 << 20;

/// Which new file to make; same as `CopyOrder` in `rewriting.ts`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum CopyOrder {
    Redact { hide_names: bool, keep_size: bool },
    Compact { revision: Revision },
    Salvage { proven_only: bool, reset_auth: bool },
}

/// A report about a new file.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CopyMade {
    pub bytes: u64,
    pub entries_before: u64,
    pub entries: u64,
    pub redacted: Option<Redacted>,
    pub compacted: Option<Revision>,
    pub salvaged: Option<Salvaged>,
}

/// What was replaced.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Redacted {
    pub kinds: Vec<RedactedKind>,
    pub others: u64,
    pub encrypted: u64,
    pub passwords: u64,
    pub users_left_out: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedactedKind {
    pub kind: String,
    pub values: u64,
    pub replaced: u64,
}

/// What a salvaged file lacks, and what is in doubt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Salvaged {
    pub whole: bool,
    pub revision: Revision,
    pub missing_revisions: u64,
    pub unread_places: u64,
    pub end_is_lost: bool,
    pub left_out: u64,
    pub broken_keys: u64,
    pub doubtful_keys: u64,
    pub unproven: u64,
    pub raised_to: Option<Revision>,
    pub buckets: Vec<String>,
    pub auth_was_reset: bool,
}

/// Makes a new file from the one in `blob`, as `order` (a `CopyOrder`) says; `older` chooses the tree of the older meta page. Calls `take` with its pages and `progress` with the number of bytes read. Returns the meta pages and a `CopyMade`.
///
/// # Errors
/// If the file cannot be read, is damaged (unless it is salvaged), or contains what etcd never writes.
#[wasm_bindgen(js_name = rewriteFile, unchecked_return_type = "{ metas: Uint8Array<ArrayBuffer>; made: CopyMade }")]
pub fn rewrite_file(
    blob: Blob,
    order: JsValue,
    older: bool,
    take: Function,
    progress: Function,
) -> Result<JsValue, JsValue> {
    let meta = meta_choice(older);
    let source = BlobSource::new(blob).map_err(into_error)?;
    let progress = Progress::new(progress);
    let sink = Sink { take, waiting: Vec::new() };
    let (built, made) = match serde_wasm_bindgen::from_value(order)? {
        CopyOrder::Salvage { proven_only, reset_auth } => {
            let limits = Limits { only_tree: false, proven_only, meta };
            salvage(&source, limits, reset_auth, sink, &progress)?
        }
        order => rewritten(&source, order, meta, sink, &progress)?,
    };
    let answer = js_sys::Object::new();
    Reflect::set(&answer, &"metas".into(), &Uint8Array::from(built.meta_pages.as_slice()))?;
    Reflect::set(&answer, &"made".into(), &to_js(&CopyMade { bytes: built.len, ..made })?)?;
    Ok(answer.into())
}

type Made = Result<(BuiltFile, CopyMade), JsValue>;

fn rewritten(source: &BlobSource, order: CopyOrder, meta: MetaChoice, sink: Sink, progress: &Progress) -> Made {
    let store = match Store::open_by(source, meta).map_err(into_error)? {
        OpenedStore::Store(store) => store,
        OpenedStore::Refused(_) => return Err(refused("This file contains no keys.")),
    };
    let mut made = CopyMade::default();
    let (built, sink, counts) = match order {
        CopyOrder::Redact { hide_names, keep_size } => {
            let rules = RedactRules {
                keep_size,
                name_salt: if hide_names { Some(salt()?) } else { None },
                ..RedactRules::default()
            };
            let prefixes: Vec<Vec<u8>> = PREFIXES.iter().map(|prefix| prefix.to_vec()).collect();
            let mut filter = Redaction::new(&rules, &prefixes);
            let written = write(&store, Plan::Filtered(&mut filter), sink, progress).map_err(failed)?;
            made.redacted = Some(redacted(filter.into_report()));
            written
        }
        CopyOrder::Compact { revision } => {
            let revision = store.at(revision).map_err(|cause| refused(&format!("{cause}.")))?;
            let survivors = survivors(&store, revision, progress)?;
            made.compacted = Some(revision);
            write(&store, Plan::Compacted(&survivors), sink, progress).map_err(failed)?
        }
        CopyOrder::Salvage { .. } => return Err(refused("A salvage is not a filtered copy.")),
    };
    sink.finish()?;
    (made.entries_before, made.entries) = (counts.read, counts.kept);
    Ok((built, made))
}

fn survivors(
    store: &Store<'_, BlobSource>,
    revision: Revision,
    progress: &dyn ScanProgress,
) -> Result<Survivors, JsValue> {
    let mut search = SurvivorSearch::new(revision);
    let mut lost = store.lost();
    for work in store.work() {
        lost.append(search.read(store, work, progress).map_err(into_error)?);
    }
    match lost.first {
        Some(finding) => Err(refused(&format!("This file is damaged: {}.", finding.message))),
        None => search.finish().map_err(into_error),
    }
}

fn salvage(source: &BlobSource, limits: Limits, reset_auth: bool, sink: Sink, progress: &Progress) -> Made {
    let found = Salvage::open(source, limits, progress).map_err(into_error)?.filter(|found| !found.has_nothing());
    let found = found.ok_or_else(|| refused("No keys in this file can be read."))?;
    let auth_was_reset = found.auth_is_damaged();
    if auth_was_reset && !reset_auth {
        return Err(refused(
            "Users and roles cannot be read completely. If only some were kept, users might read and write more than they may. Choose to leave all of them out: the new file is then open to everybody.",
        ));
    }
    let auth = if auth_was_reset { AuthPolicy::Reset } else { AuthPolicy::AsRead };
    let (built, sink) = found.write(auth, sink, progress).map_err(failed)?;
    sink.finish()?;
    let report = found.report();
    Ok((
        built,
        CopyMade { entries: report.entries, salvaged: Some(salvaged(report, auth_was_reset)), ..CopyMade::default() },
    ))
}

fn redacted(report: RedactReport) -> Redacted {
    let mut kinds: Vec<RedactedKind> = report
        .kinds
        .into_iter()
        .map(|(kind, count)| RedactedKind { kind, values: count.values, replaced: count.replaced })
        .collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.replaced));
    Redacted {
        kinds,
        others: report.others.values,
        encrypted: report.encrypted.values,
        passwords: report.passwords,
        users_left_out: report.users_left_out,
    }
}

fn salvaged(report: &SalvageReport, auth_was_reset: bool) -> Salvaged {
    let malformed: u64 =
        report.buckets.iter().map(|bucket| bucket.malformed).fold(report.malformed, u64::saturating_add);
    let lacking = report.buckets.iter().filter(|bucket| bucket.origin != etcdsnap_core::rewrite::Origin::Tree);
    Salvaged {
        whole: report.is_whole() && !auth_was_reset,
        revision: report.revision,
        missing_revisions: report.missing_revisions,
        unread_places: report.damage.counts().values().fold(0, |sum, count| sum.saturating_add(*count)),
        end_is_lost: report.end_is_lost,
        left_out: malformed.saturating_add(report.superseded),
        broken_keys: report.broken_keys,
        doubtful_keys: report.doubtful_keys,
        unproven: report.unproven,
        raised_to: report.raised_to,
        buckets: lacking.map(|bucket| bucket.name.clone()).collect(),
        auth_was_reset,
    }
}

/// Returns a random salt for hashing names, so that nobody can confirm a guessed name by its hash.
fn salt() -> Result<[u8; 32], JsValue> {
    let mut salt = [0; 32];
    if random(&mut salt) {
        Ok(salt)
    } else {
        Err(refused("Names cannot be hidden: this browser provides no random numbers."))
    }
}

/// Creates an error whose cause is the file; the worker can continue.
fn refused(why: &str) -> JsValue {
    error_of_kind("refused", why)
}

fn failed(error: RewriteError<JsValue>) -> JsValue {
    match error {
        RewriteError::Read(cause) => into_error(cause),
        RewriteError::Damaged(finding) => refused(&format!(
            "This file is damaged, so the new one would be incomplete: {}. Save what can be salvaged instead.",
            finding.message
        )),
        RewriteError::Build(etcdsnap_core::bolt::write::file_builder::BuildError::Sink(cause)) => cause,
        other => refused(&format!("No new file can be made from this one: {}.", shown(&other))),
    }
}

/// Describes a rewrite error, except one of the sink.
fn shown(error: &RewriteError<JsValue>) -> String {
    match error {
        RewriteError::Nested(name) => format!("bucket {name} contains buckets, which no etcd writes"),
        RewriteError::Missing(name) => format!("there is no bucket {name}"),
        _ => "its entries are not in order".into(),
    }
}

/// Passes pages on in large pieces.
struct Sink {
    take: Function,
    waiting: Vec<u8>,
}

impl Sink {
    fn finish(mut self) -> Result<(), JsValue> {
        self.hand_out()
    }

    fn hand_out(&mut self) -> Result<(), JsValue> {
        if !self.waiting.is_empty() {
            self.take.call1(&JsValue::NULL, &Uint8Array::from(self.waiting.as_slice()))?;
            self.waiting.clear();
        }
        Ok(())
    }
}

impl PageSink for Sink {
    type Error = JsValue;

    fn append(&mut self, pages: &[u8]) -> Result<(), JsValue> {
        if self.waiting.len().saturating_add(pages.len()) > PIECE {
            self.hand_out()?;
        }
        self.waiting
            .try_reserve(pages.len())
            .map_err(|_| into_error(Error::Memory { what: "the pages of the new file", bytes: pages.len() as u64 }))?;
        self.waiting.extend_from_slice(pages);
        Ok(())
    }
}
