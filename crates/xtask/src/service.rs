//! A running `keystead` (or another server) as a process of our own: started, watched through proc(5), always ended.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::http::{Connection, request};
use crate::{Outcome, sample};

/// Clock ticks a second in `/proc/<pid>/stat` (`USER_HZ`), the same on every Linux port in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child process that is killed when this is dropped.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that printed where it listens.
pub(crate) struct Service {
    process: Process,
    address: SocketAddr,
}

impl Service {
    /// Starts `keystead dev` without limits on a free port and waits until it is ready. What it logs goes to a file
    /// beside the data folder.
    pub(crate) fn keystead(binary: &Path, data_dir: &Path, core: Option<u32>) -> Outcome<Self> {
        let mut command = on_core(binary, core);
        command.args(["dev", "--limits", "off", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        let service = Self::start(command, &data_dir.with_extension("log"))?;
        service.wait_until_ready()?;
        Ok(service)
    }

    /// Starts a server whose first line on standard output ends in `http://HOST:PORT`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Outcome<Self> {
        let log_file = OpenOptions::new().create(true).append(true).open(log)?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file).spawn()?;
        let stdout = child.stdout.take();
        let process = Process(child);
        let mut lines = BufReader::new(stdout.ok_or("no standard output")?);
        let mut first = String::new();
        lines.read_line(&mut first)?;
        let address =
            first.trim_end().rsplit_once("http://").and_then(|(_, address)| address.parse().ok()).ok_or_else(|| {
                format!("did not say where it listens, but `{}`; see {}", first.trim_end(), log.display())
            })?;
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(Self { process, address })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it like a power cut: SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks it to end, as a supervisor does (SIGTERM), and waits until it has.
    pub(crate) fn end(mut self) -> Outcome {
        let pid = self.process.0.id().to_string();
        crate::shell::run(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]))?;
        let status = self.process.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended badly: {status}").into()) }
    }

    /// Its resident set now, in KiB.
    pub(crate) fn resident_kib(&self) -> Outcome<u64> {
        self.status("VmRSS:")
    }

    /// The largest its resident set ever was, in KiB.
    pub(crate) fn peak_kib(&self) -> Outcome<u64> {
        self.status("VmHWM:")
    }

    /// Processor time used so far, all threads, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.0.id()))?;
        Ok(sample::float(cpu_ticks(&stat).ok_or("unknown format of /proc/<pid>/stat")?) / TICKS_PER_SECOND)
    }

    /// How many threads answer requests: actix names them.
    pub(crate) fn workers(&self) -> Outcome<usize> {
        let mut count = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.process.0.id()))? {
            let name = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
            count += usize::from(name.starts_with("actix-rt|system") || name.starts_with("actix-server wo"));
        }
        Ok(count)
    }

    fn status(&self, field: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field in proc")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Waits until `/health/ready` answers 200.
    pub(crate) fn wait_until_ready(&self) -> Outcome {
        let mut connection = Connection::to(self.address);
        let probe = request("GET", "/health/ready", &[], None);
        let deadline = sample::now() + Duration::from_secs(20);
        loop {
            match connection.send(&probe) {
                Ok(reply) if reply.status == 200 => return Ok(()),
                Ok(reply) if sample::now() > deadline => {
                    return Err(format!("not ready after 20 s: {}", reply.status).into());
                }
                Err(error) if sample::now() > deadline => return Err(error),
                _ => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }
}

/// The command, held to one processor core when asked.
pub(crate) fn on_core(program: &Path, core: Option<u32>) -> Command {
    let Some(core) = core else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]).arg(program);
    command
}

/// `utime` + `stime`, fields 14 and 15 of proc(5); the name in field 2 may hold spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system_whatever_the_name() {
        let stat = "42 (a (strange) name) S 1 42 42 0 -1 4194304 500 0 0 0 17 5 0 0 20 0 3 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(22));
        assert_eq!(cpu_ticks("42"), None);
    }

    #[test]
    fn a_server_is_found_by_its_first_line_and_ended_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'x listening on http://127.0.0.1:4711'; exec sleep 600"]);
        let service = Service::start(command, &folder.path().join("log")).unwrap();
        assert_eq!(service.address().port(), 4711);
        // Read apart, these two race with a process that still grows: the earlier figure goes first.
        let resident = service.resident_kib().unwrap();
        assert!(resident > 0 && service.peak_kib().unwrap() > 0);
        let entry = format!("/proc/{}", service.process.0.id());
        assert!(Path::new(&entry).exists());
        service.kill();
        assert!(!Path::new(&entry).exists());
    }

    #[test]
    fn a_server_that_does_not_start_is_an_error_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no"]);
        let error = Service::start(command, &folder.path().join("log")).err().map(|error| error.to_string());
        assert!(error.as_deref().is_some_and(|text| text.contains("but `no`")), "{error:?}");
    }
}
