//! Describes for people which parts of the history of keys are lost.

use etcdsnap::core::{LostHistory, Revision, RevisionRange};
use etcdsnap::printable;

use super::finding_groups::ShownFindings;
use super::grouped_number::{counted, grouped, grouped_revision};
use super::style::{BAD, BOLD};
use super::wrap;

/// Ranges, prefixes or keys per line that are shown by default.
const FIRST: usize = 5;

/// Formats the lines under the findings; empty if no loss is known.
pub fn text(lost: &LostHistory, shown: ShownFindings) -> String {
    let most = match shown {
        ShownFindings::First => FIRST,
        ShownFindings::All => usize::MAX,
    };
    let mut lines = Vec::new();
    if lost.missing_count > 0 {
        let count = counted(lost.missing_count, "revision is", "revisions are");
        lines.push(format!("{count} missing: {}.", ranges(&lost.missing, most)));
    }
    if !lost.unreadable.is_empty() {
        lines.push(format!(
            "Unreadable pages held the retained entries of revisions {}.",
            ranges(&lost.unreadable, most)
        ));
    }
    if lost.key_count > 0 {
        let count = counted(lost.key_count, "key shows", "keys show");
        let prefixes = lost.prefixes.iter().map(|prefix| {
            let name = if prefix.prefix.is_empty() { "other keys".to_owned() } else { printable(&prefix.prefix) };
            format!("{name} ({})", grouped(prefix.keys))
        });
        lines.push(format!("{count} gaps in their history: {}.", listed(prefixes.collect(), most)));
        if shown == ShownFindings::All {
            lines.extend(lost.keys.iter().map(|key| printable(key)));
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    lines.push("A key that lost all its entries cannot be named.".into());
    let bullets: String = lines.iter().map(|line| wrap("    - ", "      ", line)).collect();
    format!("  {BAD}lost{BAD:#}    {BOLD}history of keys{BOLD:#}\n{bullets}")
}

fn ranges(ranges: &[RevisionRange], most: usize) -> String {
    let one = |range: &RevisionRange| match range.to {
        Some(to) if to == range.from => grouped_revision(to),
        Some(to) => format!("{} to {}", grouped_revision(range.from), grouped_revision(to)),
        None if range.from <= Revision::FIRST => "up to the last".into(),
        None => format!("{} up to the last", grouped_revision(range.from)),
    };
    listed(ranges.iter().map(one).collect(), most)
}

fn listed(mut items: Vec<String>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    items.truncate(most);
    let mut text = items.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {} more (verify --all shows more)", grouped(more as u64)));
    }
    text
}
