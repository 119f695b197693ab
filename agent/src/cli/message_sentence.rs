//! Formats messages as sentences with a capital letter and a full stop.

/// The words with which our own messages and those of clap begin. Any other first word may be a name, for example of a file, and is not changed.
const FIRST_WORDS: [&str; 39] = [
    "a",
    "all",
    "an",
    "and",
    "another",
    "both",
    "bucket",
    "cannot",
    "deleted",
    "digests",
    "equal",
    "every",
    "index",
    "invalid",
    "is",
    "it",
    "its",
    "neither",
    "no",
    "not",
    "nothing",
    "objects",
    "one",
    "page",
    "revision",
    "revisions",
    "standard",
    "stopped",
    "the",
    "there",
    "these",
    "they",
    "this",
    "two",
    "unable",
    "unexpected",
    "unknown",
    "unrecognized",
    "users",
];

/// Returns a message as a sentence. The text of an error has neither capital letter nor full stop, because it may be part of another message.
pub fn sentence(message: &str) -> String {
    let first = message.split(' ').next().unwrap_or_default();
    let mut sentence = message.to_owned();
    if FIRST_WORDS.contains(&first)
        && let Some(letter) = sentence.get_mut(..1)
    {
        letter.make_ascii_uppercase();
    }
    if sentence.ends_with(|last: char| last.is_alphanumeric() || [')', '"', '\'', '%', '/', ']', '…'].contains(&last))
    {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_are_sorted() {
        assert!(FIRST_WORDS.is_sorted());
    }

    #[test]
    fn a_clause_becomes_a_sentence() {
        assert_eq!(sentence("cannot open a.db: no such file"), "Cannot open a.db: no such file.");
        assert_eq!(sentence("stopped"), "Stopped.");
    }

    #[test]
    fn a_sentence_and_a_name_stay_unchanged() {
        assert_eq!(sentence("The file is empty."), "The file is empty.");
        assert_eq!(sentence("backup is a directory"), "backup is a directory.");
        assert_eq!(sentence("Is it this one?"), "Is it this one?");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn the_introduction_of_a_list_gets_no_full_stop() {
        assert_eq!(sentence("the file has two faults:\n  - one,"), "The file has two faults:\n  - one,");
    }
}
