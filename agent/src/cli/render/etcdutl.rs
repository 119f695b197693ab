//! The four forms of etcdutl's `snapshot status`, byte for byte.
//!
//! The table of 3.7 is that of Go's tablewriter 1.1; earlier versions use tablewriter 0.0.5.

use etcdsnap::Status;
use etcdsnap::core::Revision;
use etcdsnap::core::store::HashKv;

use super::grouped_number::si_bytes;
use crate::cli::args::EtcdForm;

/// The numbers that etcdutl prints.
#[derive(Debug, Clone)]
pub struct Numbers {
    hash: u32,
    revision: Revision,
    total_key: u64,
    total_size: u64,
    /// `None` before 3.6, which has no storage version.
    version: Option<String>,
    borders: Borders,
}

/// The border characters of a table.
#[derive(Debug, Clone, Copy)]
enum Borders {
    Ascii,
    BoxDrawing,
}

impl Numbers {
    /// Returns the numbers of etcdutl 3.7. It counts the empty value that a revision bump writes as one more key, and scripts
    /// that compare outputs must find the same number here; all other commands ignore that value.
    pub fn of_3_7(status: &Status) -> Self {
        Self {
            hash: status.hash,
            revision: status.revision,
            total_key: status.total_key.saturating_add(u64::from(status.phantoms > 0)),
            total_size: status.total_size,
            version: Some(etcdsnap::printable(&status.version)),
            borders: Borders::BoxDrawing,
        }
    }

    /// Returns the numbers of etcdutl 3.6: the same with other borders.
    pub fn of_3_6(status: &Status) -> Self {
        Self { borders: Borders::Ascii, ..Self::of_3_7(status) }
    }

    /// Returns the numbers of etcdctl 3.3 and 3.4 and etcdutl 3.5: every entry of every bucket is a key, and there is no version.
    pub fn of_3_5(status: &Status) -> Self {
        Self { total_key: status.total_entries, version: None, ..Self::of_3_6(status) }
    }

    fn columns(&self) -> Vec<(&'static str, String)> {
        let mut columns = vec![
            ("HASH", format!("{:x}", self.hash)),
            ("REVISION", self.revision.to_string()),
            ("TOTAL KEYS", self.total_key.to_string()),
            ("TOTAL SIZE", si_bytes(self.total_size)),
        ];
        columns.extend(self.version.clone().map(|version| ("VERSION", version)));
        columns
    }
}

/// Formats one line: `634b0880, 566, 245, 578 kB, 3.7.0`
pub fn simple(numbers: &Numbers) -> String {
    let values: Vec<_> = numbers.columns().into_iter().map(|(_, value)| value).collect();
    format!("{}\n", values.join(", "))
}

/// Formats one JSON object: `{"hash":1665861760,"revision":566,"totalKey":245,"totalSize":577536,"version":"3.7.0"}`
pub fn json(numbers: &Numbers) -> String {
    let version = numbers
        .version
        .as_ref()
        .map(|version| format!(",\"version\":{}", etcdsnap::to_json(version).unwrap_or_default()));
    format!(
        "{{\"hash\":{},\"revision\":{},\"totalKey\":{},\"totalSize\":{}{}}}\n",
        numbers.hash,
        numbers.revision,
        numbers.total_key,
        numbers.total_size,
        version.unwrap_or_default()
    )
}

/// Formats one line per field: `"Hash" : 1665861760` and so on.
pub fn fields(numbers: &Numbers) -> String {
    let version = numbers.version.as_ref().map(|version| format!("\"Version\" : {version}\n"));
    format!(
        "\"Hash\" : {}\n\"Revision\" : {}\n\"Keys\" : {}\n\"Size\" : {}\n{}",
        numbers.hash,
        numbers.revision,
        numbers.total_key,
        numbers.total_size,
        version.unwrap_or_default()
    )
}

/// Formats a table: titles are centred, values aligned to the right.
pub fn table(numbers: &Numbers) -> String {
    one_row_table(&numbers.columns(), numbers.borders)
}

