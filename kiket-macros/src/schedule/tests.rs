//! Is the generated code what we meant? `UPDATE_EXPECT=1 cargo test -p kiket-macros` writes the snapshots anew.

use super::schedule;
use expect_test::{Expect, expect};
use proc_macro2::TokenStream;
use syn::{Expr, File, Item, parse_quote};

const HANDLER: &str = "async fn remind() {}";

/// Compares the expansion as a person reads it: what `submit!` is given stands as the value of `const SUBMIT`.
#[track_caller]
fn check(args: &str, item: &str, expected: &Expect) {
    let mut file: File = syn::parse2(schedule(args.parse().unwrap(), item.parse().unwrap())).unwrap();
    for item in &mut file.items {
        if let Item::Macro(submit) = item {
            let (attributes, value) = (&submit.attrs, submit.mac.parse_body::<Expr>().unwrap());
            *item = parse_quote!(#(#attributes)* const SUBMIT: _ = #value;);
        }
    }
    expected.assert_eq(&prettyplease::unparse(&file));
}

/// Compares the messages, and looks whether the item is still there, as it was written.
#[track_caller]
fn check_mistakes(args: &str, expected: &[&str]) {
    check_mistakes_of(HANDLER, args, expected);
}

#[track_caller]
fn check_mistakes_of(item: &str, args: &str, expected: &[&str]) {
    let output = schedule(args.parse().unwrap(), item.parse().unwrap()).to_string();
    let item = item.parse::<TokenStream>().unwrap().to_string();
    let beside = output.strip_prefix(&item).unwrap_or_else(|| panic!("{item} is gone: {output}"));
    let file: File = syn::parse_str(beside).unwrap();
    let messages = file.items.iter().map(|item| match item {
        Item::Macro(error) => error.mac.parse_body::<syn::LitStr>().unwrap().value(),
        _ => panic!("beside the item stands {beside}"),
    });
    assert_eq!(messages.collect::<Vec<_>>(), expected, "{args}");
}

#[test]
fn a_schedule_is_a_later_handler_with_times() {
    check(
        r#""0 7 * * *""#,
        HANDLER,
        &expect![[r#"
        async fn remind() {}
        const SUBMIT: _ = ::kiket::__private::Registration::new(
                ::kiket::__private::schedule::name(::core::concat!("schedule:", "remind")),
                ::kiket::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(remind)),
                |_| {},
                |_| {
                    let __handler = remind;
                    ::core::result::Result::Ok(
                        ::kiket::__private::spawnable(async move {
                            ::kiket::__private::NoReply::into_reply(__handler().await)
                        }),
                    )
                },
            )
            .later(
                ::kiket::__private::Later::declared(
                    ::core::option::Option::None,
                    ::core::option::Option::None,
                    ::core::option::Option::None,
                    false,
                ),
            )
            .schedule(
                ::kiket::__private::ScheduleTimes::new(
                    ::kiket::__private::schedule::pattern("0 7 * * *"),
                    "UTC",
                    false,
                ),
            );
    "#]],
    );
    check(
        r#""0 7 * * mon-fri", zone = "Europe/Berlin", catch_up, name = "reminder", timeout = "5m", attempts = 3, backoff = "10s..10m", middleware = [audit], crate = hooks"#,
        "#[cfg(unix)] async fn r#async(context: Context) -> kiket::Result<()> { Ok(()) }",
        &expect![[r#"
            #[cfg(unix)]
            async fn r#async(context: Context) -> kiket::Result<()> {
                Ok(())
            }
            #[cfg(unix)]
            const SUBMIT: _ = hooks::__private::Registration::new(
                    hooks::__private::schedule::name(::core::concat!("schedule:", "reminder")),
                    hooks::__private::EventVersion::from_static("v1"),
                    ::core::concat!(::core::module_path!(), "::", ::core::stringify!(r#async)),
                    |__requirements| {
                        <Context as hooks::FromDelivery<'_>>::requirements(__requirements);
                    },
                    |__delivery| {
                        let __a0 = <Context as hooks::FromDelivery<'_>>::prepare(__delivery)?;
                        let __handler = r#async;
                        ::core::result::Result::Ok(
                            hooks::__private::spawnable(async move {
                                let __a0 = match __a0 {
                                    hooks::__private::Prepared::Ready(__value) => __value,
                                    hooks::__private::Prepared::Waiting(__delivery, __extract) => {
                                        __extract(__delivery).await?
                                    }
                                };
                                hooks::__private::NoReply::into_reply(__handler(__a0).await)
                            }),
                        )
                    },
                )
                .timeout(hooks::__private::Timeout::from_static("5m"))
                .middleware(|__handler| __handler.middleware(audit))
                .later(
                    hooks::__private::Later::declared(
                        ::core::option::Option::Some(hooks::__private::later::attempts(3)),
                        ::core::option::Option::Some(hooks::__private::later::backoff("10s..10m")),
                        ::core::option::Option::None,
                        false,
                    ),
                )
                .schedule(
                    hooks::__private::ScheduleTimes::new(
                        hooks::__private::schedule::pattern("0 7 * * mon-fri"),
                        hooks::__private::schedule::zone("Europe/Berlin"),
                        true,
                    ),
                );
        "#]],
    );
}

#[test]
fn each_part_of_a_schedule_is_judged_alone() {
    let pattern = "a schedule begins with its times as a string literal, like `\"0 7 * * *\"`: minute, hour, day, month and weekday";
    let keyless = "what follows the times has a key, like `zone = \"Europe/Berlin\"`";
    let keys = "the keys of a schedule are `zone`, `catch_up`, `name`, `timeout`, `attempts`, `backoff`, `middleware` and `crate`";
    for (args, mistakes) in [
        ("", &[pattern][..]),
        (r#"zone = "UTC""#, &[pattern]),
        (r#"zone = "UTC", "0 7 * * *""#, &[pattern, keyless]),
        (
            r"EVERY_DAY, zone = UTC",
            &[pattern, "a time zone is a string literal, like `zone = \"Europe/Berlin\"`"],
        ),
        (r#""0 7 * * *", "UTC""#, &[keyless]),
        (r#""0 7 * * *", lane = "issue.id""#, &[&format!("{keys}; not `lane`")]),
        (r#""0 7 * * *", version = "v1""#, &[&format!("{keys}; not `version`")]),
        (
            r#""0 7 * * *", catch_up = true"#,
            &["`catch_up` has no value: it stands alone, like `\"0 7 * * *\", catch_up`"],
        ),
        (
            r#""0 7 * * *", name = remind, attempts = "3""#,
            &[
                "the name of a schedule is a string literal, like `name = \"remind\"`",
                "attempts are a number, like `attempts = 8`",
            ],
        ),
        (r#""0 7 * * *", zone"#, &["a key and its value are joined by `=`, like `version = \"v1\"`"]),
        (r#""0 7 * * *", catch_up, catch_up"#, &["a key is given once, and this is `catch_up` again"]),
    ] {
        check_mistakes(args, mistakes);
    }
}

#[test]
fn mistakes_of_the_function_are_those_of_a_schedule() {
    let pattern = r#""0 7 * * *""#;
    for (item, mistakes) in [
        ("fn remind() {}", &["a schedule is an `async fn`, like `async fn remind(context: Context)`"][..]),
        ("struct Remind;", &["a schedule is a function, like `async fn remind(context: Context)`"]),
        (
            "const async fn remind() {}",
            &["a schedule runs at its times, it is an `async fn` without `const`"],
        ),
        (
            "async fn remind<T>(state: State<impl Clone>) {}",
            &[
                "a schedule is not generic, its arguments name types like `State<Database>` and lifetimes like `'_`",
                "an argument of a schedule names its type, like `context: Context`",
            ],
        ),
    ] {
        check_mistakes_of(item, pattern, mistakes);
    }
}
