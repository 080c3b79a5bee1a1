use kiket::prelude::*;
use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

static SETUPS: AtomicUsize = AtomicUsize::new(0);

/// Ends the program before it serves.
async fn setup(_builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    SETUPS.fetch_add(1, Ordering::Relaxed);
    Err(kiket::HandlerError::permanent("not today"))
}

mod setup_alone {
    kiket::main!(setup = super::setup);

    pub fn run() -> std::process::ExitCode {
        main()
    }
}

mod crates_first {
    use super::setup;

    kiket::main!(crates = [serde, serde_json], setup = setup);

    pub fn run() -> std::process::ExitCode {
        main()
    }
}

mod crates_last {
    kiket::main!(setup = super::setup, crates = [serde],);

    pub fn run() -> std::process::ExitCode {
        main()
    }
}

mod setup_is_a_closure {
    kiket::main!(setup = |builder| async { super::setup(builder).await });

    pub fn run() -> std::process::ExitCode {
        main()
    }
}

#[allow(dead_code)]
mod crates_alone {
    kiket::main!(crates = [serde]);
}

#[test]
fn every_setup_of_main_runs() {
    for run in [setup_alone::run, crates_first::run, crates_last::run, setup_is_a_closure::run] {
        assert_eq!(run(), ExitCode::FAILURE);
    }
    assert_eq!(SETUPS.load(Ordering::Relaxed), 4);
}
