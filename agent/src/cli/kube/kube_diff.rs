//! `etcdsnap kube diff A [B] [TYPE…]`

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use etcdsnap::core::kubernetes::resources::Resources;
use etcdsnap::core::store::Store;
use etcdsnap::{FileSource, KubernetesPrefixes, NoProgress, Snapshot};

use super::folded::Folded;
use super::object_comparison::ObjectComparison;
use super::object_filter::ObjectFilter;
use super::selection::{self};
use super::two_clusters::are_two_clusters;
use super::uncertain_states;
use crate::cli::args_kube_diff::KubeDiffArgs;
use crate::cli::args_revision::AskedTime;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::chosen_revision::chosen_by;
use crate::cli::inspect::compared_side::ComparedSide;
use crate::cli::inspect::{self, key_text};
use crate::cli::judge_files;
use crate::cli::output::{self};
use crate::cli::progress_bar::Bar;

/// Runs the command.
///
/// # Errors
/// When a type is unknown, a file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeDiffArgs) -> Result<Exit, Failure> {
    let (other, types) = words(args)?;
    let stdin = Path::new("-");
    if args.a == stdin && other == Some(stdin) {
        return Err(judge_files::stdin_twice());
    }
    let both: Vec<&Path> = std::iter::once(args.a.as_path()).chain(other).collect();
    // Check this before any message: stderr may be redirected to the second file.
    judge_files::check_not_written(&both)?;
    let prefix = args.etcd_prefix.as_deref().map(key_text::typed).transpose()?;
    let filter = ObjectFilter::parse(args.selector.as_deref(), None)?;
    let prefixes = KubernetesPrefixes::of(prefix.as_deref());
    let query = |snapshot: &Snapshot, store: &Store<'_, FileSource>, revision, time: &Option<AskedTime>| {
        let revision = chosen_by(snapshot, store, revision, time.as_ref())?;
        Ok::<_, Failure>((store.query(prefixes.range(), revision), revision))
    };
    let decryption = inspect::encrypted::decryption(&args.decrypt, &both)?;
    let (snapshot_a, bar) = inspect::open(&args.a, args.work, args.meta)?;
    let snapshot_a = snapshot_a.with_decryption(Arc::clone(&decryption));
    let store_a = snapshot_a.store()?;
    let (query_a, revision_a) = query(&snapshot_a, &store_a, args.rev_a, &args.at_a)?;
    let side_a = snapshot_a.side(&store_a, query_a, &bar)?;
    drop(bar);
    // Two revisions of one file: it is open already, and standard input cannot be read again.
    let (second, bar) = match other {
        Some(path) => {
            let (snapshot, bar) = inspect::open(path, args.work, args.meta)?;
            (Some(snapshot.with_decryption(Arc::clone(&decryption))), bar)
        }
        None => (None, Bar::new(&args.a)),
    };
    let snapshot_b = second.as_ref().unwrap_or(&snapshot_a);
    let store_b = snapshot_b.store()?;
    let (query_b, revision_b) = query(snapshot_b, &store_b, args.rev_b, &args.at_b)?;
    let side_b = snapshot_b.side(&store_b, query_b, &bar)?;
    let wanted = match types.as_slice() {
        [] => None,
        types => {
            let mut resources = Resources::builtin();
            for (snapshot, store, revision) in [(snapshot_b, &store_b, revision_b), (&snapshot_a, &store_a, revision_a)]
            {
                // Read the definitions only if they are needed, because that takes all keys into memory.
                if selection::types(types).iter().any(|word| resources.called(word).is_empty()) {
                    resources = snapshot.cluster(store, revision, prefix.as_deref(), &bar)?.resources;
                }
            }
            Some(selection::parse(types, &resources)?)
        }
    };
    drop(bar);
    let [(index_a, lost_a), (index_b, lost_b)] =
        etcdsnap::compare((&snapshot_a, &store_a, side_a), (snapshot_b, &store_b, side_b))?;
    let exit = inspect::report_losses(&args.a, &lost_a).max(inspect::report_losses(other.unwrap_or(&args.a), &lost_b));
    let unread_a = snapshot_a.unread_revisions(&store_a, &lost_a, revision_a, &NoProgress)?;
    let unread_b = snapshot_b.unread_revisions(&store_b, &lost_b, revision_b, &NoProgress)?;
    for (name, unread) in [("first", &unread_a), ("second", &unread_b)] {
        if !unread.is_empty() {
            output::warn(&format!(
                "Objects of the {name} snapshot may be older than they were, or deleted, and differ less or more than is shown: {}.",
                uncertain_states::are_lost(unread)
            ));
        }
    }
    let sides = [
        ComparedSide { snapshot: &snapshot_a, store: &store_a, index: index_a },
        ComparedSide { snapshot: snapshot_b, store: &store_b, index: index_b },
    ];
    let are_two_clusters = match other {
        Some(_) => are_two_clusters(&sides, &prefixes, prefix.as_deref(), [revision_a, revision_b])?,
        None => false,
    };
    let [a, b] = sides;
    let comparison = ObjectComparison {
        args,
        a,
        b,
        are_two_clusters,
        prefixes,
        resources: Resources::builtin(),
        wanted,
        unread: [unread_a, unread_b],
        revision_b,
        filter,
        folded: Folded::default(),
        is_undecoded: Cell::new(false),
        shown: Cell::new(0),
    };
    comparison.print()?;
    comparison.folded.report();
    let exit = exit.max(comparison.missing()?);
    let exit = exit.max(inspect::encrypted::report_undecrypted(&snapshot_a));
    let exit = second.as_ref().map_or(exit, |snapshot| exit.max(inspect::encrypted::report_undecrypted(snapshot)));
    let differs = comparison.shown.get() > 0 || comparison.is_undecoded.get();
    Ok(exit.max(if differs { Exit::Damage } else { Exit::Done }))
}

/// Splits the words into the second file and the types. With two revisions or times, a second word that is not a file is a type.
fn words(args: &KubeDiffArgs) -> Result<(Option<&Path>, Vec<String>), Failure> {
    let of_one_file = args.rev_a != args.rev_b || args.at_a != args.at_b;
    match &args.b {
        None if !of_one_file => Err(Failure::new(
            "there is nothing to compare the snapshot with",
            "Give a second file, or two revisions of this one (--rev-a N and --rev-b M, or --at-a TIME).",
        )),
        Some(word) if of_one_file && word.as_os_str() != "-" && !word.exists() => {
            let first = word.to_string_lossy().into_owned();
            Ok((None, std::iter::once(first).chain(args.objects.iter().cloned()).collect()))
        }
        second => Ok((second.as_deref(), args.objects.clone())),
    }
}
