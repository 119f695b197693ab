//! A DNS server on the loopback address that knows a few records, and runs programs that use it instead of the machine's own.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::thread;

/// A DNS record.
#[derive(Debug, Clone, Copy)]
pub enum Record {
    /// A service's port and host; `.` means that the service does not exist.
    Srv(&'static str, u16, &'static str),
    /// A host with the loopback address.
    Here(&'static str),
}

const TYPE_A: u16 = 1;
const TYPE_SRV: u16 = 33;

/// Starts a DNS server, which ends with the test's process, and returns its address; `None` if port 53 is not allowed.
///
/// # Panics
/// Panics if port 53 is not allowed although the reference programs are required, as in CI.
#[must_use]
pub fn start(records: Vec<Record>) -> Option<String> {
    // Clients only use port 53, but this machine has millions of loopback addresses; each test process takes one.
    let number = std::process::id();
    let address = (0..20).map(|next| format!("127.53.{}.{}", ((number >> 8) % 256) ^ next, number % 256));
    let bound = address.filter_map(|address| Some((UdpSocket::bind((address.as_str(), 53)).ok()?, address))).next();
    let Some((socket, address)) = bound else {
        report_skipped("port 53 cannot be used");
        return None;
    };
    thread::spawn(move || {
        let mut room = [0; 1500];
        while let Ok((count, from)) = socket.recv_from(&mut room) {
            if let Some(answer) = answer(&room[..count], &records) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Some(address)
}

/// Returns the program, to be started with `server` as its DNS server; `None` if that is impossible here.
///
/// # Panics
/// Panics if it is impossible although the reference programs are required.
#[must_use]
pub fn with_name_server(server: &str, folder: &Path, program: &Command) -> Option<Command> {
    let conf = folder.join("resolv.conf");
    std::fs::write(&conf, format!("nameserver {server}\n")).expect("a file");
    // Mount another resolv.conf that only this program sees.
    let script = r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c"]);
    if !Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .output()
        .is_ok_and(|it| it.status.success())
    {
        report_skipped("`unshare --map-root-user --mount` does not work");
        return None;
    }
    command.arg(script).arg(&conf).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(command)
}

fn report_skipped(reason: &str) {
    assert!(std::env::var("ETCDSNAP_REQUIRE_REFERENCE").as_deref() != Ok("1"), "{reason}");
    eprintln!("\n*** SKIPPED: {reason} ***\n");
}

/// Builds the response to a question (RFC 1035, 4.1): header, the question, and the records of that name and type.
fn answer(question: &[u8], records: &[Record]) -> Option<Vec<u8>> {
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push_str(std::str::from_utf8(question.get(at..at + length)?).ok()?);
        name.push('.');
        at += length;
    }
    let kind = u16::from_be_bytes(question.get(at..at + 2)?.try_into().ok()?);
    let is_asked = |own: &str| name.trim_end_matches('.').eq_ignore_ascii_case(own);
    let known =
        records.iter().any(|record| matches!(record, Record::Srv(own, ..) | Record::Here(own) if is_asked(own)));
    let found: Vec<Vec<u8>> = records
        .iter()
        .filter_map(|record| match record {
            Record::Srv(own, port, target) if kind == TYPE_SRV && is_asked(own) => {
                Some([&[0, 1, 0, 1][..], &port.to_be_bytes(), &labels(target)].concat())
            }
            Record::Here(own) if kind == TYPE_A && is_asked(own) => Some(vec![127, 0, 0, 1]),
            _ => None,
        })
        .collect();
    // An authoritative answer; NXDOMAIN if no record matches.
    let flags: u16 = if known { 0x8580 } else { 0x8583 };
    let mut answer = question[..2].to_vec();
    for number in [flags, 1, found.len() as u16, 0, 0] {
        answer.extend(number.to_be_bytes());
    }
    answer.extend(&question[12..at + 4]);
    for data in found {
        // A pointer to the question's name, class IN, a time to live of one minute.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend((data.len() as u16).to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

fn labels(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}
