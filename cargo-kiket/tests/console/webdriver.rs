//! A headless Chromium, driven over the plain HTTP of its driver.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use crate::world::exchange;

/// Runs the driver until standard input ends, and ends it with all that it started: the browser of all tests is never dropped.
const DRIVER: &str = "chromedriver --port=0 & cat >/dev/null; kill -s KILL -- -$$";

/// A browser with one window, as long as this process runs.
pub(crate) struct Browser {
    address: SocketAddr,
    session: String,
    /// The driver, whose standard input ends with this process.
    _driver: Child,
}

/// Whether a program is there.
fn program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Says that a test is skipped, past the harness; in CI, where everything is installed, the test fails.
fn skipped<T>(why: &str) -> Option<T> {
    use std::io::Write as _;

    assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped: {why}");
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
    None
}

impl Browser {
    /// Starts one; `None` where there is none, which is printed.
    pub(crate) fn start() -> Option<Self> {
        let Some(chromium) =
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| program(name))
        else {
            return skipped("there is no `chromium`; `scripts/install-test-tools` installs it");
        };
        if !program("chromedriver") {
            return skipped("there is no `chromedriver`; `scripts/install-test-tools` installs it");
        }
        // Of the run before: nothing removes it when the process ends.
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        let mut driver = Command::new("setsid");
        driver.args(["sh", "-c", DRIVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        driver.env("HOME", &home).env("TMPDIR", &home);
        let mut driver = driver.spawn().unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("chromedriver names its port")));
        let mut browser = Self { address, session: String::new(), _driver: driver };
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(), // in a container there are no namespaces for it
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--force-device-scale-factor=1".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--window-size=1280,860".to_owned(),
            "--disable-background-networking".to_owned(),
            "--host-resolver-rules=MAP *.rebound.example 127.0.0.1".to_owned(),
            format!("--user-data-dir={}", home.join("profile").display()),
        ];
        let options = json!({ "args": arguments, "binary": which(chromium) });
        let wanted =
            json!({ "alwaysMatch": { "goog:chromeOptions": options, "timeouts": { "script": 60_000 } } });
        let session = browser.call("POST", "/session", &json!({ "capabilities": wanted }));
        session["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        Some(browser)
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|why| panic!("{path} {body}: {why}"))
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let response = exchange(self.address, request.as_bytes());
        let mut json = response.json();
        if response.status == 200 {
            Ok(json["value"].take())
        } else {
            Err(json["value"]["message"].to_string())
        }
    }

    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    /// Opens a new window without cookies, and closes all others.
    #[track_caller]
    pub(crate) fn begin_anew(&self) {
        let session = format!("/session/{}", self.session);
        let window = self.command("/window/new", &json!({ "type": "tab" }))["handle"].take();
        let all = self.call("GET", &format!("{session}/window/handles"), &Value::Null);
        for other in all.as_array().unwrap().iter().filter(|other| **other != window) {
            self.command("/window", &json!({ "handle": other }));
            self.call("DELETE", &format!("{session}/window"), &Value::Null);
        }
        self.command("/window", &json!({ "handle": window }));
        self.devtools("Network.clearBrowserCookies", &json!({}));
    }

    #[track_caller]
    fn devtools(&self, command: &str, params: &Value) {
        self.command("/goog/cdp/execute", &json!({ "cmd": command, "params": params }));
    }

    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.command("/url", &json!({ "url": url }));
    }

    /// The value of a script, which has a `return`.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true, and returns its value.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const value = () => {{ try {{ return {expression}; }} catch {{ return null; }} }};
             const look = () => {{ const it = value(); if (!it) return false; done(it); return true; }};
             if (!look()) {{
               const watcher = new MutationObserver(() => look() && watcher.disconnect());
               watcher.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
               setTimeout(() => done({{ late: document.body.innerText.slice(0, 3000) }}), 50000);
             }}"
        );
        let value = self.command("/execute/async", &json!({ "script": script, "args": [] }));
        assert!(
            value.get("late").is_none(),
            "never true: {expression}\n{}",
            value["late"].as_str().unwrap_or_default()
        );
        value
    }

    /// The visible text of the first element that fits.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let quoted = json!(selector);
        let text = self.run(&format!("return document.querySelector({quoted}).innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks the first element that fits, as a user does: it must be visible and not covered. One that is drawn anew just
    /// then is looked for again.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let mut refused = String::new();
        for _ in 0..20 {
            let path = format!("/session/{}/element/{}/click", self.session, self.element(selector));
            match self.try_call("POST", &path, &json!({})) {
                Ok(_) => return,
                Err(why) if why.contains("stale element") => refused = why,
                Err(why) => panic!("{selector}: {why}"),
            }
        }
        panic!("{selector}: {refused}");
    }

    /// Types into an element, after what is there.
    #[track_caller]
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let found = self.command("/element", &json!({ "using": "css selector", "value": selector }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Presses keys, one after the other, wherever the focus is.
    #[track_caller]
    pub(crate) fn keys(&self, keys: &str) {
        let actions: Vec<_> = keys
            .chars()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        self.command(
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }),
        );
    }

    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32) {
        // A window has a smallest width, an emulated screen has none.
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Prefers `light` or `dark`, as a system does.
    #[track_caller]
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    #[track_caller]
    pub(crate) fn screenshot(&self, file: &Path) {
        let shot = self.call("GET", &format!("/session/{}/screenshot", self.session), &Value::Null);
        fs::write(file, Base64::decode_vec(shot.as_str().unwrap()).unwrap()).unwrap();
    }
}

fn which(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap().display().to_string()
}
