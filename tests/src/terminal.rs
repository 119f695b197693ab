//! Runs a program in a pseudo-terminal, as a person does.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Time limit of each wait, which suffices on a busy machine, too.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A terminal with a program in it, which ends when the value is dropped.
pub struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// Output that was not returned yet.
    rest: Vec<u8>,
    child: Child,
}

impl Terminal {
    /// Starts a program in its own terminal.
    ///
    /// # Panics
    /// Panics if there are no terminals, or the program cannot be started.
    #[must_use]
    pub fn start(program: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("a terminal's name");
        let path = std::ffi::OsStr::from_bytes(name.to_bytes());
        let own = OpenOptions::new().read(true).write(true).open(path).expect("the other side of a terminal");
        // It becomes the controlling terminal of a new session, so that Ctrl-C and job control work as usual.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(program.get_program()).args(program.get_args());
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        program.get_current_dir().map(|folder| command.current_dir(folder));
        let same = || own.try_clone().expect("a descriptor");
        let child = command.stdin(same()).stdout(same()).stderr(same()).spawn().expect("setsid, of util-linux");
        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().expect("a descriptor");
        let (tell, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(count) = reader.read(&mut block) {
                if count == 0 || tell.send(block[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, screen, rest: Vec::new(), child }
    }

    /// Types keys.
    ///
    /// # Panics
    /// Panics if the terminal is gone.
    pub fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Returns the output up to and including `mark`.
    ///
    /// # Panics
    /// Panics if `mark` does not appear within a minute.
    pub fn output_until(&mut self, mark: &str) -> String {
        let end = Instant::now() + TIMEOUT;
        loop {
            if let Some(at) = self.rest.windows(mark.len()).position(|window| window == mark.as_bytes()) {
                let output_until: Vec<u8> = self.rest.drain(..at + mark.len()).collect();
                return String::from_utf8_lossy(&output_until).into_owned();
            }
            match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(block) => self.rest.extend(block),
                Err(cause) => panic!("{mark:?} is not shown ({cause}): {:?}", String::from_utf8_lossy(&self.rest)),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A shell ends when its terminal hangs up; setsid waits for it.
        let _ = self.keyboard.write_all(b"\x03\x15exit\n");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
