//! The platform for local development: what extensions call, on this machine, with its state in memory.
//!
//! `cargo run --example platform [seed.yaml]` serves it on port 4000 (`PORT` changes that, 0 is any free one), shows
//! how to point an extension at it, and prints every call until Ctrl-C.

use std::{env, path::PathBuf, process::ExitCode};

use kiket::testing::{FakePlatform, FakePlatformBuilder};

/// Where it listens unless `PORT` says otherwise.
const PORT: u16 = 4000;

fn builder(seed: Option<PathBuf>, port: Option<String>) -> Result<FakePlatformBuilder, String> {
    let port = match port.filter(|text| !text.is_empty()) {
        Some(text) => text.trim().parse().map_err(|_| format!("`PORT` is not a port: `{text}`"))?,
        None => PORT,
    };
    let seed =
        seed.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/examples/platform/seed.yaml").into());
    Ok(FakePlatform::builder().port(port).seed_file(seed))
}

fn banner(platform: &FakePlatform) -> String {
    format!(
        "The platform listens on {url}\n\n\
         workspace token     {token}\n\
         extension API key   {key}\n\
         webhook secret      {secret}\n\n\
         Point an extension at it:\n\n\
         export KIKET_BASE_URL={url} KIKET_WORKSPACE_TOKEN={token} KIKET_EXTENSION_API_KEY={key} \
         KIKET_WEBHOOK_SECRET={secret}\n\n\
         A runtime token, valid for 300 s; it goes into the body of a delivery, \
         {{\"authentication\":{{\"runtime_token\":\"…\"}}}}:\n\n\
         curl {url}/runtime_tokens -H 'Authorization: Bearer {token}' --json '{{\"scopes\":[\"issues:read\"]}}'\n",
        url = platform.url(),
        token = platform.token(),
        key = platform.api_key(),
        secret = platform.webhook_secret(),
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let builder = builder(env::args_os().nth(1).map(PathBuf::from), env::var("PORT").ok());
    let started = builder.and_then(|builder| {
        builder.on_call(|call| println!("{call:?}")).start().map_err(|error| error.to_string())
    });
    match started {
        Ok(platform) => {
            println!("{}", banner(&platform));
            // Without signals there is nothing to wait for.
            if tokio::signal::ctrl_c().await.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_good_and_the_banner_says_what_an_extension_needs() {
        let platform = builder(None, Some("0".into())).unwrap().start().unwrap();
        assert_eq!(platform.records("com.example.crm.contacts", "contacts").len(), 2);
        assert_eq!(platform.secret("API_KEY").as_deref(), Some("not-a-real-key"));
        assert_eq!((platform.issues().len(), platform.submissions("bug-report").len()), (1, 1));
        let banner = banner(&platform);
        let exports = format!(
            "export KIKET_BASE_URL={} KIKET_WORKSPACE_TOKEN={} KIKET_EXTENSION_API_KEY={}",
            platform.url(),
            platform.token(),
            platform.api_key()
        );
        assert!(banner.contains(&exports), "{banner}");
    }

    #[test]
    fn a_mistake_in_the_seed_is_reported_with_its_place() {
        let seed = env::temp_dir().join(format!("kiket-seed-{}.yaml", std::process::id()));
        std::fs::write(&seed, "secrets: {}\nrecords: []\n").unwrap();
        let error = builder(Some(seed.clone()), Some("0".into())).unwrap().start().unwrap_err().to_string();
        std::fs::remove_file(&seed).unwrap();
        assert!(error.contains("unknown field `records`") && error.contains(".yaml:2:1"), "{error}");
    }

    #[test]
    fn a_port_is_a_number() {
        assert_eq!(builder(None, Some("http".into())).unwrap_err(), "`PORT` is not a port: `http`");
    }
}
