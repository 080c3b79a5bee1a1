//! Outputs that cannot be written cost log lines, and nothing else.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use extension_process::{Connection, PATIENCE, Running, get, signed};
use serde_json::{Value, json};

use super::{echo, held, quiet, served};

/// It serves, drains on SIGTERM beside a running delivery, and ends with 0.
#[track_caller]
fn check(running: Running) {
    let directory = tempfile::tempdir().unwrap();
    let until = directory.path().join("go_on");
    for _ in 0..3 {
        assert_eq!(running.ask(&echo()).status, 200);
    }
    let mut held = running.send(&held(&until));
    wait_for(&until.with_extension("began"));
    running.signal("TERM");
    running.wait_until_draining();
    fs::write(&until, "").unwrap();
    assert_eq!(held.response().unwrap().status, 200);
    assert_eq!(running.end().code, Some(0));
}

/// Waits for a file: the outputs of the process say nothing.
#[track_caller]
fn wait_for(file: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", file.display());
        thread::sleep(Duration::from_millis(5));
    }
    fs::read_to_string(file).unwrap()
}

#[test]
fn a_pipe_whose_reader_ends_costs_no_response() {
    let (reader, writer) = io::pipe().unwrap();
    let running = served().start_into(writer.try_clone().unwrap(), writer);
    let mut lines = BufReader::new(reader).lines();
    assert!(lines.any(|line| line.unwrap().contains("listening")));
    drop(lines);
    check(running);
}

#[test]
fn a_pipe_that_is_closed_from_the_start_is_no_obstacle() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    check(served().start_into(writer.try_clone().unwrap(), writer));
}

#[test]
fn a_full_disk_costs_no_response() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    check(served().start_into(full(), full()));
}

#[test]
fn a_reader_that_stalls_costs_no_response() {
    let (reader, writer) = io::pipe().unwrap();
    let running = served().start_into(writer.try_clone().unwrap(), writer);
    // More lines than a pipe takes, from every worker.
    for _ in 0..1_000 {
        assert_eq!(running.ask(&echo()).status, 200);
    }
    assert_eq!(running.ask(&get("/health")).status, 200);
    check(running);
    drop(reader);
}

#[test]
fn dropped_lines_are_reported_once_the_reader_goes_on() {
    let (reader, writer) = io::pipe().unwrap();
    let running = served().start_into(writer, Stdio::null());
    let deliver = signed("log.much", "v1", &json!({ "id": "much" }));
    assert_eq!(running.ask(&deliver).status, 200);
    assert_eq!(running.ask(&get("/health")).status, 200);
    let (mut much, mut dropped) = (0, 0);
    for line in BufReader::new(reader).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).expect("every line is whole");
        much += u64::from(line["text"].is_string());
        if line["message"].as_str().is_some_and(|message| message.starts_with("log lines were dropped")) {
            dropped += line["lines"].as_u64().unwrap();
            running.signal("TERM");
        }
    }
    assert!(dropped > 1_000, "{dropped}");
    assert!((4_096..4_200).contains(&(much + dropped)), "{much} and {dropped}");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_start_that_fails_without_an_output_exits_with_1() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let process = served().env("PORT", "none").spawn_into(Stdio::null(), writer);
    assert_eq!(process.end().code, Some(1));
}

#[test]
fn a_terminal_that_is_lost_costs_no_response() {
    let script = "/usr/bin/script";
    if !Path::new(script).exists() {
        eprintln!("SKIPPED: `script` is not installed, and nothing else here makes a terminal");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // The shell says the id of the process, and how it ended.
    let shell = format!(
        "trap '' HUP; cd {}; {} & echo $! >id; wait $!; echo $? >c; mv c code",
        directory.path().display(),
        env!("CARGO_BIN_EXE_served")
    );
    let terminal = quiet(script).arg("-qec").arg(shell).arg("/dev/null").env("SHELL", "/bin/sh").spawn();
    let address = terminal.stdout().find(|line| {
        let (_, address) = line.split_once("listens on http://")?;
        address.trim().parse::<SocketAddr>().ok()
    });
    let address = address.unwrap_or_else(|| panic!("it does not listen: {}", terminal.stdout().text()));
    terminal.signal("KILL");
    for _ in 0..3 {
        let mut connection = Connection::open(address).unwrap();
        connection.send(&echo()).unwrap();
        assert_eq!(connection.response().unwrap().status, 200);
    }
    let id = fs::read_to_string(directory.path().join("id")).unwrap();
    assert!(Command::new("sh").args(["-c", &format!("kill {id}")]).status().unwrap().success());
    let code = wait_for(&directory.path().join("code"));
    assert_eq!(code.trim(), "0");
}
