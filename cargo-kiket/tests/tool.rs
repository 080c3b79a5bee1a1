//! The tool as a process: its help, its completions, its manual, and what it says to a wrong command line.

use std::process::{Command, Output};

fn tool(arguments: &[&str]) -> Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
    tool.args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn it_runs_as_a_command_of_cargo_and_by_itself() {
    for arguments in [&["kiket", "--help"][..], &["--help"]] {
        let help = printed(&tool(arguments));
        assert!(help.contains("Usage: cargo kiket [OPTIONS] <COMMAND>"), "{help}");
        assert!(help.contains("69  there is no response"), "{help}");
    }
    assert_eq!(printed(&tool(&["--version"])), concat!("cargo-kiket ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// The names of all commands, from the help.
fn commands() -> Vec<String> {
    let help = printed(&tool(&["--help"]));
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let indented = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    indented.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn each_command_explains_itself_with_an_example() {
    let commands = commands();
    assert!(commands.len() >= 2, "{commands:?}");
    for command in commands {
        let help = printed(&tool(&[&command, "--help"]));
        assert!(help.contains(&format!("  cargo kiket {command}")), "{command}: {help}");
        let page = printed(&tool(&["man", &command]));
        assert!(page.contains(".TH") && page.contains(&command), "{page}");
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            assert!(printed(&tool(&["completions", shell])).contains(&command), "{shell} {command}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_64_and_on_standard_error() {
    for arguments in
        [&["kiket"][..], &["frobnicate"], &["man", "--frob"], &["man", "frobnicate"], &["completions", "sh"]]
    {
        let output = tool(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
    let json = tool(&["--json", "man", "frobnicate"]);
    let error: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(error["error"], "there is no command `frobnicate`");
    assert!(error["help"].as_str().unwrap().contains("`completions`"), "{error}");
}
