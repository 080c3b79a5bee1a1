//! `dev` with the real cargo, and a program without dependencies, which builds within a moment.

use serde_json::json;

use super::running::Project;

/// Serves a page that is compiled in.
const MAIN: &str = r#"
use std::{env, io::{Read, Write}, net::TcpListener};

fn main() {
    let address = format!("{}:{}", env::var("HOST").unwrap(), env::var("PORT").unwrap());
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let page = include_str!("../the page.html").trim();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len());
    }
}
"#;

#[test]
fn the_real_cargo_builds_what_the_compiler_reads() {
    let project = Project::real();
    project.write(
        "Cargo.toml",
        "[package]\nname = \"real\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    project.write("src/main.rs", MAIN);
    project.write("the page.html", "one");
    let dev = project.serve(&[]);
    let page = || dev.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap().1;
    assert_eq!(page(), "one");
    // No source file, but the compiler read it.
    dev.project.write("the page.html", "two");
    dev.said("ready", |line| line["process"] == 2);
    assert_eq!(page(), "two");
    dev.project.write("src/main.rs", &MAIN.replace("stream.unwrap()", "stream.unwrapped()"));
    let failed = dev.said("built", |line| line["ok"] == false);
    assert!(
        failed["output"].as_str().unwrap().contains("error[E0599]: no method named `unwrapped`"),
        "{failed}"
    );
    assert_eq!(page(), "two");
    let changes: Vec<_> = dev.lines.all().into_iter().filter(|line| line["type"] == "changed").collect();
    assert_eq!(
        changes,
        [
            json!({ "type": "changed", "files": ["the page.html"] }),
            json!({ "type": "changed", "files": ["src/main.rs"] })
        ]
    );
}
