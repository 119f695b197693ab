//! `etcdsnap kube encryption FILE`

use etcdsnap::grouped_number::grouped;
use etcdsnap::{EncryptionGroup, EncryptionUsage, printable};
use serde_json::Map;

use super::kube_file;
use super::uncertain_states;
use crate::cli::args_encryption::EncryptionArgs;
use crate::cli::args_inspect::InspectForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::{self, key_text, text_table};
use crate::cli::output::{self, Lines};
use crate::cli::render::grouped_number::counted;

const COLUMNS: [text_table::Column; 6] =
    [("resource", false), ("stored", false), ("key", false), ("key id", false), ("objects", true), ("bytes", true)];

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &EncryptionArgs) -> Result<Exit, Failure> {
    let file = &args.file;
    let (snapshot, bar) = kube_file::open(file, &[])?;
    let store = snapshot.store()?;
    let mut cluster = kube_file::cluster(file, &snapshot, &store, &bar)?;
    let lost = std::mem::take(&mut cluster.lost);
    let groups = snapshot.encryption(&store, &cluster, &bar)?;
    drop(bar);
    let exit = inspect::report_losses(&file.file, &lost);
    uncertain_states::report_living(&cluster, |_| true);
    match args.form.write_out {
        InspectForm::Json => json(&groups)?,
        _ if groups.is_empty() => {
            output::print_to_stderr("No objects of Kubernetes are in this snapshot. Is --etcd-prefix another one?\n");
        }
        form => output::print(&text_table::rows(form, &COLUMNS, &groups.iter().map(row).collect::<Vec<_>>()))?,
    }
    report_plain_secrets(&groups);
    let not_whole = groups.iter().fold(0_u64, |sum, (_, usage)| sum.saturating_add(usage.not_whole));
    if not_whole > 0 {
        let values = counted(not_whole, "value decrypts", "values decrypt");
        output::warn(&format!(
            "{values} to something that is not a complete object: the value was changed, or encrypted with another key of the same name. See: etcdsnap kube check"
        ));
    }
    let exit = exit.max(inspect::encrypted::report_undecrypted(&snapshot));
    Ok(if not_whole > 0 { exit.max(Exit::Damage) } else { exit })
}

fn name(group: &EncryptionGroup) -> String {
    if group.group.is_empty() { group.resource.clone() } else { format!("{}.{}", group.resource, group.group) }
}

fn row((group, usage): &(EncryptionGroup, EncryptionUsage)) -> Vec<String> {
    let text = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
    let (stored, key) = group.key.as_ref().map_or(("plain", ""), |key| (key.provider.as_str(), key.name.as_str()));
    vec![
        printable(&name(group)),
        stored.to_owned(),
        text(key),
        text(&group.key_id),
        grouped(usage.count),
        grouped(usage.bytes),
    ]
}

fn json(groups: &[(EncryptionGroup, EncryptionUsage)]) -> Result<(), Failure> {
    let mut lines = Lines::new();
    for (group, usage) in groups {
        let mut object = Map::new();
        object.insert("group".into(), group.group.clone().into());
        object.insert("resource".into(), group.resource.clone().into());
        object.insert("encrypted".into(), group.key.is_some().into());
        if let Some(key) = &group.key {
            object.insert("provider".into(), key.provider.as_str().into());
            object.insert("key".into(), key.name.clone().into());
        }
        if !group.key_id.is_empty() {
            object.insert("keyId".into(), group.key_id.clone().into());
        }
        object.insert("secret".into(), group.secret.into());
        object.insert("objects".into(), usage.count.into());
        object.insert("bytes".into(), usage.bytes.into());
        if usage.not_whole > 0 {
            object.insert("notWhole".into(), usage.not_whole.into());
        }
        key_text::write_line(&mut lines, &object)?;
    }
    lines.finish()
}

/// Reports, for each resource with secrets, how many of them are not encrypted: everyone who has the file can read them.
fn report_plain_secrets(groups: &[(EncryptionGroup, EncryptionUsage)]) {
    let secrets = |name: &str, plain: bool| -> u64 {
        let of = groups.iter().filter(|(group, _)| group.secret && group.key.is_none() == plain);
        of.filter(|(group, _)| self::name(group) == name).map(|(_, usage)| usage.count).sum()
    };
    let mut names: Vec<String> =
        groups.iter().filter(|(group, _)| group.secret).map(|(group, _)| self::name(group)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (plain, encrypted) = (secrets(&name, true), secrets(&name, false));
        let shown = printable(&name);
        match (plain, encrypted) {
            (0, _) => {}
            (_, 0) => output::warn(&format!(
                "{shown}: {} stored plain. Whoever has this file can read them.",
                counted(plain, "object is", "objects are")
            )),
            _ => output::warn(&format!(
                "{shown}: {} stored plain beside {}: written before encryption was set up, and not again since. `kubectl get {shown} -A -o json | kubectl replace -f -` has the API server encrypt them.",
                counted(plain, "object is", "objects are"),
                counted(encrypted, "encrypted one", "encrypted ones")
            )),
        }
    }
}
