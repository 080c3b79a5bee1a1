use kiket::{Error, prelude::*};

use crate::{now, registered};

#[derive(Debug)]
struct Mine;

impl std::fmt::Display for Mine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mine")
    }
}

impl std::error::Error for Mine {}

fn load() -> anyhow::Result<u32> {
    Ok("1".parse()?)
}

fn look() -> eyre::Result<u32> {
    Ok("1".parse()?)
}

#[kiket::webhook("a.anyhow", version = "v1")]
async fn with_anyhow() -> anyhow::Result<Reply> {
    let x: u32 = "1".parse()?;
    Ok(Reply::json(x))
}

#[kiket::webhook("a.box", version = "v1")]
async fn with_a_box() -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    let x: u32 = "1".parse()?;
    Ok(Reply::json(x))
}

#[kiket::webhook("a.error", version = "v1")]
async fn with_the_error_of_kiket(context: Context) -> Result<Reply, Error> {
    context.require_scopes(["issues:read"])?;
    Ok(Reply::ok())
}

#[kiket::webhook("a.eyre", version = "v1")]
async fn with_eyre() -> eyre::Result<Reply> {
    Ok(Reply::json(look()?))
}

#[kiket::webhook("a.kiket", version = "v1")]
async fn with_everything(context: Context) -> kiket::Result<Reply> {
    let x = load()? + look()? + "1".parse::<u32>()?;
    context.require_scopes(["issues:read"])?;
    match x {
        0 => Err(Mine)?,
        1 => return Err("the mail server is down".into()),
        2 => return Err(format!("the mail server is down: {x}").into()),
        4 => return Err(HandlerError::permanent("gone")),
        5 => Err(Error::permanent("gone"))?,
        _ => {}
    }
    Ok(Reply::json(x))
}

#[kiket::webhook("a.mine", version = "v1")]
async fn with_mine() -> Result<(), Mine> {
    Err(Mine)
}

#[kiket::webhook("a.str", version = "v1")]
async fn with_a_text() -> Result<Reply, &'static str> {
    Err("no")
}

#[kiket::webhook("a.string", version = "v1")]
async fn with_a_string() -> Result<Reply, String> {
    Err("no".to_owned())
}

async fn test() -> anyhow::Result<Reply> {
    let reply = with_everything(kiket::testing::context("a.kiket", "v1").scopes(["*"]).build()).await;
    Ok(reply.map_err(HandlerError::into_error)?)
}

#[test]
fn any_error_is_an_error_of_a_handler() {
    assert_eq!(now::now(test()).unwrap().to_json(), 3);
    let names = ["anyhow", "box", "error", "eyre", "kiket", "mine", "str", "string"];
    let functions = [
        "with_anyhow",
        "with_a_box",
        "with_the_error_of_kiket",
        "with_eyre",
        "with_everything",
        "with_mine",
        "with_a_text",
        "with_a_string",
    ];
    let expected: Vec<_> =
        names.iter().zip(functions).map(|(name, function)| format!("a.{name} v1 {function}")).collect();
    assert_eq!(registered::registered(module_path!(), |builder| builder), expected);
}
