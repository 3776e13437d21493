//! Runs the example as a person would, twice on one folder.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail where it stands")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    /// Mail comes when it comes, before an answer too.
    mails: VecDeque<String>,
}

impl Program {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_embed"))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut program = Self { child, input, output, mails: VecDeque::new() };
        assert_eq!(program.line(), "ready");
        program
    }

    fn line(&mut self) -> String {
        self.output.recv_timeout(Duration::from_secs(60)).expect("the program ended, or says nothing")
    }

    fn ask(&mut self, request: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{request}").unwrap();
        loop {
            let line = self.line();
            match line.strip_prefix("mail to ") {
                Some(mail) => self.mails.push_back(mail.to_owned()),
                None => return line,
            }
        }
    }

    /// The next mail, `<address>: <text>`.
    fn mail(&mut self) -> String {
        self.mails.pop_front().unwrap_or_else(|| self.line().strip_prefix("mail to ").unwrap().to_owned())
    }

    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn somebody_registers_verifies_signs_in_and_out_and_is_known_after_a_restart() {
    const ADA: &str = "ada@example.com correct horse battery staple";
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path());
    assert_eq!(program.ask("whoami"), "refused: log in first");
    assert_eq!(program.ask(&format!("login {ADA}")), "refused: wrong name or password");
    assert_eq!(program.ask(&format!("register {ADA}")), "a code is in the mail");
    let mail = program.mail();
    let code = mail.strip_prefix("ada@example.com: your code is ").unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(program.ask(&format!("verify {wrong}")), "refused: the code is not valid");
    let welcome = program.ask(&format!("verify {code}"));
    let id = welcome.strip_prefix("welcome, ").unwrap();
    assert_eq!(program.ask("whoami"), format!("you are {id}, user"));
    assert_eq!(program.ask("logout"), "goodbye");
    assert_eq!(program.ask("whoami"), "refused: the token was revoked");
    program.end();

    let mut program = Program::start(folder.path());
    assert_eq!(program.ask("whoami"), "refused: log in first");
    assert_eq!(program.ask("login ada@example.com a wrong password"), "refused: wrong name or password");
    assert_eq!(program.ask(&format!("login {ADA}")), format!("welcome, {id}"));
    assert_eq!(program.ask("whoami"), format!("you are {id}, user"));
    program.end();
}
