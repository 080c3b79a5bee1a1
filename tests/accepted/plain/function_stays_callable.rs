use kiket::prelude::*;
use serde::Deserialize;

use crate::now;

#[derive(Deserialize)]
pub struct Issue {
    title: String,
}

/// Its arguments are made by hand, its reply is its own.
#[kiket::webhook("issue.created", version = "v1")]
pub async fn on_issue_created(Payload(issue): Payload<Issue>) -> Result<Length, std::io::Error> {
    Ok(Json(issue.title.len()))
}

type Length = Json<usize>;

#[test]
fn the_function_stays_callable() {
    let titles = ["a", "bc"].map(|title| Payload(Issue { title: title.to_owned() }));
    let lengths = now::now(async {
        let mut lengths = Vec::new();
        for title in titles {
            lengths.push(on_issue_created(title).await.unwrap().0);
        }
        lengths
    });
    assert_eq!(lengths, [1, 2]);

    let handler = on_issue_created; // a value like any other
    assert!(now::now(handler(Payload(Issue { title: String::new() }))).is_ok());
}
