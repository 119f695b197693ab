//! The stable names of everything that can be wrong, each with what it means and what to do.

use serde::{Serialize, Serializer};

use crate::severity::Severity::{self, Damage, Warning};

macro_rules! codes {
    ($( $variant:ident $name:literal $severity:ident { $means:literal $act:literal } )*) => {
        /// What kind of thing is wrong. The name is stable: scripts may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $( #[doc = $means] $variant ),* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[ $( Code::$variant ),* ];

            /// The stable name, such as `sha256-mismatch`.
            #[must_use]
            pub fn as_str(self) -> &'static str { match self { $( Code::$variant => $name ),* } }

            /// How much a finding of this code weighs.
            #[must_use]
            pub fn severity(self) -> Severity { match self { $( Code::$variant => $severity ),* } }

            /// What it means and what it puts at risk, in plain words.
            #[must_use]
            pub fn meaning(self) -> &'static str { match self { $( Code::$variant => $means ),* } }

            /// What to do next.
            #[must_use]
            pub fn action(self) -> &'static str { match self { $( Code::$variant => $act ),* } }
        }
    };
}

codes! {
    NotASnapshot "not-a-snapshot" Damage {
        "The file is something else than an etcd snapshot, so nothing in it can be restored."
        "Look for the snapshot where this file came from; the message says what this one is." }
    TrailerMissing "trailer-missing" Warning {
        "The file has no SHA-256 behind the database, so nothing proves that its bytes are those that etcd wrote. A copy of member/snap/db has none."
        "If the structure is sound it can be restored with --skip-hash-check; prefer a snapshot that was saved with `snapshot save`." }
    Sha256Mismatch "sha256-mismatch" Damage {
        "The bytes are not those that etcd sent: at least one was changed after the snapshot was taken, by a disk, a copy, or a tool that opened the file for writing."
        "Take another copy of this snapshot or another snapshot. If there is none, the other findings tell what is hurt; a restore then needs --skip-hash-check." }
    FileTruncated "file-truncated" Damage {
        "The file ends before the database does: a save or a copy was cut short, and what lay behind the cut is lost."
        "Take the snapshot or copy it again; a file named .part is one that was never completed." }
    FileLengthened "file-lengthened" Damage {
        "The file goes on behind the database and its trailer, so etcd's tools look for the trailer in the wrong place and refuse it."
        "If the message says that the SHA-256 fits without the surplus, cut the file to the length it names (on a copy)." }
    MetaInvalid "meta-invalid" Warning {
        "One of the two meta pages is broken. The other one is used, as bolt does, but it may describe an older state of the database."
        "Compare the revision with what you expect; take a new snapshot if the cluster still runs." }
    OlderMetaSound "older-meta-sound" Warning {
        "The newest state of the database is damaged, but the one before it, to which the older meta page leads, can be read whole."
        "Look at it with --meta older (`keys FILE --meta older`, `export FILE --meta older`); it lacks what the last transaction wrote." }
    TransactionImpossible "transaction-impossible" Damage {
        "The meta page numbers its transaction as no database ever does: 0, or close to 2^64. etcd does not start, or refuses every write."
        "Use another copy or another snapshot." }
    NoValidMeta "no-valid-meta" Damage {
        "Neither meta page is valid, so nothing says where the data begins. etcd cannot open this file."
        "Use another copy or another snapshot." }
    PageSizeMismatch "page-size-mismatch" Damage {
        "The page size that the meta page names is not the one with which the file was written, so every page is read at the wrong place."
        "Use another copy or another snapshot." }
    RootInvalid "root-invalid" Damage {
        "The meta page points to a root that lies outside the database, so no bucket can be found."
        "Use another copy or another snapshot." }
    PageOutOfRange "page-out-of-range" Damage {
        "The tree points to a page outside the database; all that hung from it is lost."
        "Use another copy or another snapshot; etcd crashes when it reads this place." }
    PageIdMismatch "page-id-mismatch" Damage {
        "A page carries another page's number: it was written to the wrong place or overwritten."
        "Use another copy or another snapshot; what this page held cannot be trusted." }
    PageType "page-type" Damage {
        "A page is of a type that cannot stand where it stands: it was overwritten or never written."
        "Use another copy or another snapshot; all that hung from this page is lost." }
    PageCount "page-count" Damage {
        "A page claims more elements than it has room for, or none where there must be some."
        "Use another copy or another snapshot; what this page held cannot be trusted." }
    PageOverflow "page-overflow" Damage {
        "A page claims more overflow pages than there are, or pages that belong to another."
        "Use another copy or another snapshot; what this page held cannot be trusted." }
    ElementRange "element-range" Damage {
        "An element's position or size leads out of its page: reading it yields other data or a crash."
        "Use another copy or another snapshot; what this page held cannot be trusted." }
    ElementOverlap "element-overlap" Damage {
        "Elements of a page share bytes: together they are longer than the page. Those that share none are read, the others are left out."
        "Use another copy or another snapshot; what this page held cannot be trusted." }
    PageLayout "page-layout" Damage {
        "The pairs of a page do not lie back to back as bolt writes them: a count, size or position in it was changed, and entries may be missing or cut."
        "Use another copy or another snapshot; what this page held cannot be trusted." }
    ElementFlags "element-flags" Damage {
        "An element carries a flag that bolt does not know."
        "Use another copy or another snapshot; what this page held cannot be trusted." }
    KeyOrder "key-order" Damage {
        "The keys of a page do not rise, so look-ups miss entries that are there."
        "Use another copy or another snapshot; etcd may not find keys that the file holds." }
    KeyBounds "key-bounds" Damage {
        "A page's keys lie outside the range that its parent gives it, so look-ups miss entries that are there."
        "Use another copy or another snapshot; etcd may not find keys that the file holds." }
    KeySize "key-size" Damage {
        "An element's key is empty or longer than bolt takes: etcd stops when it writes the page that holds it, and the file cannot be defragmented."
        "Use another copy or another snapshot." }
    SeparatorMismatch "separator-mismatch" Damage {
        "A branch page names another first key for a page than the page has. bolt looks the page up by that key when it writes it, so a later compaction stops etcd, or brings deleted keys back."
        "The data can still be read: export what you need, or use another copy or another snapshot." }
    BranchOfOne "branch-of-one" Damage {
        "A branch page has a single child, as bolt never leaves one: the next compaction stops etcd."
        "The data can still be read: export what you need, or use another copy or another snapshot." }
    PageShared "page-shared" Damage {
        "Two places of the tree point to the same page, so one of the two has lost its own data; the next write destroys the other."
        "Use another copy or another snapshot." }
    PageCycle "page-cycle" Damage {
        "A page lies below itself: etcd and its tools would never come to an end here."
        "Use another copy or another snapshot." }
    TreeDepth "tree-depth" Damage {
        "The tree is deeper than any database can be."
        "Use another copy or another snapshot." }
    PageUnreachable "page-unreachable" Damage {
        "A page is neither in use nor free: something that pointed to it is gone, and data may be missing."
        "Compare the number of keys with what you expect; use another snapshot if you can." }
    PageFreeInUse "page-free-in-use" Damage {
        "A page that holds data is also listed as free: the next write overwrites it."
        "The data can still be read; restore to a fresh member and take a new snapshot at once, or use another snapshot." }
    FreelistInvalid "freelist-invalid" Damage {
        "The freelist cannot be read. Some versions of etcd crash when they open this file."
        "Use another copy or another snapshot; the data itself may be whole." }
    FreelistOrder "freelist-order" Damage {
        "The freelist's page numbers do not rise, so bolt hands out wrong pages."
        "Use another copy or another snapshot; the data itself may be whole." }
    FreelistDuplicate "freelist-duplicate" Damage {
        "A page is listed as free twice: it would be handed out twice, and one writer would overwrite the other."
        "Use another copy or another snapshot; the data itself may be whole." }
    FreelistRange "freelist-range" Damage {
        "The freelist names a page outside the database or a meta page."
        "Use another copy or another snapshot; the data itself may be whole." }
    BucketInvalid "bucket-invalid" Damage {
        "A bucket's header cannot be read, so all that it held is lost."
        "Use another copy or another snapshot." }
    BucketMissing "bucket-missing" Damage {
        "A bucket that every etcd database has is not there."
        "If this was never an etcd database it cannot be restored; otherwise use another snapshot." }
    BucketNested "bucket-nested" Damage {
        "There is a bucket inside one of etcd's buckets, where etcd writes only values. etcd stops when it meets one in `members` or `alarm`."
        "Use another copy or another snapshot." }
    RevisionMalformed "revision-malformed" Damage {
        "An entry of bucket `key` stands under a key that is no revision; etcd stops when it meets one."
        "Use another copy or another snapshot." }
    RevisionDuplicate "revision-duplicate" Damage {
        "The same revision stands there twice, as a put and as a deletion."
        "Use another copy or another snapshot." }
    KeyvalueMalformed "keyvalue-malformed" Damage {
        "The value under a revision is no KeyValue message; etcd stops when it meets one."
        "Use another copy or another snapshot; this key's value is lost." }
    KeyvalueRevision "keyvalue-revision" Damage {
        "A value says that it was written at another revision than the one it stands under."
        "Do not trust this key; compare with another snapshot." }
    KeyvalueHistory "keyvalue-history" Damage {
        "A key's creation revision or version contradicts its history: a revision of it is missing or was changed."
        "Do not trust this key; compare with another snapshot." }
    RevisionsMissing "revisions-missing" Damage {
        "Revisions are missing that no compaction removed: a disk lost a write, or a part of the tree is older than the rest. Keys written then are gone or have an older value. bbolt does not notice."
        "Use a snapshot of another member or an earlier one. Compare the number of keys with what you expect." }
    RevisionsUnreachable "revisions-unreachable" Damage {
        "Pages that nothing points to hold revisions that bucket `key` lacks, while its history has gaps or contradicts itself: a page above them is an older version of itself."
        "Use a snapshot of another member or an earlier one. If there is none, keep this file: the lost revisions can still be read from these pages." }
    TombstoneBody "tombstone-body" Damage {
        "A deletion carries a value or revisions, which etcd never writes: a put was made to look like a deletion, or the reverse."
        "Do not trust this key; compare with another snapshot." }
    RevisionsExhausted "revisions-exhausted" Damage {
        "A revision or a mark of compaction is so close to 2^63 that no revisions are left for writes: etcd starts, and then refuses them or answers nothing."
        "Use another copy or another snapshot. If a restore with --bump-revision made this, restore again with a smaller number." }
    LeaseMissing "lease-missing" Warning {
        "A key is attached to a lease that does not exist, so it will never expire."
        "After a restore, look whether this key should still be there." }
    LeaseMalformed "lease-malformed" Damage {
        "A lease cannot be read, and etcd stops when it meets one; or its time is one that etcd never grants, and the lease ends with all its keys as soon as a server starts."
        "Use another copy or another snapshot." }
    MetaMalformed "meta-malformed" Damage {
        "A value of bucket `meta` has the wrong size or form; etcd stops or starts from a wrong index."
        "Use another copy or another snapshot." }
    CompactionMarks "compaction-marks" Damage {
        "The marks of compaction contradict the revisions that are there: history is present that should be gone, or the marks are wrong."
        "Readers and watchers of old revisions may be answered wrongly; compare with another snapshot." }
    MemberMalformed "member-malformed" Damage {
        "A member entry cannot be read. A restore writes new members, so it is not hurt; starting etcd on the file itself is."
        "Restore with --initial-cluster given in full." }
    AuthMalformed "auth-malformed" Damage {
        "A user, a role or the state of authentication cannot be read: after a restore people may be locked out or let in."
        "Use another copy or another snapshot, or check users and roles right after the restore." }
    AuthWithoutRoot "auth-without-root" Damage {
        "Authentication is on, but there is no user `root` with the role `root`, which etcd never allows: nobody can manage users, and health checks fail."
        "Use another copy or another snapshot." }
    AuthRoleMissing "auth-role-missing" Damage {
        "Authentication is on, and a user has a role that does not exist, which etcd never leaves so: the user is refused what the role allowed."
        "Use another copy or another snapshot, or restore with --force and give the user its roles again." }
    AlarmMalformed "alarm-malformed" Damage {
        "An alarm cannot be read; etcd stops when it meets one."
        "Use another copy or another snapshot." }
    ClusterMalformed "cluster-malformed" Damage {
        "The cluster version or downgrade state cannot be read; etcd stops when it meets one."
        "Use another copy or another snapshot." }
    VersionImpossible "version-impossible" Damage {
        "The cluster version or the storage version is none that etcd writes, or the two contradict each other. etcd 3.6 and 3.7 do not start from it, or refuse every request."
        "Use another copy or another snapshot. If a newer etcd wrote it, use a newer etcdsnap." }
    ValueUndecryptable "value-undecryptable" Damage {
        "An API server encrypted a value, and nothing that was given opens it: after a restore the API server cannot read this object. Looked for with --encryption-config or --kms-socket alone."
        "Find the EncryptionConfiguration of the time at which the value was written, with the key that the message names, and keep it with the snapshot. If the message says that the value was changed, use another copy." }
    ValuePlainRefused "value-plain-refused" Damage {
        "A value is stored plain, and the encryption configuration that was given does not have `identity` among the providers of its resource: an API server with it cannot read this object after a restore. Looked for with --encryption-config alone."
        "Use the EncryptionConfiguration of the time of the snapshot, or add `identity: {}` as the last provider of the resource until all of its objects were written anew." }
    EarlierValueUndecryptable "earlier-value-undecryptable" Warning {
        "A value that has been overwritten or deleted since is encrypted, and nothing that was given opens it. API servers read the latest values alone, so a restore is not hurt."
        "Older states of this object cannot be shown. The message names the key that they need." }
    ValueUnchecked "value-unchecked" Warning {
        "An API server encrypted a value through a KMS plugin that was not given, or that cannot be asked now. Nothing was found to be wrong with the value, and nothing proves that it can be opened; the exit code is 2."
        "Give the plugin's socket with --kms-socket NAME=PATH, see that the plugin runs and that this user may reach its socket, and verify again." }
    WalRecordBroken "wal-record-broken" Damage {
        "A record of the write-ahead log is not what etcd wrote, and a crash does not leave it so. etcd does not start, or cuts off the log from there on and loses what members had agreed on."
        "Keep a copy of the directory. If the cluster has other members, remove this one and add it anew; otherwise restore a snapshot. If the database lacks no entries, a restore of member/snap/db with --skip-hash-check loses nothing." }
    WalChainBroken "wal-chain-broken" Damage {
        "A segment of the write-ahead log does not continue the one before it: it is of another log or of another time."
        "Look for the right file where this directory was copied from. Otherwise remove this member and add it anew, or restore a snapshot." }
    WalSegmentMissing "wal-segment-missing" Damage {
        "A segment of the write-ahead log is missing, and with it entries that the cluster had agreed on. etcd does not start; where the whole log is missing it begins a new cluster, in which writes that the old database seems to have already are ignored."
        "Look for the file where this directory was copied from (etcd --wal-dir has the log elsewhere: use `verify --wal-dir`). Otherwise remove this member and add it anew, or restore a snapshot." }
    WalEntriesMissing "wal-entries-missing" Damage {
        "The write-ahead log lacks entries that etcd needs to start, or those that the cluster had agreed on."
        "Remove this member and add it anew, or restore a snapshot." }
    WalBehindDatabase "wal-behind-database" Damage {
        "The database is ahead of the write-ahead log: the two are of different times, or the log lost its end. etcd starts, and ignores new writes until the log has caught up, so this member silently loses them."
        "Do not start etcd here. Remove this member and add it anew, or restore the database (member/snap/db) as a snapshot with --skip-hash-check." }
    SnapMissing "snap-missing" Damage {
        "The write-ahead log begins behind the newest .snap file that can be used, so nothing says who the members are. etcd does not start."
        "Look for the .snap files where this directory was copied from. Otherwise remove this member and add it anew, or restore the database (member/snap/db) as a snapshot." }
    SnapDatabaseMissing "snap-database-missing" Damage {
        "The log has a snapshot that is newer than the database, and the database that came with it (.snap.db) is not there. etcd does not start."
        "Look for the file where this directory was copied from. Otherwise remove this member and add it anew, or restore a snapshot." }
    DatabaseMissing "database-missing" Damage {
        "There is no database (member/snap/db), or the file is empty, and the log does not have all that was in it. etcd does not start, or begins with an empty store."
        "Look for the file where this directory was copied from. Otherwise remove this member and add it anew, or restore a snapshot." }
    DirectoryMemberRemoved "directory-member-removed" Damage {
        "The member that this directory belongs to was removed from its cluster: etcd starts, sees that, and stops."
        "Take no directory of a removed member for a new one: add the member anew with an empty directory. If the cluster is gone, restore the database (member/snap/db) as a snapshot with --skip-hash-check." }
    DirectoryIdentity "directory-identity" Damage {
        "Files of different members or clusters lie in one directory."
        "Look which of them was copied here. Remove this member and add it anew, or restore a snapshot." }
    CompactedRevisionMissing "compacted-revision-missing" Warning {
        "The revision of the last compaction has no entry. Either etcd 3.5 or older ran that compaction at a revision that deleted a key, or the newest revisions are lost, or the mark is wrong."
        "Compare the revision and the number of keys with what you expect. A snapshot taken after the next compaction has no such doubt." }
    StoreMigrated "store-migrated" Warning {
        "The oldest keys look as `etcdctl migrate` (up to etcd 3.4) writes them: each is version 1, and revision numbers are left out. Revisions that a disk lost before the first compaction could look the same."
        "If this cluster was never migrated from etcd v2, use another snapshot. Otherwise compact it once, and take a new snapshot." }
    StoreEmpty "store-empty" Warning {
        "The store holds no key. That is right for a new cluster, and for no other."
        "Look whether this is the snapshot of the cluster you mean, and when it was taken." }
    BucketUnknown "bucket-unknown" Warning {
        "There is a bucket that no etcd makes. etcd starts and never looks into it; it may be one of etcd's own whose name was changed."
        "Look which bucket is missing instead; if none is, ask who wrote it." }
    NameUnknown "name-unknown" Warning {
        "There is an entry under a name that no etcd writes there: etcd starts and never reads it. It may be a name in which a bit flipped."
        "Look whether an entry is missing instead. Prefer another copy or another snapshot." }
    EntryMissing "entry-missing" Warning {
        "An entry that every etcd of this version writes is missing. etcd starts from a restore all the same, and writes it anew."
        "Prefer another copy or another snapshot. Do not start etcd on the file itself without a restore." }
    NumberImpossible "number-impossible" Warning {
        "A number is one that no etcd writes. A restore or the first start writes it anew."
        "Prefer another copy or another snapshot. Do not start etcd on the file itself without a restore." }
    MembersMissing "members-missing" Warning {
        "There is no member, although a member wrote the file. A restore writes new members, so it is not hurt."
        "Prefer another copy or another snapshot. Do not start etcd on the file itself without a restore." }
    MemberRemoved "member-removed" Warning {
        "A member is listed both as there and as removed. A restore of etcd 3.4 with the same URLs and token as before leaves it so; a restore of a later etcd, or of etcdsnap, clears both lists."
        "Restore with etcdsnap or etcdutl, not with etcdctl 3.4." }
    AuthRoleMissingOff "auth-role-missing-off" Warning {
        "A user has a role that does not exist. Authentication is off, so nothing shows; once it is on, the user is refused what the role allowed."
        "Give the user its roles again before you turn authentication on." }
    PermissionUnknown "permission-unknown" Warning {
        "A role has a permission of a type that etcd does not know, and that allows nothing. A server takes such a grant, so it may have been so all along; or a bit flipped, and a user is refused what the role allowed."
        "Look what the role should allow, and grant it again." }
    DowngradeEnabled "downgrade-enabled" Warning {
        "The cluster was being downgraded when the snapshot was taken. etcd of the version that wrote it does not start on a restore while the downgrade is enabled; that of the version below does."
        "Start the version that the downgrade leads to, or take a snapshot after `etcdctl downgrade cancel`." }
    AlarmNospace "alarm-nospace" Warning {
        "The cluster had raised the alarm NOSPACE when the snapshot was taken: the database was as large as its quota. A restored cluster keeps the alarm and refuses writes."
        "After the restore free room (compact, defragment) or raise --quota-backend-bytes, then run `etcdctl alarm disarm`." }
    AlarmCorrupt "alarm-corrupt" Warning {
        "The cluster had raised the alarm CORRUPT when the snapshot was taken: its members disagreed about the data. A restored cluster keeps the alarm and refuses writes."
        "Compare with snapshots of the other members before you trust this one. After the restore run `etcdctl alarm disarm`." }
    VersionUnknown "version-unknown" Warning {
        "Storage version and cluster version are those of an etcd that is newer than this program knows; the file may hold things that it does not check."
        "Look for a newer etcdsnap, and restore with the etcd that wrote it." }
    WalTorn "wal-torn" Warning {
        "The last record of the write-ahead log was not written to its end, as a crash or a loss of power leaves it. etcd cuts it off when it starts; nobody was told that it was written."
        "Nothing needs to be done. If this is a copy and not what a crash left, copy the directory again." }
    WalRecordOdd "wal-record-odd" Warning {
        "Bits of the write-ahead log that etcd does not read are not as it writes them: a disk or memory changed them, or a write was not finished."
        "By itself it hinders nothing: etcd starts and loses nothing by it. Look into the kernel's log for failures of the disk." }
    SnapBroken "snap-broken" Warning {
        "A .snap file that the log names cannot be read, or holds another snapshot than its name says. etcd 3.4 to 3.6 start from an older one; 3.7 does not need it. If there is none to start from, that is a finding of its own."
        "Look for the file where this directory was copied from, and into the kernel's log for failures of the disk." }
    DatabaseRebuilt "database-rebuilt" Warning {
        "There is no database (member/snap/db), and the log has every entry from the first: etcd makes the database anew from it when it starts."
        "Start etcd here if that is what you want; nothing can be restored from this directory before. If the database was there, look why it is gone." }
    SnapUnfinished "snap-unfinished" Warning {
        "A .snap file cannot be read, and the log does not name it: a crash left it while it was written. etcd renames it to .snap.broken, or ignores it."
        "Nothing needs to be done." }
    SnapFileMissing "snap-file-missing" Warning {
        "The .snap file of the newest snapshot in the log is missing. etcd 3.4 to 3.6 start from an older one, which takes longer; 3.7 does not need it."
        "Look for the file where this directory was copied from." }
}

