//! Formats reports as text and JSON.

pub mod etcdutl;
pub mod finding_groups;
pub mod json;
pub mod style;
pub mod text_directory;
pub mod text_lost;
pub mod text_status;
pub mod text_verify;

use etcdsnap::Finding;
pub use etcdsnap::grouped_number;
use grouped_number::grouped;

/// Width of running text, in columns.
const WIDTH: usize = 100;

/// Breaks text into lines: the first starts with `first`, the others with `rest`. Returns nothing for an empty text.
pub fn wrap(first: &str, rest: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in &pieces(text) {
        let indent = if lines.is_empty() { first } else { rest };
        let width = indent.chars().count() + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && width > WIDTH {
            lines.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let indent = if lines.is_empty() { first } else { rest };
        lines.push_str(&format!("{indent}{line}\n"));
    }
    lines
}

/// Splits text into pieces that must stay on one line: words, and whole commands, which people copy into a terminal.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut command = false;
    for word in text.split_whitespace() {
        match pieces.last_mut().filter(|_| command) {
            Some(piece) => {
                piece.push(' ');
                piece.push_str(word);
            }
            None => {
                command = word.starts_with('`') || word.trim_start_matches('(') == "etcdsnap";
                pieces.push(word.to_owned());
            }
        }
        let quoted = pieces.last().is_some_and(|piece| piece.trim_start_matches('(').starts_with('`'));
        let ends = if quoted {
            word.len() > 1 && word.trim_end_matches(['.', ',', ';', ':', ')']).ends_with('`')
        } else {
            word.ends_with(['.', ',', ';', ':', ')'])
        };
        command &= !ends;
    }
    pieces
}

/// Returns where a finding is: page, offset and key, as far as known.
pub fn place(finding: &Finding) -> Option<String> {
    let parts: Vec<String> = [
        finding.page.map(|page| format!("page {}", grouped(page.get()))),
        finding.offset.map(|offset| format!("offset {}", grouped(offset.get()))),
        finding.key.as_ref().map(|key| format!("key {}", etcdsnap::printable(key))),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Returns the message of a finding, after its place.
pub fn reason(finding: &Finding) -> String {
    let message = etcdsnap::printable(&finding.message);
    place(finding).map_or_else(|| message.clone(), |place| format!("{place}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_between_words_only() {
        let text = wrap("* ", "  ", &"word ".repeat(30));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("* word") && lines[0].len() <= WIDTH);
        assert!(lines[1].starts_with("  word"));
        assert_eq!(wrap("a", "b", ""), "");
        let text = wrap(
            "",
            "",
            &format!("{}etcdsnap history backup.db /registry/pods/a, or `etcdsnap verify x`: all", "word ".repeat(16)),
        );
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1..], ["etcdsnap history backup.db /registry/pods/a, or `etcdsnap verify x`: all"]);
    }
}
