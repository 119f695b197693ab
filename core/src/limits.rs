//! Every bound of a scan, each with its reason. A file's own numbers never decide how much is allocated or visited.

/// Findings kept of one code; more are only counted. Enough to see a pattern, few enough to print.
pub const FINDINGS_PER_CODE: u64 = 1000;

/// Bytes of a key or a name that a finding tells. Names of Kubernetes' objects are shorter; a forged file could put a megabyte into each of a thousand findings.
pub const EXCERPT: usize = 256;

/// Depth of a tree, nested buckets counted. Bolt's branch pages have at least two children, so 64 levels exceed any file.
pub const MAX_DEPTH: usize = 64;

/// Smallest page size bolt can work with: two metas and a leaf of one small pair need it.
pub const MIN_PAGE_SIZE: u32 = 512;

/// Largest page size in use: 64 KiB, on some ARM and PowerPC hosts.
pub const MAX_PAGE_SIZE: u32 = 65_536;

/// Bytes from the start of a file within which both metas lie for every page size, with room to sniff other formats.
pub const HEAD_LEN: usize = 131_072;

/// Largest page with its overflow that is read at once. etcd refuses requests over 1.5 MiB unless told otherwise; 128 MiB leaves
/// room for any setting in use and keeps a lying overflow from costing memory.
pub const MAX_UNIT: u64 = 128 << 20;

/// Top-level buckets taken in. etcd has ten.
pub const MAX_BUCKETS: usize = 10_000;

/// Subtrees into which the largest tree is cut at least, so that threads of uneven speed end together.
pub const MIN_SUBTREES: usize = 64;

/// Parts that a scan has at most.
pub const MAX_PARTS: usize = 256;

/// Block of a sequential read in bytes.
pub const BLOCK: usize = 1 << 20;

/// Read ahead of the tree walk in bytes, once page after page turns out to lie in order.
pub const READ_AHEAD: usize = 256 << 10;

/// Times the bytes asked for that reading ahead may read. Leaves that follow each other with gaps between are read with the gaps; a forged tree can have each read take in 256 KiB of
/// which one page is wanted, and would then read the file some hundred times.
pub const READ_WASTE: u64 = 8;

/// Largest page with its overflow that a sweep digests; a larger one is read when the walk asks for it.
pub const SWEEP_UNIT: usize = 4 << 20;

/// Bytes that are read behind a database and its SHA-256. A running etcd's file grows 16 MiB ahead of what is used (bolt's `AllocSize`),
/// and copies are padded; what is longer than this is no snapshot, however its name ends.
pub const MAX_TAIL: u64 = 64 << 20;

/// Bytes read of a database neither of whose metas is valid, so that nothing says how long it is: etcd's quota unless it is told otherwise.
pub const MAX_WITHOUT_META: u64 = 2 << 30;

/// Bytes of an unpacked database in a row without the start of a page, after which unpacking stops. The longest page that is read
/// ([`MAX_UNIT`]) is an eighth of it; a freelist of a gigabyte would name 134 million pages.
pub const MAX_WITHOUT_PAGE: u64 = 1 << 30;

/// How many times its own length a sweep works through a file at most, where pages claim overflow pages that are pages themselves: stale ones
/// do, each a few. Past it pages count as those for which there is no room.
pub const SWEEP_WORK: u64 = 4;

/// Times that the bytes of a file go by at most when a sweep has no room for all pages at once: each time it learns of at least one level
/// more of the tree, and etcd's trees have four or five.
pub const SWEEP_PASSES: u32 = 5;

/// Bytes of raw pages (branch pages, leaves of small buckets) that a sweep remembers; past it they are read again.
pub const SWEEP_RAW: usize = 96 << 20;

/// Bytes of digests that a sweep remembers; past it pages are read again. 1 GiB holds some 40 million revisions.
pub const SWEEP_DIGESTS: usize = 1 << 30;

/// Revisions in pages that nothing points to that are told apart; more are counted as that many at least.
pub const MAX_UNREACHABLE_REVISIONS: usize = 100_000;

