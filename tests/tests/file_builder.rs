//! Rewritten bolt files: they hold their input, the real bbolt passes them, and the same entries give the same bytes.

use std::collections::BTreeMap;

use etcdsnap_core::bolt::write::file_builder::{BuildError, FileBuilder, FileParams};
use etcdsnap_core::{Code, IgnoreProgress, Severity, verify};
use etcdsnap_tests::build::{Bucket, Node, random};
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::read::{BRANCH, File};
use etcdsnap_tests::seeded_random::SeededRandom;

const SEEDS: u64 = 80;

/// bbolt refuses a file shorter than two pages of the machine's page size.
const LEAST_BYTES: usize = 16 * 1024;

type Builder = FileBuilder<Vec<u8>>;

fn fill(builder: &mut Builder, bucket: &Bucket) {
    for (key, node) in &bucket.entries {
        match node {
            Node::Value(value) => builder.put(key, value).unwrap(),
            Node::Bucket(below) => {
                builder.begin_bucket(key, below.sequence).unwrap();
                fill(builder, below);
                builder.end_bucket().unwrap();
            }
        }
    }
}

fn written(root: &Bucket, form: FileParams) -> Vec<u8> {
    let mut builder = FileBuilder::new(form, Vec::new());
    fill(&mut builder, root);
    let (built, pages) = builder.finish().unwrap();
    let file = [built.meta_pages, pages].concat();
    assert_eq!(file.len() as u64, built.len);
    assert_eq!(built.len, built.pages * u64::from(form.page_size));
    file
}

#[test]
fn any_entries_are_read_back() {
    let bbolt = reference("3.7", "bbolt");
    let mut checked = 0;
    for seed in 0..SEEDS {
        let (root, layout) = random::bolt(seed, 400);
        let form = FileParams { page_size: layout.page_size as u32, txid: layout.txid, sequence: root.sequence };
        let bytes = written(&root, form);
        assert_eq!(bytes, written(&root, form), "seed {seed}: the same entries give other bytes");
        let file = File::new(bytes.clone());
        assert_eq!(file.tree(), root, "seed {seed}");
        assert_eq!((file.meta().txid, file.has_freelist()), (form.txid, false), "seed {seed}");
        assert_eq!(file.live_meta(), form.txid % 2, "seed {seed}: bolt would overwrite the live meta page");
        // For bolt, buckets may be nested or missing.
        let of_etcd = [Code::BucketMissing, Code::BucketNested];
        let report = verify(&bytes, &IgnoreProgress).unwrap();
        let wrong = |code: &&Code| code.severity() == Severity::Damage && !of_etcd.contains(code);
        let codes: Vec<_> = report.findings.counts().keys().filter(wrong).collect();
        assert!(codes.is_empty(), "seed {seed}: {codes:?}");
        if let Some(bbolt) = bbolt.as_ref().filter(|_| bytes.len() >= LEAST_BYTES) {
            let (passed, printed) = bbolt_check(bbolt, &bytes);
            assert!(passed, "seed {seed}: {printed}");
            checked += 1;
        }
    }
    assert!(bbolt.is_none() || checked > SEEDS / 2);
}

/// Small entries fill nine tenths of a page, as in etcd's defragmentation; the last entries may fill a page completely.
#[test]
fn pages_are_filled_as_etcd_fills_them() {
    for (len, page_size) in [(20, 4096), (300, 4096), (1000, 4096), (20, 512), (300, 16384)] {
        let mut root = Bucket::default();
        let bucket = root.bucket("key");
        (0_u32..3000).for_each(|number| bucket.put(number.to_be_bytes(), vec![7; len]));
        let bytes = written(&root, FileParams { page_size, txid: 4, sequence: 0 });
        let file = File::new(bytes);
        let element = 16 + 4 + len;
        let threshold = page_size as usize * 9 / 10;
        let mut leaves: Vec<usize> = Vec::new();
        let mut branches = 0;
        for visit in file.visits_of("key") {
            let header = file.header(visit.page);
            if visit.flags == BRANCH {
                branches += 1;
                assert!(header.count >= 2);
            } else {
                leaves.push(16 + element * usize::from(header.count));
            }
        }
        leaves.sort_unstable();
        // Only the last page may hold more or less.
        let full = &leaves[1..leaves.len() - 1];
        assert!(branches > 0 && full.iter().all(|used| *used <= threshold && used + element > threshold), "{full:?}");
    }
}

/// Two values that are larger than a page share one page with its overflow, as in bolt: a page has at least two entries.
#[test]
fn large_values_share_their_overflow() {
    let mut root = Bucket::default();
    let bucket = root.bucket("key");
    (0_u32..9).for_each(|number| bucket.put(number.to_be_bytes(), vec![number as u8; 5000]));
    let bytes = written(&root, FileParams { page_size: 4096, txid: 9, sequence: 0 });
    let file = File::new(bytes);
    assert_eq!(file.tree(), root);
    let counts: Vec<_> = file.visits_of("key").iter().map(|v| (v.flags == BRANCH, file.header(v.page).count)).collect();
    assert_eq!(counts, [(true, 4), (false, 2), (false, 2), (false, 2), (false, 3)]);
}

#[test]
fn entries_that_bolt_would_refuse_are_refused() {
    let form = FileParams { page_size: 4096, txid: 2, sequence: 0 };
    let mut builder = FileBuilder::new(form, Vec::new());
    assert_eq!(builder.put(b"k", b"v"), Err(BuildError::Nesting), "an entry outside of all buckets");
    assert_eq!(builder.end_bucket(), Err(BuildError::Nesting));
    builder.begin_bucket(b"b", 0).unwrap();
    builder.put(b"k", b"v").unwrap();
    assert_eq!(builder.put(b"k", b"w"), Err(BuildError::Order));
    assert_eq!(builder.put(b"a", b"w"), Err(BuildError::Order));
    assert_eq!(builder.put(b"", b"w"), Err(BuildError::KeySize(0)));
    assert_eq!(builder.put(&[0xFF; 32_769], b"w"), Err(BuildError::KeySize(32_769)));
    builder.put(&[0xFF; 32_768], b"w").unwrap();
    builder.end_bucket().unwrap();
    assert_eq!(builder.begin_bucket(b"a", 0), Err(BuildError::Order));
    builder.begin_bucket(b"c", 0).unwrap();
    assert!(matches!(builder.finish(), Err(BuildError::Nesting)), "a bucket is open");
}

/// Many levels of branch pages: long keys leave space for few children per page.
#[test]
fn deep_trees_are_read_back() {
    let mut rng = SeededRandom::new(11);
    let mut root = Bucket::default();
    let keys: BTreeMap<Vec<u8>, Vec<u8>> = (0..4000).map(|_| (rng.bytes(150), rng.bytes(9))).collect();
    keys.into_iter().for_each(|(key, value)| root.bucket("deep").put(key, value));
    let file = File::new(written(&root, FileParams { page_size: 512, txid: 1, sequence: 0 }));
    assert_eq!(file.tree(), root);
    assert!(file.visits_of("deep").iter().map(|visit| visit.depth).max() > Some(6));
}
