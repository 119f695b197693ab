//! A program in a terminal, as a person has it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Longer than anything that is waited for takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a program in it, which is ended with it.
pub struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What is shown and was not asked for yet.
    rest: Vec<u8>,
    child: Child,
}

impl Terminal {
    /// Starts a program in a terminal of its own.
    ///
    /// # Panics
    /// When there are no terminals, or the program cannot be started.
    #[must_use]
    pub fn start(program: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("a terminal's name");
        let path = std::ffi::OsStr::from_bytes(name.to_bytes());
        let own = OpenOptions::new().read(true).write(true).open(path).expect("the other side of a terminal");
        // It is the controlling terminal of a session of its own, so that Ctrl-C and job control are as usual.
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

    /// Presses keys.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// What is shown from now on until `mark` is, with it.
    ///
    /// # Panics
    /// When it is not shown in a minute.
    pub fn shown(&mut self, mark: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.rest.windows(mark.len()).position(|window| window == mark.as_bytes()) {
                let shown: Vec<u8> = self.rest.drain(..at + mark.len()).collect();
                return String::from_utf8_lossy(&shown).into_owned();
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
        // A shell ends with its terminal's hangup; setsid waits for it.
        let _ = self.keyboard.write_all(b"\x03\x15exit\n");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
