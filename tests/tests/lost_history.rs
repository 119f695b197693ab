//! The lost revisions that `verify` reports cover everything that is lost, and it reports none if nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use etcdsnap_core::store::{OpenedStore, Store};
use etcdsnap_core::{Code, IgnoreProgress, LostHistory, Revision};
use etcdsnap_tests::core_verdict;
use etcdsnap_tests::damage::{self, Damage, GoodSnapshot, Trailer};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let bases = Arc::new(damage::bases());
    let trials = damage::all().into_iter().map(|damage| {
        let bases = Arc::clone(&bases);
        Trial::test(damage.name, move || bases.iter().try_for_each(|base| check_reported_loss(&damage, base)))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn check_reported_loss(damage: &Damage, base: &GoodSnapshot) -> Result<(), Failed> {
    let whole = revisions(&base.snapshot).ok_or("a base is a store")?;
    let damaged = damage.apply(&base.snapshot).into_iter().find(|damaged| damaged.trailer != Trailer::Old);
    let Some(damaged) = damaged else { return Ok(()) };
    let Some(left) = revisions(&damaged.file) else { return Ok(()) };
    let report = core_verdict::verify_by_random_access(&damaged.file);
    let Some(status) = &report.status else { return Ok(()) };
    let lost = report.lost.unwrap_or_default();
    let gone: BTreeSet<i64> =
        whole.iter().filter(|(at, _)| !left.contains_key(at)).map(|((main, _), _)| *main).collect();
    if status.complete {
        return if lost.unreadable.is_empty() { Ok(()) } else { Err(format!("all was read, and {lost:?}").into()) };
    }
    let uncovered: Vec<&i64> = gone.iter().filter(|main| !covers(&lost, **main)).collect();
    if !uncovered.is_empty() {
        return Err(format!("{}: revisions {uncovered:?} are gone, and {lost:?}", base.name).into());
    }
    // A page whose count contradicts its contents may have contained more entries.
    let counts_differ =
        [Code::PageCount, Code::PageLayout, Code::ElementRange].into_iter().any(|code| report.findings.has(code));
    if left == whole && !lost.unreadable.is_empty() && !counts_differ {
        return Err(format!("{}: nothing is gone, and {lost:?}", base.name).into());
    }
    Ok(())
}

fn covers(lost: &LostHistory, main: i64) -> bool {
    let main = Revision::new(main);
    lost.missing.iter().chain(&lost.unreadable).any(|range| range.from <= main && range.to.is_none_or(|to| main <= to))
}

/// Returns the readable entries, by main and sub revision, with their values.
fn revisions(file: &Vec<u8>) -> Option<BTreeMap<(i64, i64), Vec<u8>>> {
    let OpenedStore::Store(store) = Store::open(file).expect("bytes can always be read") else { return None };
    let mut found = BTreeMap::new();
    for work in store.work() {
        let mut take = |entry: &etcdsnap_core::store::KeyEntry<'_>, _: &mut etcdsnap_core::store::LostParts| {
            let revision = entry.key.revision;
            found.insert((revision.main.get(), revision.sub), entry.value.to_vec());
        };
        store.entries(work, &IgnoreProgress, &mut take).expect("bytes can always be read");
    }
    Some(found)
}