/// Draws a table of one row.
fn one_row_table(columns: &[(&'static str, String)], borders: Borders) -> String {
    let widths: Vec<usize> = columns.iter().map(|(title, value)| title.len().max(value.chars().count())).collect();
    let line = borders.horizontal();
    let rule = |[left, middle, right]: [&str; 3]| {
        let bars: Vec<_> = widths.iter().map(|width| line.repeat(width + 2)).collect();
        format!("{left}{}{right}\n", bars.join(middle))
    };
    let row = |cells: Vec<String>| {
        let vertical = borders.vertical();
        format!("{vertical} {} {vertical}\n", cells.join(&format!(" {vertical} ")))
    };
    let titles = columns.iter().zip(&widths).map(|((title, _), width)| format!("{title:^width$}")).collect();
    let values = columns.iter().zip(&widths).map(|((_, value), width)| format!("{value:>width$}")).collect();
    let [top, middle, bottom] = borders.corners();
    [rule(top), row(titles), rule(middle), row(values), rule(bottom)].concat()
}

/// Formats the output of etcdutl's `hashkv`, byte for byte as 3.7 prints it.
pub fn hashkv(hash: &HashKv, form: EtcdForm) -> String {
    let HashKv { hash, revision, compact_revision: compact } = hash;
    match form {
        EtcdForm::Simple => format!("{hash}, {revision}, {compact}\n"),
        EtcdForm::Json => format!("{{\"hash\":{hash},\"hashRevision\":{revision},\"compactRevision\":{compact}}}\n"),
        EtcdForm::Fields => {
            format!("\"Hash\" : {hash}\n\"Hash revision\" : {revision}\n\"Compact revision\" : {compact}\n")
        }
        EtcdForm::Table => one_row_table(
            &[
                ("HASH", hash.to_string()),
                ("HASH REVISION", revision.to_string()),
                ("COMPACT REVISION", compact.to_string()),
            ],
            Borders::BoxDrawing,
        ),
    }
}

impl Borders {
    fn horizontal(self) -> &'static str {
        match self {
            Self::Ascii => "-",
            Self::BoxDrawing => "─",
        }
    }

    fn vertical(self) -> &'static str {
        match self {
            Self::Ascii => "|",
            Self::BoxDrawing => "│",
        }
    }

    /// Returns left, middle and right corners of the top, middle and bottom rules.
    fn corners(self) -> [[&'static str; 3]; 3] {
        match self {
            Self::Ascii => [["+"; 3]; 3],
            Self::BoxDrawing => [["┌", "┬", "┐"], ["├", "┼", "┤"], ["└", "┴", "┘"]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            hash: 0x034b_0880,
            revision: Revision::new(1_234_567_890_123),
            total_key: 245,
            total_entries: 812,
            total_size: 577_536,
            version: "3.7.0".into(),
            ..Status::default()
        }
    }

    #[test]
    fn as_3_7() {
        let numbers = Numbers::of_3_7(&status());
        assert_eq!(simple(&numbers), "34b0880, 1234567890123, 245, 578 kB, 3.7.0\n");
        assert_eq!(
            json(&numbers),
            "{\"hash\":55249024,\"revision\":1234567890123,\"totalKey\":245,\"totalSize\":577536,\"version\":\"3.7.0\"}\n"
        );
        assert_eq!(
            fields(&numbers),
            "\"Hash\" : 55249024\n\"Revision\" : 1234567890123\n\"Keys\" : 245\n\"Size\" : 577536\n\"Version\" : 3.7.0\n"
        );
        assert_eq!(
            table(&numbers),
            "\
┌─────────┬───────────────┬────────────┬────────────┬─────────┐
│  HASH   │   REVISION    │ TOTAL KEYS │ TOTAL SIZE │ VERSION │
├─────────┼───────────────┼────────────┼────────────┼─────────┤
│ 34b0880 │ 1234567890123 │        245 │     578 kB │   3.7.0 │
└─────────┴───────────────┴────────────┴────────────┴─────────┘
"
        );
    }

    #[test]
    fn as_3_5() {
        let numbers = Numbers::of_3_5(&status());
        assert_eq!(simple(&numbers), "34b0880, 1234567890123, 812, 578 kB\n");
        assert_eq!(
            table(&numbers),
            "\
+---------+---------------+------------+------------+
|  HASH   |   REVISION    | TOTAL KEYS | TOTAL SIZE |
+---------+---------------+------------+------------+
| 34b0880 | 1234567890123 |        812 |     578 kB |
+---------+---------------+------------+------------+
"
        );
    }

    #[test]
    fn an_empty_version_keeps_its_separators() {
        let numbers = Numbers::of_3_7(&Status { version: String::new(), ..status() });
        assert!(simple(&numbers).ends_with(", 578 kB, \n"));
        assert!(fields(&numbers).ends_with("\"Version\" : \n"));
        assert!(json(&numbers).ends_with(",\"version\":\"\"}\n"));
    }
}