impl Code {
    /// Whether damage of this code keeps pages of a tree, or pairs of a page, from being read.
    #[must_use]
    pub fn loses_pages(self) -> bool {
        matches!(
            self,
            Self::RootInvalid
                | Self::PageOutOfRange
                | Self::PageOverflow
                | Self::PageType
                | Self::PageCount
                | Self::PageLayout
                | Self::PageShared
                | Self::PageCycle
                | Self::TreeDepth
                | Self::ElementRange
                | Self::ElementOverlap
                | Self::ElementFlags
                | Self::BucketInvalid
        )
    }

    /// Whether it is about users and roles, and who may do what.
    #[must_use]
    pub fn is_about_auth(self) -> bool {
        matches!(self, Self::AuthMalformed | Self::AuthWithoutRoot | Self::AuthRoleMissing | Self::AuthRoleMissingOff)
    }

    /// Whether it is about encrypted values, which are looked into only where something is given that opens them.
    #[must_use]
    pub fn is_about_encryption(self) -> bool {
        matches!(
            self,
            Self::ValueUndecryptable | Self::ValuePlainRefused | Self::EarlierValueUndecryptable | Self::ValueUnchecked
        )
    }

    /// Whether it is about a member's data directory, so that no snapshot has it.
    #[must_use]
    pub fn is_about_directory(self) -> bool {
        matches!(
            self,
            Self::WalRecordBroken
                | Self::WalChainBroken
                | Self::WalSegmentMissing
                | Self::WalEntriesMissing
                | Self::WalBehindDatabase
                | Self::WalTorn
                | Self::WalRecordOdd
                | Self::SnapBroken
                | Self::SnapMissing
                | Self::SnapDatabaseMissing
                | Self::SnapUnfinished
                | Self::SnapFileMissing
                | Self::DatabaseMissing
                | Self::DatabaseRebuilt
                | Self::DirectoryIdentity
                | Self::DirectoryMemberRemoved
        )
    }

    /// Whether damage of this code lies in what etcd wrote into the buckets, while the pages and trees that hold it may be whole.
    #[must_use]
    pub fn is_about_contents(self) -> bool {
        matches!(
            self,
            Self::BucketMissing
                | Self::BucketNested
                | Self::ValueUndecryptable
                | Self::ValuePlainRefused
                | Self::EarlierValueUndecryptable
                | Self::ValueUnchecked
                | Self::RevisionsExhausted
                | Self::AuthWithoutRoot
                | Self::AuthRoleMissing
                | Self::VersionImpossible
                | Self::KeyvalueRevision
                | Self::KeyvalueHistory
                | Self::RevisionsMissing
                | Self::RevisionsUnreachable
                | Self::TombstoneBody
                | Self::TransactionImpossible
                | Self::LeaseMalformed
                | Self::MetaMalformed
                | Self::CompactionMarks
                | Self::MemberMalformed
                | Self::AuthMalformed
                | Self::AlarmMalformed
                | Self::ClusterMalformed
        )
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
