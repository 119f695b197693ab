//! The limits of scans and queries, each with its reason. Numbers in a file never decide alone how much memory is
//! allocated or how many pages are visited.

/// Findings kept per code; more are only counted. Enough to see a pattern, few enough to print.
pub const FINDINGS_PER_CODE: u64 = 1000;

/// Longest part of a key or name that a finding quotes, in bytes. Names of Kubernetes objects are shorter. Without a
/// limit a forged file could put a megabyte into each of a thousand findings.
pub const MAX_EXCERPT: usize = 256;

/// Maximum depth of a tree, nested buckets included. bbolt's branch pages have at least two children, so no file needs
/// 64 levels.
pub const MAX_DEPTH: usize = 64;

/// Smallest page size that is accepted, in bytes: it has room for a meta page and for a few small entries.
pub const MIN_PAGE_SIZE: u32 = 512;

/// Largest page size in use: 64 KiB, on some ARM and PowerPC hosts.
pub const MAX_PAGE_SIZE: u32 = 65_536;

/// Length of the start of a file that contains both meta pages for every page size, with room to recognize other
/// formats, in bytes.
pub const HEAD_LEN: usize = 131_072;

/// Longest page with its overflow pages that is read at once, in bytes. etcd refuses requests over 1.5 MiB by default;
/// 128 MiB allows for any setting in use and keeps a false overflow count from costing memory.
pub const MAX_PAGE_LEN: u64 = 128 << 20;

/// Maximum number of top-level buckets. etcd has ten.
pub const MAX_BUCKETS: usize = 10_000;

/// Minimum number of subtrees into which the largest tree is split, so that threads of different speed finish together.
pub const MIN_SUBTREES: usize = 64;

/// Maximum number of parts into which a scan splits bucket `key`.
pub const MAX_PARTS: usize = 256;

/// Block size of a sequential read, in bytes.
pub const READ_BLOCK: usize = 1 << 20;

/// Read-ahead of the tree walk once its pages turn out to be contiguous, in bytes.
pub const READ_AHEAD: usize = 256 << 10;

/// Read-ahead stops if it read this many times the bytes requested. It reads the gaps between nearly contiguous leaves,
/// too; without a limit, a forged tree could make each read fetch 256 KiB for one page.
pub const READ_AHEAD_FACTOR: u64 = 8;

/// Longest page with its overflow pages that a sweep digests, in bytes; the walk reads longer ones itself.
pub const SWEEP_PAGE_LEN: usize = 4 << 20;

/// Maximum number of extra bytes after a database and its SHA-256. A running etcd grows its file 16 MiB ahead of use
/// (bbolt's `AllocSize`), and copies may be padded; a longer file is not a snapshot.
pub const MAX_EXTRA_BYTES: u64 = 64 << 20;

/// Bytes read of a database without a valid meta page, whose length is therefore unknown: etcd's default quota.
pub const MAX_WITHOUT_META: u64 = 2 << 30;

/// Unpacking stops if this many consecutive bytes of a database contain no start of a page. The longest page that is
/// read ([`MAX_PAGE_LEN`]) has an eighth of it; a freelist of a gigabyte would list 134 million pages.
pub const MAX_WITHOUT_PAGE: u64 = 1 << 30;

/// A sweep processes at most this many times the length of a file. It needs more than once, because stale pages claim
/// overflow pages that are pages of their own by now. Beyond this limit pages are treated like those that do not fit in
/// memory.
pub const SWEEP_WORK_FACTOR: u64 = 4;

/// Maximum number of passes over the bytes of a file, if the sweep's memory does not hold all pages at once. Each pass
/// finds at least one more level of the tree, and etcd's trees have four or five levels.
pub const SWEEP_PASSES: u32 = 5;

/// Memory for raw pages (branch pages, leaves of small buckets) that a sweep keeps, in bytes; pages beyond it are read
/// again.
pub const SWEEP_RAW_BYTES: usize = 96 << 20;

/// Memory for digests that a sweep keeps, in bytes; pages beyond it are read again. 1 GiB holds about 40 million
/// revisions.
pub const SWEEP_DIGEST_BYTES: usize = 1 << 30;

/// Maximum number of revisions in unreachable pages that are listed; a larger number is reported as "at least".
pub const MAX_UNREACHABLE_REVISIONS: usize = 100_000;

