use kiket::{events::Command, prelude::*};

#[kiket::webhook(Command, version = "v1")]
async fn on_command(_command: Payload<Command>) {}

fn main() {}
