//! The stable codes of all findings, each with its meaning and the action to take.

use serde::{Serialize, Serializer};

use crate::severity::Severity::{self, Damage, Warning};

macro_rules! codes {
    ($( $variant:ident $name:literal $severity:ident { $means:literal $act:literal } )*) => {
        /// A finding's code. The name is stable: scripts may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $( #[doc = $means] $variant ),* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[ $( Code::$variant ),* ];

            /// The stable name, such as `sha256-mismatch`.
            #[must_use]
            pub fn as_str(self) -> &'static str { match self { $( Code::$variant => $name ),* } }

            /// The severity of a finding with this code.
            #[must_use]
            pub fn severity(self) -> Severity { match self { $( Code::$variant => $severity ),* } }

            /// The meaning of the finding and what it puts at risk, as sentences.
            #[must_use]
            pub fn meaning(self) -> &'static str { match self { $( Code::$variant => $means ),* } }

            /// The action to take, as sentences.
            #[must_use]
            pub fn action(self) -> &'static str { match self { $( Code::$variant => $act ),* } }
        }
    };
}

codes! {
    NotASnapshot "not-a-snapshot" Damage {
        "The file is not an etcd snapshot, so it cannot be restored."
        "Look for the snapshot where this file came from. The message says what this file is." }
    TrailerMissing "trailer-missing" Warning {
        "The file ends without a SHA-256, so nothing proves that its bytes are the ones etcd wrote. A copy of member/snap/db never has one."
        "Prefer a snapshot that `snapshot save` wrote. If nothing else is wrong, this file can be restored with --skip-hash-check." }
    Sha256Mismatch "sha256-mismatch" Damage {
        "The file's SHA-256 does not match its contents: a disk, a copy, or a tool that opened the file for writing changed at least one byte after etcd sent it."
        "Copy the file again from where it was saved, or use an earlier backup. If you have neither, the other findings say what is damaged; a restore then needs --skip-hash-check." }
    FileTruncated "file-truncated" Damage {
        "The file ends before the database does: a save or a copy was cut short, and the rest is lost."
        "Take the snapshot or copy it again. A file named .part was never completed." }
    FileLengthened "file-lengthened" Damage {
        "The file continues after the database and its SHA-256, so etcd's tools look for the SHA-256 in the wrong place and refuse the file."
        "If the message says that the SHA-256 matches without the extra bytes, cut a copy of the file to the length that the message names." }
    MetaInvalid "meta-invalid" Warning {
        "One of the two meta pages is invalid. This program uses the other one, as bbolt does, but that one may describe an older state of the database."
        "Compare the revision with what you expect. Take a new snapshot if the cluster still runs." }
    OlderMetaSound "older-meta-sound" Warning {
        "The newest state of the database is damaged, but the older meta page leads to the state one transaction earlier, which is intact."
        "Read that state with --meta older (`keys FILE --meta older`, `export FILE --meta older`). It lacks what the last transaction wrote." }
    TransactionImpossible "transaction-impossible" Damage {
        "The meta page has an impossible transaction id: 0, or close to 2^64. etcd does not start, or refuses every write."
        "Copy the file again from where it was saved, or use an earlier backup." }
    NoValidMeta "no-valid-meta" Damage {
        "Neither meta page is valid, so the root of the database is unknown. etcd cannot open this file."
        "Copy the file again from where it was saved, or use an earlier backup." }
    PageSizeMismatch "page-size-mismatch" Damage {
        "The page size in the meta page differs from the one the file was written with, so every page is read at the wrong offset."
        "Copy the file again from where it was saved, or use an earlier backup." }
    RootInvalid "root-invalid" Damage {
        "The meta page points to a root page outside the database, so no bucket can be found."
        "Copy the file again from where it was saved, or use an earlier backup." }
    PageOutOfRange "page-out-of-range" Damage {
        "The tree points to a page outside the database. Everything below it is lost."
        "Copy the file again from where it was saved, or use an earlier backup. etcd crashes when it reads this page." }
    PageIdMismatch "page-id-mismatch" Damage {
        "A page is labelled with another page's number: it was written to the wrong place or overwritten."
        "Copy the file again from where it was saved, or use an earlier backup. Do not trust what this page held." }
    PageType "page-type" Damage {
        "A page has a type that does not belong at its place in the tree: it was overwritten or never written."
        "Copy the file again from where it was saved, or use an earlier backup. Everything below this page is lost." }
    PageCount "page-count" Damage {
        "A page claims more elements than fit in it, or claims none where bbolt always writes some."
        "Copy the file again from where it was saved, or use an earlier backup. Do not trust what this page held." }
    PageOverflow "page-overflow" Damage {
        "A page claims more overflow pages than exist, or overflow pages that belong to another page."
        "Copy the file again from where it was saved, or use an earlier backup. Do not trust what this page held." }
    ElementRange "element-range" Damage {
        "An element's position or size points outside its page: reading it yields foreign data or a crash."
        "Copy the file again from where it was saved, or use an earlier backup. Do not trust what this page held." }
    ElementOverlap "element-overlap" Damage {
        "Elements of a page overlap: together they are longer than the page. Elements that do not overlap are read; the others are skipped."
        "Copy the file again from where it was saved, or use an earlier backup. Do not trust what this page held." }
    PageLayout "page-layout" Damage {
        "The entries of a page do not lie back to back as bbolt writes them: a count, size or position was changed, and entries may be missing or cut short."
        "Copy the file again from where it was saved, or use an earlier backup. Do not trust what this page held." }
    ElementFlags "element-flags" Damage {
        "An element has a flag that bbolt does not know."
        "Copy the file again from where it was saved, or use an earlier backup. Do not trust what this page held." }
    KeyOrder "key-order" Damage {
        "The keys of a page are not in ascending order, so lookups miss entries that exist."
        "Copy the file again from where it was saved, or use an earlier backup. etcd may not find keys that the file holds." }
    KeyBounds "key-bounds" Damage {
        "A page holds keys outside the range that its parent page gives it, so lookups miss entries that exist."
        "Copy the file again from where it was saved, or use an earlier backup. etcd may not find keys that the file holds." }
    KeySize "key-size" Damage {
        "An element's key is empty or longer than bbolt allows: etcd stops when it writes that page, and the file cannot be defragmented."
        "Copy the file again from where it was saved, or use an earlier backup." }
    SeparatorMismatch "separator-mismatch" Damage {
        "A branch page records a different first key for a child page than the child has. bbolt looks the child up by that key when it writes it, so a later compaction stops etcd or brings deleted keys back."
        "The data can still be read: export what you need, or copy the file again, or use an earlier backup." }
    BranchOfOne "branch-of-one" Damage {
        "A branch page has a single child, which bbolt never writes: the next compaction stops etcd."
        "The data can still be read: export what you need, or copy the file again, or use an earlier backup." }
    PageShared "page-shared" Damage {
        "Two places in the tree point to the same page: one of them has lost its own data, and the next write destroys the other."
        "Copy the file again from where it was saved, or use an earlier backup." }
    PageCycle "page-cycle" Damage {
        "A page is its own descendant: etcd and its tools would loop forever here."
        "Copy the file again from where it was saved, or use an earlier backup." }
    TreeDepth "tree-depth" Damage {
        "The tree is deeper than bbolt can make it."
        "Copy the file again from where it was saved, or use an earlier backup." }
    PageUnreachable "page-unreachable" Damage {
        "A page is neither in use nor free: the pointer to it is gone, and data may be missing."
        "Compare the number of keys with what you expect. Use another snapshot if you can." }
    PageFreeInUse "page-free-in-use" Damage {
        "The freelist lists a page that holds data: the next write overwrites it."
        "The data can still be read. Restore to a fresh member and take a new snapshot at once, or use another snapshot." }
    FreelistInvalid "freelist-invalid" Damage {
        "The freelist cannot be read. Some versions of etcd crash when they open this file."
        "Copy the file again from where it was saved, or use an earlier backup. The data itself may be whole." }
    FreelistOrder "freelist-order" Damage {
        "The freelist's page numbers are not in ascending order, so bbolt allocates wrong pages."
        "Copy the file again from where it was saved, or use an earlier backup. The data itself may be whole." }
    FreelistDuplicate "freelist-duplicate" Damage {
        "The freelist lists a page twice: bbolt would allocate it twice, and one use would overwrite the other."
        "Copy the file again from where it was saved, or use an earlier backup. The data itself may be whole." }
    FreelistRange "freelist-range" Damage {
        "The freelist lists a page outside the database, or a meta page."
        "Copy the file again from where it was saved, or use an earlier backup. The data itself may be whole." }
    BucketInvalid "bucket-invalid" Damage {
        "A bucket's header cannot be read, so everything in the bucket is lost."
        "Copy the file again from where it was saved, or use an earlier backup." }
    BucketMissing "bucket-missing" Damage {
        "A bucket that every etcd database has is missing."
        "If this is an etcd database, use another snapshot. Other bbolt databases cannot be restored." }
    BucketNested "bucket-nested" Damage {
        "One of etcd's buckets contains another bucket; etcd writes only values there. etcd stops if the nested bucket is in `members` or `alarm`."
        "Copy the file again from where it was saved, or use an earlier backup." }
    RevisionMalformed "revision-malformed" Damage {
        "A key in bucket `key` is not a revision. etcd stops when it reads it."
        "Copy the file again from where it was saved, or use an earlier backup." }
    RevisionDuplicate "revision-duplicate" Damage {
        "Bucket `key` holds the same revision twice, as a put and as a deletion."
        "Copy the file again from where it was saved, or use an earlier backup." }
    KeyvalueMalformed "keyvalue-malformed" Damage {
        "The value of a revision is not a KeyValue message. etcd stops when it reads it."
        "Copy the file again from where it was saved, or use an earlier backup. This key's value is lost." }
    KeyvalueRevision "keyvalue-revision" Damage {
        "A KeyValue message names a different revision than the one it is stored under."
        "Do not trust this key: compare it with another snapshot." }
    KeyvalueHistory "keyvalue-history" Damage {
        "A key's create revision or version contradicts its history: one of its revisions is missing or was changed."
        "Do not trust this key: compare it with another snapshot." }
    RevisionsMissing "revisions-missing" Damage {
        "Revisions are missing that no compaction removed: a disk lost a write, or part of the tree is older than the rest. Keys written at those revisions are gone or have an older value. bbolt does not notice."
        "Use a snapshot of another member or an earlier backup. Compare the number of keys with what you expect." }
    RevisionsUnreachable "revisions-unreachable" Damage {
        "Unreachable pages hold revisions that bucket `key` lacks, and its history has gaps or contradicts itself: a page above them was not updated, so an older version of the tree is read."
        "Use a snapshot of another member or an earlier backup. If you have neither, keep this file: the lost revisions can still be read from these pages." }
    TombstoneBody "tombstone-body" Damage {
        "A deletion holds a value or revisions, which etcd never writes: a changed byte turned a put into a deletion, or the reverse."
        "Do not trust this key: compare it with another snapshot." }
    RevisionsExhausted "revisions-exhausted" Damage {
        "A revision or a compaction revision is so close to 2^63 that no revisions are left for writes: etcd starts, and then refuses writes or stops answering."
        "Copy the file again from where it was saved, or use an earlier backup. If a restore with --bump-revision made this, restore again with a smaller number." }
    LeaseMissing "lease-missing" Warning {
        "A key is attached to a lease that does not exist, so the key never expires."
        "After a restore, check whether this key should still exist." }
    LeaseMalformed "lease-malformed" Damage {
        "A lease cannot be read, and etcd stops when it reads it; or its time to live is one that etcd never grants, and the lease expires with all its keys as soon as a server starts."
        "Copy the file again from where it was saved, or use an earlier backup." }
    MetaMalformed "meta-malformed" Damage {
        "A value in bucket `meta` has the wrong size or form. etcd stops, or starts from a wrong index."
        "Copy the file again from where it was saved, or use an earlier backup." }
    CompactionMarks "compaction-marks" Damage {
        "The stored compaction revisions contradict the revisions in the file: history is present that should be gone, or the compaction revisions are wrong."
        "Reads and watches of old revisions may return wrong answers. Compare with another snapshot." }
    MemberMalformed "member-malformed" Damage {
        "A member entry cannot be read. A restore is not affected, because it writes new members, but an etcd that starts from the file itself is."
        "Restore with a complete --initial-cluster." }
    AuthMalformed "auth-malformed" Damage {
        "A user, a role or the authentication state cannot be read: after a restore, people may be locked out or let in."
        "Copy the file again or use an earlier backup, or check users and roles right after a restore." }
    AuthWithoutRoot "auth-without-root" Damage {
        "Authentication is on, but no user `root` has the role `root`, which etcd never allows: nobody can manage users, and health checks fail."
        "Copy the file again from where it was saved, or use an earlier backup." }
    AuthRoleMissing "auth-role-missing" Damage {
        "Authentication is on, and a user has a role that does not exist, which etcd never allows: etcd denies the user what the role allowed."
        "Copy the file again or use an earlier backup, or restore with --force and give the user its roles again." }
    AlarmMalformed "alarm-malformed" Damage {
        "An alarm cannot be read. etcd stops when it reads it."
        "Copy the file again from where it was saved, or use an earlier backup." }
    ClusterMalformed "cluster-malformed" Damage {
        "The cluster version or the downgrade state cannot be read. etcd stops when it reads it."
        "Copy the file again from where it was saved, or use an earlier backup." }
    VersionImpossible "version-impossible" Damage {
        "etcd never writes this cluster version or storage version, or the two contradict each other. etcd 3.6 and 3.7 do not start from the file, or refuse every request."
        "Copy the file again from where it was saved, or use an earlier backup. If a newer etcd wrote the file, use a newer etcdsnap." }
    ValueUndecryptable "value-undecryptable" Damage {
        "An API server encrypted a value, and none of the given keys decrypts it: after a restore the API server cannot read this object. Checked only with --encryption-config or --kms-socket."
        "Find the EncryptionConfiguration that was in use when the value was written, with the key that the message names, and keep it with the snapshot. If the message says that the value was changed, copy the file again." }
    ValuePlainRefused "value-plain-refused" Damage {
        "A value is stored unencrypted, and the given encryption configuration lacks `identity` among the providers of its resource: an API server with this configuration cannot read this object after a restore. Checked only with --encryption-config."
        "Use the EncryptionConfiguration from the time of the snapshot, or add `identity: {}` as the last provider of the resource until all of its objects have been rewritten." }
    EarlierValueUndecryptable "earlier-value-undecryptable" Warning {
        "None of the given keys decrypts an old value, which was overwritten or deleted since. A restore is not affected, because API servers read only the latest values."
        "Nothing needs to be done for a restore. To see older states of this object, find the key that the message names." }
    ValueUnchecked "value-unchecked" Warning {
        "An API server encrypted a value through a KMS plugin that was not given, or that cannot be reached now. The value looks right, but nothing proves that it can be decrypted; the exit code is 2."
        "Give the plugin's socket with --kms-socket NAME=PATH, make sure that the plugin runs and that this user may open its socket, and verify again." }
    WalRecordBroken "wal-record-broken" Damage {
        "A record of the write-ahead log is not what etcd wrote, and no crash explains it. etcd does not start, or cuts the log off there and loses committed entries."
        "Keep a copy of the directory. If the cluster has other members, remove this member and add it again; otherwise restore a snapshot. If the database lacks no entries, a restore of member/snap/db with --skip-hash-check loses nothing." }
    WalChainBroken "wal-chain-broken" Damage {
        "A segment of the write-ahead log does not continue the segment before it: it belongs to another log or another time."
        "Look for the right file where this directory was copied from. Otherwise remove this member and add it again, or restore a snapshot." }
    WalSegmentMissing "wal-segment-missing" Damage {
        "A segment of the write-ahead log is missing, and committed entries with it. etcd does not start; if the whole log is missing, etcd begins a new cluster and ignores writes that the old database seems to hold already."
        "Look for the file where this directory was copied from (with etcd --wal-dir the log lies elsewhere: use `verify --wal-dir`). Otherwise remove this member and add it again, or restore a snapshot." }
    WalEntriesMissing "wal-entries-missing" Damage {
        "The write-ahead log lacks committed entries, or entries that etcd needs to start."
        "Remove this member and add it again, or restore a snapshot." }
    WalBehindDatabase "wal-behind-database" Damage {
        "The database is ahead of the write-ahead log: the two are from different times, or the log lost its end. etcd starts, and ignores new writes until the log has caught up, so this member silently loses them."
        "Do not start etcd here. Remove this member and add it again, or restore the database (member/snap/db) as a snapshot with --skip-hash-check." }
    SnapMissing "snap-missing" Damage {
        "The write-ahead log begins after the newest usable .snap file, so the members of the cluster are unknown. etcd does not start."
        "Look for the .snap files where this directory was copied from. Otherwise remove this member and add it again, or restore the database (member/snap/db) as a snapshot." }
    SnapDatabaseMissing "snap-database-missing" Damage {
        "The log names a snapshot that is newer than the database, and the database that came with it (.snap.db) is missing. etcd does not start."
        "Look for the file where this directory was copied from. Otherwise remove this member and add it again, or restore a snapshot." }
    DatabaseMissing "database-missing" Damage {
        "The database (member/snap/db) is missing or empty, and the log does not hold everything that was in it. etcd does not start, or begins with an empty store."
        "Look for the file where this directory was copied from. Otherwise remove this member and add it again, or restore a snapshot." }
    DirectoryMemberRemoved "directory-member-removed" Damage {
        "The member that this directory belongs to was removed from its cluster: etcd starts, notices that, and exits."
        "Do not reuse the directory of a removed member: add the member again with an empty directory. If the cluster is gone, restore the database (member/snap/db) as a snapshot with --skip-hash-check." }
    DirectoryIdentity "directory-identity" Damage {
        "The directory mixes files of different members or clusters."
        "Find out which of them was copied here. Remove this member and add it again, or restore a snapshot." }
    CompactedRevisionMissing "compacted-revision-missing" Warning {
        "Bucket `key` has no entry at the revision of the last compaction. Either etcd 3.5 or older compacted at a revision that deleted a key, or the newest revisions are lost, or the compaction revision is wrong."
        "Compare the revision and the number of keys with what you expect. A snapshot taken after the next compaction settles the question." }
    StoreMigrated "store-migrated" Warning {
        "The oldest keys look like output of `etcdctl migrate` (up to etcd 3.4): each has version 1, and revisions are skipped. Revisions that a disk lost before the first compaction could look the same."
        "If this cluster was never migrated from etcd v2, use another snapshot. Otherwise compact it once and take a new snapshot." }
    StoreEmpty "store-empty" Warning {
        "The store holds no key. That is right only for a new cluster."
        "Check that this snapshot is from the right cluster, and when it was taken." }
    BucketUnknown "bucket-unknown" Warning {
        "etcd never creates or reads this bucket, and starts nevertheless. It may be one of etcd's own buckets with a damaged name."
        "Check whether one of etcd's buckets is missing. If all are present, find out who wrote this one." }
    NameUnknown "name-unknown" Warning {
        "etcd never writes or reads an entry with this name, and starts nevertheless. It may be one of etcd's own entries with a damaged name."
        "Check whether one of etcd's entries is missing. Prefer a fresh copy of the file or an earlier backup." }
    EntryMissing "entry-missing" Warning {
        "An entry that every etcd of this version writes is missing. etcd still starts from a restore, and writes the entry again."
        "Prefer a fresh copy of the file or an earlier backup. Do not start etcd on the file itself without a restore." }
    NumberImpossible "number-impossible" Warning {
        "etcd never writes this number. A restore or the first start of etcd rewrites it."
        "Prefer a fresh copy of the file or an earlier backup. Do not start etcd on the file itself without a restore." }
    MembersMissing "members-missing" Warning {
        "The member list is empty, although a member wrote the file. A restore is not affected, because it writes new members."
        "Prefer a fresh copy of the file or an earlier backup. Do not start etcd on the file itself without a restore." }
    MemberRemoved "member-removed" Warning {
        "A member is listed both as present and as removed. A restore by etcd 3.4 with unchanged URLs and token keeps both entries; a restore by a later etcd or by etcdsnap clears both lists."
        "Restore with etcdsnap or etcdutl, not with etcdctl 3.4." }
    AuthRoleMissingOff "auth-role-missing-off" Warning {
        "A user has a role that does not exist. This has no effect while authentication is off; once it is on, etcd denies the user what the role allowed."
        "Give the user its roles again before you turn authentication on." }
    PermissionUnknown "permission-unknown" Warning {
        "A role has a permission of a type that etcd does not know, which allows nothing. Either somebody granted it, because etcd accepts such a grant, or a bit flipped, and etcd denies users what the role allowed."
        "Find out what the role should allow, and grant it again." }
    DowngradeEnabled "downgrade-enabled" Warning {
        "The cluster was being downgraded when the snapshot was taken. While the downgrade is enabled, the etcd version that wrote the file does not start on a restore; the version below does."
        "Start the version that the downgrade leads to, or take a snapshot after `etcdctl downgrade cancel`." }
    AlarmNospace "alarm-nospace" Warning {
        "The cluster had raised the alarm NOSPACE when the snapshot was taken: the database was as large as its quota. A restored cluster keeps the alarm and refuses writes."
        "After the restore, free space (compact, defragment) or raise --quota-backend-bytes, then run `etcdctl alarm disarm`." }
    AlarmCorrupt "alarm-corrupt" Warning {
        "The cluster had raised the alarm CORRUPT when the snapshot was taken: its members disagreed about the data. A restored cluster keeps the alarm and refuses writes."
        "Compare with snapshots of the other members before you trust this one. After the restore, run `etcdctl alarm disarm`." }
    VersionUnknown "version-unknown" Warning {
        "The etcd that wrote the storage version and the cluster version is newer than this program; the file may hold data that this program does not check."
        "Use a newer etcdsnap, and restore with the etcd version that wrote the file." }
    WalTorn "wal-torn" Warning {
        "The last record of the write-ahead log is incomplete, as after a crash or a power failure. etcd cuts it off when it starts; etcd had not acknowledged it to any client."
        "Nothing needs to be done after a crash. If this directory is a copy, copy it again." }
    WalRecordOdd "wal-record-odd" Warning {
        "Bits of the write-ahead log that etcd ignores differ from what it writes: a disk or memory changed them, or a write was not finished."
        "etcd starts and loses nothing by this. Check the kernel's log for disk failures." }
    SnapBroken "snap-broken" Warning {
        "A .snap file that the log names cannot be read, or its contents do not match its name. etcd 3.4 to 3.6 start from an older one; 3.7 does not need it. If no usable one is left, another finding says so."
        "Look for the file where this directory was copied from, and check the kernel's log for disk failures." }
    DatabaseRebuilt "database-rebuilt" Warning {
        "The database (member/snap/db) is missing, but the log has every entry from the first: etcd rebuilds the database from it when it starts."
        "Start etcd here to rebuild the database; before that, nothing can be restored from this directory. If the database existed, find out why it is gone." }
    SnapUnfinished "snap-unfinished" Warning {
        "A .snap file cannot be read, and the log does not name it: a crash interrupted its writing. etcd renames it to .snap.broken, or ignores it."
        "Nothing needs to be done." }
    SnapFileMissing "snap-file-missing" Warning {
        "The .snap file of the newest snapshot in the log is missing. etcd 3.4 to 3.6 start from an older one, which takes longer; 3.7 does not need it."
        "Look for the file where this directory was copied from." }
}

impl Code {
    /// Whether damage of this code makes pages of a tree, or entries of a page, unreadable.
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

    /// Whether this code is about users, roles or permissions.
    #[must_use]
    pub fn is_about_auth(self) -> bool {
        matches!(self, Self::AuthMalformed | Self::AuthWithoutRoot | Self::AuthRoleMissing | Self::AuthRoleMissingOff)
    }

    /// Whether this code is about encrypted values, which are checked only if the caller gives keys for them.
    #[must_use]
    pub fn is_about_encryption(self) -> bool {
        matches!(
            self,
            Self::ValueUndecryptable | Self::ValuePlainRefused | Self::EarlierValueUndecryptable | Self::ValueUnchecked
        )
    }

    /// Whether this code is about a member's data directory; findings about a snapshot never have it.
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

    /// Whether damage of this code is in etcd's data, while the pages and trees that hold the data may be intact.
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