/// Bytes of a value of a small bucket (members, users, …) that is parsed; etcd writes a few hundred. Parsed it can take thirty times as much.
pub const MAX_SMALL_VALUE: usize = 1 << 20;

/// Bytes of a page with its overflow that are taken apart to be shown: more than anybody reads, and little to hand to a page.
pub const PAGE_VIEW_BYTES: usize = 64 << 10;

/// Fields of a page that are shown.
pub const PAGE_VIEW_FIELDS: usize = 4000;

/// Bytes of a key or value in a field that is shown.
pub const PAGE_VIEW_TEXT: usize = 200;

/// Buckets within each other in one page that are taken apart. etcd has none; bolt needs 48 bytes for each, and a person reads no deeper.
pub const PAGE_VIEW_DEPTH: usize = 8;

/// Times the bytes of a page that are looked through for secrets, entries that share bytes counted each. Those of a sound page are looked through once for each level of buckets.
pub const MASK_WORK: usize = 8;

/// Bytes that a list of members, users, roles or marks takes in memory; what has no room is counted and left out. etcd writes a few hundred bytes for each, and a cluster has a handful.
/// Leases, of which a cluster may have a million, take 24 bytes each and have no such bound.
pub const LIST_BYTES: usize = 16 << 20;

/// Bytes of a stored setting (`meta`, `cluster`, `auth`) that are told.
pub const MARK_TEXT: usize = 4096;

/// Bytes that the sums of groups take in all threads together, but for one thread's: a forged file has as many groups as keys.
pub const SUMS_BYTES: usize = 32 << 20;

/// Findings of each code that are kept of a data directory: a person reads a few, and a forged log of a gigabyte holds millions.
pub const DIRECTORY_FINDINGS: u64 = 200;

/// Bytes of a `.snap` file: etcd writes it as one protobuf message, which has less than 2 GiB.
pub const MAX_SNAP_FILE: u64 = 2 << 30;

/// Bytes of a segment of the write-ahead log. etcd begins a new one behind 64 MB and never within what it writes at once, a protobuf message of less than 2 GiB at most.
pub const MAX_SEGMENT: u64 = (2 << 30) + 64_000_000;

/// Members of a cluster that are taken from a raft snapshot; etcd's clusters have a handful.
pub const CONF_STATE_MEMBERS: usize = 1000;

/// Bytes of a record of the log that is no entry: ids, votes, members. etcd writes tens.
pub const MAX_SMALL_RECORD: u64 = 64 << 10;

/// Raft snapshots that a log names and that are kept, the newest: etcd keeps five segments, and takes one every 10,000 entries.
pub const MAX_SNAPSHOT_MARKS: usize = 100_000;

/// Raft's terms above this are none: each is an election.
pub const MAX_TERM: u64 = 1 << 40;

/// Bytes of records that are hashed in search of records behind the end of a log.
pub const MAX_RESYNC: u64 = 256 << 20;

/// Gaps between the entries of a log that are remembered; a sound log has one for each snapshot that its member was sent.
pub const MAX_LOG_GAPS: usize = 1000;

/// Changes of members in a log that are remembered, the last ones; a cluster has a few a year.
pub const MAX_LOG_CONF_CHANGES: usize = 1000;

/// Bytes of a bucket that an edit writes anew at most, where its pages would become too few: the buckets that a restore takes entries out of have a few kilobytes.
pub const REWRITTEN_BYTES: usize = 16 << 20;

/// Stray pages that hold the same range of revisions and are compared in a salvage. Each transaction leaves one of the last page, and free pages are used again first; more come only from a forged
/// file.
pub const STRAY_VERSIONS: usize = 256;

/// Revisions of stray pages that are compared at once in a salvage: those of [`STRAY_VERSIONS`] pages of 64 KiB with the smallest entries, some 40 MB.
pub const STRAY_REVISIONS: usize = 1 << 18;

/// Gaps in the history of a damaged file that are told apart when neighbours in the history of a key are compared.
pub const REMEMBERED_GAPS: usize = 100_000;
