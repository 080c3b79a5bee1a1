//! Cases about what compiles and runs, not about style.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

pub mod all_keys_in_any_order;
pub mod argument_patterns;
pub mod attribute_by_another_name;
pub mod borrowed_payload;
pub mod conditions;
pub mod crate_at_another_path;
pub mod eight_arguments;
pub mod errors_of_handlers;
pub mod event_types;
pub mod extractor_of_a_third_party;
pub mod first_hour;
pub mod function_stays_callable;
pub mod generics_in_argument_types;
pub mod handlers_from_a_macro;
pub mod handlers_in_modules;
pub mod hostile_names;
pub mod later;
pub mod main_with_any_error;
pub mod main_with_keys;
pub mod middleware_and_options;
pub mod middleware_of_one_handler;
pub mod no_arguments;
pub mod optional_extractors;
pub mod raw_identifiers;
pub mod replies;
pub mod routes_and_tasks;
pub mod schedules;
pub mod two_attributes_on_one_function;
