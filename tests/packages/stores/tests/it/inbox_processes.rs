//! Processes that share a file: what the disk has before a response, and what a kill leaves.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use kiket::inbox::{InboxFilter, InboxLimits, RowState, inbox_from_url};

fn inboxed(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inboxed"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("inbox.db").display())
}

/// The lines of a process, as far as they are wanted.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok)
}

#[test]
fn every_response_comes_after_a_sync_of_its_row() {
    if Command::new("strace").arg("-V").output().is_err() {
        assert!(std::env::var("CI").is_err(), "in CI nothing is skipped: strace is absent");
        let _ = std::io::stderr().write_all(b"SKIPPED: strace is absent\n");
        return;
    }
    for (producers, count) in [("1", 40), ("16", 400)] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("calls");
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-s", "8192", "-e", "trace=fdatasync,fsync,pwrite64,write", "-o"]);
        traced.arg(&log).arg(env!("CARGO_BIN_EXE_inboxed"));
        traced.args(["accept", &url(folder.path()), "s", "row", &count.to_string(), producers]);
        let output = traced.stdin(Stdio::null()).output().unwrap();
        let accepted = String::from_utf8(output.stdout).unwrap().lines().count();
        assert_eq!((output.status.success(), accepted), (true, count));

        let calls = fs::read_to_string(&log).unwrap();
        let calls: Vec<_> = calls.lines().filter_map(Call::read).collect();
        let syncs = calls.iter().filter(|call| matches!(call, Call::Syncs { .. })).count();
        if producers == "1" {
            assert!(syncs >= count, "{syncs} syncs of the disk for {count} responses, one after the other");
        }
        let after = |from: usize, is: &dyn Fn(&Call<'_>) -> bool| {
            from + calls[from..].iter().position(is).expect("there is such a call")
        };
        for number in 0..count {
            let wrote = |what: String| move |call: &Call<'_>| matches!(call, Call::Wrote(text) if text.contains(&what));
            let written = after(0, &wrote(format!("row:{number}:")));
            let responded = after(0, &wrote(format!("\"accepted row:{number}:")));
            // Only a sync that begins later has it on the disk.
            let begun = after(written, &|call| matches!(call, Call::Syncs { .. }));
            let synced = match calls[begun] {
                Call::Syncs { ended: true } => begun,
                _ => after(begun, &|call| matches!(call, Call::Synced)),
            };
            assert!(written < responded, "row {number} is first written with its response");
            assert!(synced < responded, "row {number} is responded to before it is synced");
        }
    }
}

/// A line of strace.
enum Call<'l> {
    Wrote(&'l str),
    Syncs {
        ended: bool,
    },
    /// One that began before has ended.
    Synced,
}

impl<'l> Call<'l> {
    /// ```text
    /// 12 fdatasync(5)                = 0
    /// 12 fdatasync(5 <unfinished ...>
    /// 12 <... fdatasync resumed>)    = 0
    /// 12 pwrite64(5, "…", 4096, 32)  = 4096
    /// ```
    fn read(line: &'l str) -> Option<Self> {
        let call = line.split_once(' ')?.1.trim_start();
        let is_sync = |call: &str| call.starts_with("fdatasync") || call.starts_with("fsync");
        match call.strip_prefix("<... ") {
            Some(resumed) if is_sync(resumed) && resumed.ends_with("= 0") => Some(Self::Synced),
            Some(_) => None,
            None if is_sync(call) => Some(Self::Syncs { ended: call.ends_with("= 0") }),
            None => Some(Self::Wrote(call)),
        }
    }
}

#[test]
fn nothing_accepted_is_lost_when_processes_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let url = url(folder.path());
    let accept = |name, count| inboxed(&["accept", &url, "s", name, count, "8"]).spawn().unwrap();
    let work = || inboxed(&["work", &url, "s"]).spawn().unwrap();

    // Two that accept and two that work, on one file. One of each is killed in the middle, and another takes its place.
    let (mut first, mut second, mut killed, mut worker) =
        (accept("a", "2000"), accept("b", "300"), work(), work());
    let mut accepted: Vec<String> = lines(&mut first).take(100).collect();
    first.kill().unwrap();
    first.wait().unwrap();
    let mut done: Vec<String> = lines(&mut killed).take(20).collect();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let (mut third, mut other) = (accept("c", "300"), work());
    for process in [&mut second, &mut third] {
        accepted.extend(lines(process));
        assert!(process.wait().unwrap().success());
    }
    for process in [&mut worker, &mut other] {
        done.extend(lines(process));
    }
    // One may have found everything done before the last rows came.
    let mut last = work();
    done.extend(lines(&mut last));
    for mut process in [worker, other, last] {
        assert!(process.wait().unwrap().success());
    }

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut limits = InboxLimits::default();
    limits.is_ephemeral = true;
    let inbox = inbox_from_url(&url, limits).unwrap();
    let filter = InboxFilter::new("s");
    let rows = runtime.block_on(inbox.list(&filter)).unwrap();
    assert!(rows.iter().all(|row| row.state == RowState::Done), "{rows:?}");
    let rows: BTreeSet<_> = rows.iter().filter_map(|row| row.key.as_str().strip_prefix("inboxed/")).collect();
    assert_eq!(accepted.len(), 700);
    for line in &accepted {
        let name = line.strip_prefix("accepted ").expect("it prints what it accepted");
        assert!(rows.contains(name), "{name} was accepted, and is lost");
    }
    let once: BTreeSet<_> = done.iter().collect();
    assert_eq!(once.len(), done.len(), "a row is done twice");
}