/// Longest value of a small bucket (members, users, …) that is decoded, in bytes; etcd writes a few hundred. Decoded, a
/// value can take thirty times as much memory.
pub const MAX_SMALL_VALUE: usize = 1 << 20;

/// Bytes of a page, with its overflow pages, that the page view decodes: more than anyone reads, and little enough to
/// send to the web page.
pub const PAGE_VIEW_BYTES: usize = 64 << 10;

/// Maximum number of fields shown of a page.
pub const PAGE_VIEW_FIELDS: usize = 4000;

/// Bytes shown of a key or value in a field.
pub const PAGE_VIEW_TEXT: usize = 200;

/// Depth of nested inline buckets that the page view decodes within one page. etcd has none; a page has room for many,
/// as bbolt needs 48 bytes for each.
pub const PAGE_VIEW_DEPTH: usize = 8;

/// The page view searches at most this many times the bytes of a page for secrets; overlapping entries count
/// separately. A sound page is searched once per level of nested buckets.
pub const REDACT_WORK_FACTOR: usize = 8;

/// Memory for a list of members, users, roles or settings, in bytes; items beyond it are counted and left out. etcd
/// writes a few hundred bytes for each, and a cluster has a handful. Leases have no such limit: a cluster may have a
/// million, at 24 bytes each.
pub const LIST_BYTES: usize = 16 << 20;

/// Bytes shown of a stored setting (`meta`, `cluster`, `auth`).
pub const SETTING_TEXT: usize = 4096;

/// Memory for the sums per group that additional threads keep, all together, in bytes. A forged file has as many groups
/// as keys.
pub const GROUP_SUM_BYTES: usize = 32 << 20;

/// Findings kept per code of a data directory: a person reads a few, and a forged log of a gigabyte holds millions.
pub const DIRECTORY_FINDINGS: u64 = 200;

/// Longest `.snap` file in bytes: etcd writes it as one protobuf message, which is shorter than 2 GiB.
pub const MAX_SNAP_FILE: u64 = 2 << 30;

/// Longest segment of the write-ahead log in bytes. etcd starts a new segment after 64 MB, but never within one write,
/// which is at most a protobuf message shorter than 2 GiB.
pub const MAX_SEGMENT: u64 = (2 << 30) + 64_000_000;

/// Maximum number of members read from a raft snapshot; etcd's clusters have a handful.
pub const CONF_STATE_MEMBERS: usize = 1000;

/// Longest record of the log that is not an entry (ids, votes, members), in bytes. etcd writes tens of bytes.
pub const MAX_SMALL_RECORD: u64 = 64 << 10;

/// Maximum number of snapshot records of a log that are kept, the newest ones: etcd keeps five segments, and takes a
/// snapshot every 10,000 entries.
pub const MAX_LOG_SNAPSHOTS: usize = 100_000;

/// Highest plausible raft term: each term is an election.
pub const MAX_TERM: u64 = 1 << 40;

/// Maximum number of bytes hashed in the search for records after the end of a log.
pub const MAX_RESYNC_BYTES: u64 = 256 << 20;

/// Maximum number of gaps between the entries of a log that are kept. A sound log has one for each snapshot that the
/// member received from a leader.
pub const MAX_LOG_GAPS: usize = 1000;

/// Maximum number of membership changes in a log that are kept, the last ones. A cluster has a few per year.
pub const MAX_LOG_CONF_CHANGES: usize = 1000;

/// Largest bucket that an edit may rewrite as a whole, in bytes. It does so if too few of the bucket's pages would
/// remain; the buckets from which a restore removes entries have a few kilobytes.
pub const MAX_REWRITTEN_BUCKET: usize = 16 << 20;

/// Maximum number of stray pages with the same range of revisions that a salvage compares. Each transaction leaves an
/// old version of the last page, and bbolt reuses free pages first, so only a forged file has more.
pub const STRAY_VERSIONS: usize = 256;

/// Maximum number of revisions of stray pages that a salvage compares at once: those of [`STRAY_VERSIONS`] pages of
/// 64 KiB with the smallest entries, some 40 MB.
pub const STRAY_REVISIONS: usize = 1 << 18;

/// Maximum number of gaps in the history of a damaged file that a salvage distinguishes when it compares neighbouring
/// revisions of a key.
pub const REMEMBERED_GAPS: usize = 100_000;
