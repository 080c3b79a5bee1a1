mod main_with_a_key_twice {
    kiket::main!(crate = kiket, crate = kiket);
}

mod main_with_an_unknown_key {
    kiket::main!(set_up = setup);
}

mod main_with_crates_that_are_no_list {
    kiket::main!(crates = serde);
}

mod main_without_a_key {
    kiket::main!(setup);
}

fn main() {}
